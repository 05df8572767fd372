// Which of the two builds of the kernels runs here, and the threads that run it. Both builds come from the same sources
// (../assembly.ts): `relaxed.wasm` uses the fused multiply-add of relaxed SIMD, `plain.wasm` does without.

import { allowRelaxedSimd, locationOf, readShipped, startScript } from "#platform";

/** Numbers are i32 or f32; addresses too, so those above 2 GiB go in as they are and come out negative. */
type WasmFunction = (...values: number[]) => number;

export interface SimdModule {
  readonly relaxed: boolean;
  readonly call: Readonly<Record<string, WasmFunction>>;
  /** Starts a thread that helps from the moment it is ready; it does not keep the process alive. */
  startWorker(number: number): void;
}

/** Where `npm run build` puts the builds: beside the compiled host, which in a checkout is under dist/. */
const builds = new URL(import.meta.url.endsWith(".ts") ? "../../../dist/kernels/simd/" : "../", import.meta.url);

// A worker is the WebAssembly function `work` and nothing else, so it needs no file of its own and starts quickly.
const workerScript =
  "new WebAssembly.Instance(data.module, { env: { memory: data.memory } }).exports.work(data.number);";

/**
 * Instantiates the faster build that this engine accepts over `memory`, or the plain one where that is asked for.
 * @throws if a build is missing or the engine accepts neither.
 */
export async function instantiate(memory: WebAssembly.Memory, plain: boolean): Promise<SimdModule> {
  let bytes = plain ? undefined : await readBuild("relaxed.wasm");
  const relaxed = bytes !== undefined && hasRelaxedSimd(bytes);
  if (!bytes || !relaxed) bytes = await readBuild("plain.wasm");
  const module = await WebAssembly.compile(bytes);
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  return {
    relaxed,
    call: exports as Record<string, WasmFunction>,
    startWorker: (number) => startScript(workerScript, { module, memory, number }),
  };
}

/** Whether the engine accepts the relaxed build. */
function hasRelaxedSimd(relaxedBuild: Uint8Array<ArrayBuffer>): boolean {
  if (WebAssembly.validate(relaxedBuild)) return true;
  allowRelaxedSimd();
  return WebAssembly.validate(relaxedBuild);
}

async function readBuild(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const url = new URL(name, builds);
  try {
    return await readShipped(url);
  } catch (cause) {
    throw new Error(`simd kernels: ${locationOf(url)} cannot be read, expected what "npm run build" makes`, { cause });
  }
}
