// The platform where there are Node's modules: Node itself, Deno, Bun.

import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { parentPort, Worker, workerData } from "node:worker_threads";
import type { Platform } from "./platform.ts";

export { availableParallelism as cores, basename, dirname, join };

/** Where a container has less than its machine: that. */
export const totalMemory: Platform["totalMemory"] = () => {
  const most = process.constrainedMemory?.() ?? 0; // 0, or more than there is, where nothing constrains it
  return most > 0 ? Math.min(most, totalmem()) : totalmem();
};

export const kindOf: Platform["kindOf"] = async (path) => {
  try {
    return (await stat(path)).isDirectory() ? "directory" : "file";
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
};

export const openFile: Platform["openFile"] = async (path) => {
  const found = await stat(path); // before it is opened, which waits on a pipe
  if (!found.isFile()) throw new Error("it is not a regular file");
  const handle = await open(path);
  return {
    size: found.size,
    async read(into, position) {
      const length = Math.min(into.byteLength, 2 ** 30); // one call of the system reads less than 2 GiB
      return (await handle.read(into, 0, length, position)).bytesRead;
    },
    close: () => handle.close(),
  };
};

export const writeFile: Platform["writeFile"] = async (path, parts) => {
  const partial = join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`);
  try {
    const handle = await open(partial, "wx");
    try {
      for await (const part of parts) await handle.writeFile(part);
      await handle.sync(); // before the name: a power cut must not leave a complete file of zeros
    } finally {
      await handle.close();
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
};

export const makeDirectory: Platform["makeDirectory"] = async (path) => {
  await mkdir(path, { recursive: true });
};

export const locationOf: Platform["locationOf"] = (url) => (url.protocol === "file:" ? fileURLToPath(url) : url.href);

export const readShipped: Platform["readShipped"] = async (url) => new Uint8Array(await readFile(url));

export const yieldToHost: Platform["yieldToHost"] = () => new Promise((resolve) => setImmediate(resolve));

/** An immediate would come too late: after those that others have asked for. */
export const afterThisEvent: Platform["afterThisEvent"] = (callback) => process.nextTick(callback);

export const startThread: Platform["startThread"] = (url, data) => {
  const worker = workerOf(url, data);
  return {
    post: (message) => worker.postMessage(message),
    onMessage: (listener) => worker.on("message", listener),
    onError: (listener) => worker.on("error", listener),
    ended: new Promise((resolve) => {
      worker.once("exit", (code) => resolve(String(code)));
    }),
    terminate: () => void worker.terminate(),
    keepAlive: (whether) => (whether ? worker.ref() : worker.unref()),
  };
};

/** A .ts file runs by way of tsx, which a checkout has for development. */
function workerOf(url: URL, workerData: unknown): Worker {
  if (!url.pathname.endsWith(".ts")) return new Worker(url, { workerData });
  const [tsx, program] = [import.meta.resolve("tsx/esm/api"), url.href].map((name) => JSON.stringify(name));
  const script = `import(${tsx}).then(({ register }) => { register(); return import(${program}); });`;
  return new Worker(script, { eval: true, execArgv: [], workerData });
}

export const parentThread: Platform["parentThread"] = async () => {
  const port = parentPort;
  if (!port) throw new Error("this program runs in a thread that startThread started");
  return {
    data: workerData,
    post: (message) => port.postMessage(message),
    onMessage: (listener) => port.on("message", listener),
  };
};

export const startScript: Platform["startScript"] = (script, data) => {
  const program = `const data = require("node:worker_threads").workerData; ${script}`;
  new Worker(program, { eval: true, execArgv: [], workerData: data }).unref();
};

/** Node 20 and 21 have the flag; later versions do not know it and need none. */
export const allowRelaxedSimd: Platform["allowRelaxedSimd"] = () => {
  if (Number.parseInt(process.versions.node, 10) < 22) setFlagsFromString("--experimental-wasm-relaxed-simd");
};

/** Linux has a file for each kind of driver. */
export const mayHaveGpu: Platform["mayHaveGpu"] = () =>
  process.platform !== "linux" || ["/dev/dri", "/dev/nvidiactl", "/dev/dxg"].some((path) => existsSync(path));

// What `create` returns must stay referenced: once it is collected, the process crashes.
const gpus: GPU[] = [];

/** Deno's own; Node has Dawn in a package that is installed by who wants it. */
export const openGpu: Platform["openGpu"] = async (flags = []) => {
  const own = (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
  if (own && flags.length === 0) return own;
  const { create } = await import("webgpu").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ERR_MODULE_NOT_FOUND" && error.code !== "MODULE_NOT_FOUND")
      throw new Error(`the npm package webgpu does not work here: ${error.message}`);
    throw new Error("there is no WebGPU here, expected the npm package webgpu: npm install webgpu");
  });
  const gpu = create([...flags]);
  gpus.push(gpu);
  return gpu;
};
