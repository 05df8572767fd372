// Which of the two builds of the kernels runs here, and the threads that run it. Both builds come from the same sources
// (../assembly.ts): `relaxed.wasm` uses the fused multiply-add of relaxed SIMD, `plain.wasm` does without.

import { readFileSync } from "node:fs";
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

/** Where `npm run build` puts the builds: beside the compiled host, which in a checkout is under dist/. */
const builds = new URL(import.meta.url.endsWith(".ts") ? "../../../dist/kernels/simd/" : "../", import.meta.url);

// A worker is the WebAssembly function `work` and nothing else, so it needs no file of its own and starts quickly.
const workerProgram = `
  const { module, memory, number } = require("node:worker_threads").workerData;
  new WebAssembly.Instance(module, { env: { memory } }).exports.work(number);
`;

/**
 * Instantiates the faster build that this engine accepts over `memory`.
 * @throws if a build is missing or the engine accepts neither.
 */
export function instantiate(memory: WebAssembly.Memory, relaxed: boolean): SimdModule {
  const path = fileURLToPath(new URL(relaxed ? "relaxed.wasm" : "plain.wasm", builds));
  const bytes = readBuild(path);
  const module = new WebAssembly.Module(bytes);
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return {
    relaxed,
    call: exports as Record<string, WasmFunction>,
    startWorker(number) {
      const workerData = { module, memory, number };
      new Worker(workerProgram, { eval: true, execArgv: [], workerData }).unref();
    },
  };
}

/** Whether the engine accepts relaxed SIMD. Node 20 and 21 have it behind a flag that can still be set. */
export function hasRelaxedSimd(): boolean {
  const bytes = readBuild(fileURLToPath(new URL("relaxed.wasm", builds)));
  if (WebAssembly.validate(bytes)) return true;
  if (Number.parseInt(process.versions.node, 10) >= 22) return false; // later engines do not know the flag
  setFlagsFromString("--experimental-wasm-relaxed-simd");
  return WebAssembly.validate(bytes);
}

function readBuild(path: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (cause) {
    throw new Error(`simd kernels: ${path} cannot be read, expected what "npm run build" makes`, { cause });
  }
}
