// Numbers that the host and the WebAssembly side must agree on: how dtypes are called, and what is where in the control
// block of the threads. This file is both TypeScript and AssemblyScript.

// Dtypes that store elements one by one come first, those that store blocks after them.
export const f32Code = 0;
export const bf16Code = 1;
export const f16Code = 2;
export const q8_0Code = 3;
export const q4_0Code = 4;
export const q4_1Code = 5;
export const q4_KCode = 6;
export const q6_KCode = 7;

/** Bytes at the bottom of the memory that the threads' control block takes (layout: threads.ts). */
export const controlBytes = 65536;
/** Maximum number of threads of one set: each has a scratch area in the control block. */
export const maxThreads = 48;
/** Where the control block counts, one i32 per thread, the chunks of work that the thread has done. */
export const chunkCountsAt = 1024;
/** Where the control block counts the workers that have started. */
export const startedAt = 192;
