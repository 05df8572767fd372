// The part of the WebAssembly interface that the host uses: TypeScript has it in its library for browsers only.
// Source: W3C, "WebAssembly JavaScript Interface", version 2.0.

declare namespace WebAssembly {
  class Memory {
    constructor(descriptor: { initial: number; maximum: number; shared: true });
    readonly buffer: SharedArrayBuffer;
    /** @throws RangeError when there is no room. */
    grow(pages: number): number;
  }
  class Module {
    constructor(bytes: Uint8Array<ArrayBuffer>);
  }
  interface Instance {
    readonly exports: Record<string, unknown>;
  }
  function compile(bytes: Uint8Array<ArrayBuffer>): Promise<Module>;
  function instantiate(module: Module, imports: { env: { memory: Memory } }): Promise<Instance>;
  function validate(bytes: Uint8Array<ArrayBuffer>): boolean;
}
