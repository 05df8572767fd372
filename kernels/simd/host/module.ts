// Which of the two builds of the kernels runs here, and the threads that run it. Both builds come from the same sources
// (../assembly.ts): `relaxed.wasm` uses the fused multiply-add of relaxed SIMD, `plain.wasm` does without.
// The one file under kernels/ that knows that it runs in Node.

import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";

/** Numbers are i32 or f32; addresses too, so those above 2 GiB go in as they are and come out negative. */
type WasmFunction = (...values: number[]) => number;

export interface SimdModule {
  readonly relaxed: boolean;
  readonly call: Readonly<Record<string, WasmFunction>>;
  /** Starts a thread that helps from the moment it is ready; it does not keep the process alive. */
  startWorker(number: number): void;
}

/** Cores of this machine. */
export const cores = availableParallelism();

/** Where `npm run build` puts the builds: beside the compiled host, which in a checkout is under dist/. */
const builds = new URL(import.meta.url.endsWith(".ts") ? "../../../dist/kernels/simd/" : "../", import.meta.url);

// A worker is the WebAssembly function `work` and nothing else, so it needs no file of its own and starts quickly.
const workerProgram = `
  const { module, memory, number } = require("node:worker_threads").workerData;
  new WebAssembly.Instance(module, { env: { memory } }).exports.work(number);
`;

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
    startWorker(number) {
      const workerData = { module, memory, number };
      new Worker(workerProgram, { eval: true, execArgv: [], workerData }).unref();
    },
  };
}

/** Whether the engine accepts the relaxed build. Node 20 and 21 have it behind a flag that can still be set. */
function hasRelaxedSimd(relaxedBuild: Uint8Array<ArrayBuffer>): boolean {
  if (WebAssembly.validate(relaxedBuild)) return true;
  if (Number.parseInt(process.versions.node, 10) >= 22) return false; // later engines do not know the flag
  setFlagsFromString("--experimental-wasm-relaxed-simd");
  return WebAssembly.validate(relaxedBuild);
}

async function readBuild(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const path = fileURLToPath(new URL(name, builds));
  try {
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    throw new Error(`simd kernels: ${path} cannot be read, expected what "npm run build" makes`, { cause });
  }
}
