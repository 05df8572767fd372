// Numbers that the host and the WebAssembly side must agree on: how dtypes are called, and where shared memory begins to
// be free. This file is both TypeScript and AssemblyScript.

export const f32Code = 0;
export const bf16Code = 1;
export const f16Code = 2;

/** Bytes at the bottom of the memory that the threads' control block takes (layout: threads.ts). */
export const controlBytes = 65536;
/** Most threads of one set: each has a scratch area in the control block. */
export const maxThreads = 64;
/** Where the control block counts, one i32 per thread, the chunks of work that the thread has done. */
export const chunkCountsAt = 1024;
/** Where the control block counts the workers that have started. */
export const startedAt = 192;
