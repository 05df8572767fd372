// How one op becomes the work of several threads. The thread that calls an op cuts it into chunks, writes the op's
// arguments into the control block at the bottom of the shared memory, and takes chunks until none is left; whatever
// workers are awake take chunks too. Nobody waits for a worker that sleeps or has not started yet. No chunk's result
// depends on who computes it, so how many threads there are is not visible in any output.
//
// Where other work takes a core, more threads than are left can be slower than one: a worker that loses its core within a
// chunk is waited for. Tried without gain: doing jobs alone for a while after a long wait; short naps of the waiting caller
// (7 % faster then, still slower than one thread).
//
// The control block:
//   64   ticket, i64: generation in the upper half, chunks left to take in the lower. Taking one is a compare-and-swap of
//        the whole: a thread that looked at an older generation fails, so arguments are only read while they hold.
//   128  chunks done, i32   136 workers asleep, i32   144 closing, i32   192 workers started, i32
//   256  the job: its function's index in the table, which every thread has alike, as all instantiate one module
//   260  its arguments, at most 191 words; each op lays a structure of its own over them
//   1024 chunks done by each thread, for those who measure
//   4096 one KB of scratch for each thread

import { chunkCountsAt, startedAt } from "./codes";

const ticketAt: usize = 64;
const doneAt: usize = 128;
const sleepersAt: usize = 136;
const closingAt: usize = 144;
const jobAt: usize = 256;
/** Where an op writes the arguments of its job, and each chunk reads them. */
export const argumentsAt: usize = 260;
const scratchAt: usize = 4096;
const scratchBytes: usize = 1024;

/** Looks at the ticket before a worker goes to sleep: about a millisecond, longer than a step's pauses between ops. */
const spins: i32 = 200000;

// A global is per instance, and each thread has an instance of its own.
let self: i32 = 0;

/** One KB that only this thread uses. */
export function ownScratch(): usize {
  return scratchAt + <usize>self * scratchBytes;
}

/** Number of this thread: 0 is the caller of ops. */
export function ownNumber(): i32 {
  return self;
}

/** How many threads there are by now, the caller of ops among them. */
export function startedThreads(): i32 {
  return atomic.load<i32>(<usize>startedAt) + 1;
}

/** How many chunks of `size` cover `n`. */
export function chunksOf(n: i32, size: i32): i32 {
  return (n + size - 1) / size;
}

/** Runs chunks 0 … chunks − 1 of a job on this thread and those that are awake; the arguments must be set. Returns when all are done. */
export function parallel(job: (chunk: i32) => void, chunks: i32): void {
  if (chunks === 1) {
    job(0);
    return;
  }
  store<u32>(jobAt, job.index);
  atomic.store<i32>(doneAt, 0);
  const generation = atomic.load<i64>(ticketAt) >> 32;
  atomic.store<i64>(ticketAt, ((generation + 1) << 32) | <i64>chunks);
  if (atomic.load<i32>(sleepersAt) > 0) atomic.notify(ticketAt, -1);
  takeChunks();
  while (atomic.load<i32>(doneAt) !== chunks) {}
}

/** Takes chunks of the current job until none is left. */
function takeChunks(): void {
  while (true) {
    const ticket = atomic.load<i64>(ticketAt);
    if (<i32>ticket === 0) return;
    if (atomic.cmpxchg<i64>(ticketAt, ticket, ticket - 1) === ticket) {
      call_indirect<void>(load<u32>(jobAt), <i32>ticket - 1);
      const count = <usize>chunkCountsAt + ((<usize>self) << 2);
      store<i32>(count, load<i32>(count) + 1);
      atomic.add<i32>(doneAt, 1);
    }
  }
}

/** The life of worker `number`: takes chunks, looks for more for a while, sleeps until it is woken. Returns when the set is closed. */
export function work(number: i32): void {
  self = number;
  atomic.add<i32>(<usize>startedAt, 1);
  let idle = 0;
  while (!atomic.load<i32>(closingAt)) {
    const ticket = atomic.load<i64>(ticketAt);
    if (<i32>ticket !== 0) {
      takeChunks();
      idle = 0;
    } else if (++idle > spins) {
      atomic.add<i32>(sleepersAt, 1);
      // Returns at once if the ticket has changed meanwhile: the caller changes it first and then looks for sleepers.
      if (!atomic.load<i32>(closingAt)) atomic.wait<i64>(ticketAt, ticket, -1);
      atomic.sub<i32>(sleepersAt, 1);
      idle = 0;
    }
  }
}

/** Ends `work` in every worker. */
export function close(): void {
  atomic.store<i32>(closingAt, 1);
  atomic.add<i64>(ticketAt, (<i64>1) << 32);
  atomic.notify(ticketAt, -1);
}
