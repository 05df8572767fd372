// Who is in the engine: what waits for a place, what has one, and which request each belongs to. First come, first served.
// A request is one call: whatever it is made of, it has one place among those that wait, and one outcome.

import { EngineBusyError } from "./errors.ts";
import { createSequence, type Request, type Sequence, type Task } from "./sequence.ts";
import type { Job } from "./work.ts";

export interface Queue {
  readonly waiting: readonly (Sequence | Job)[];
  /** In order of admission. */
  readonly running: readonly Sequence[];
  /** Sequences whose tasks are paused. */
  readonly paused: readonly Sequence[];
  /** Works that have a place, in order of admission: the first is under way. */
  readonly jobs: readonly Job[];
  /** Lets the tasks of a request wait, one after another; there is at least one. @throws an EngineBusyError if too many wait. */
  enter(tasks: readonly Task[], request: Request): void;
  /** Lets a work wait. @throws likewise. */
  enterJob(job: Job): void;
  /** Gives places to those that wait, up to the first that `hasRoom` refuses. */
  admit(hasRoom: (sequence: Sequence) => boolean): void;
  /** Takes places away from sequences that are paused, and lets those wait again, before all others, that are no more. */
  pause(): void;
  /** Sends the youngest sequence back to wait, before all others. */
  preempt(): void;
  /** Takes out what has come to its end; its request is done when nothing else of it is left. */
  end(entry: Sequence | Job): void;
  /** Takes out all of a request, which ends with an error. */
  fail(request: Request, reason: unknown): void;
  /** Fails the requests whose signal is aborted. */
  failAborted(): void;
  /** Fails all. */
  failAll(reason: unknown): void;
  /** Waits until works that were ended have freed what they held. */
  left(): Promise<void>;
}

/** An empty queue; `leave` hears of each sequence that has lost its place. */
export function createQueue(maxRunning: number, maxWaiting: number, leave: (sequence: Sequence) => void): Queue {
  /** Of each request, the tasks that have not begun. */
  const requests = new Map<Request, Task[]>();
  const waiting: (Sequence | Job)[] = [];
  const running: Sequence[] = [];
  const jobs: Job[] = [];
  const paused: Sequence[] = [];
  const lists: (Sequence | Job)[][] = [waiting, running, jobs, paused];
  let arrived = 0;
  let leaving = Promise.resolve();

  function add(request: Request, tasks: Task[]): void {
    if (requests.size >= maxRunning + maxWaiting)
      throw new EngineBusyError(
        `${requests.size} requests run or wait already, expected fewer at a time (options maxRunning, maxWaiting)`,
      );
    requests.set(request, tasks);
  }

  /** The next task of a request waits when the one before it has a place: behind those that came in the meantime. */
  function beginNext(request: Request): void {
    if (waiting.some((entry) => entry.request === request)) return;
    const task = requests.get(request)?.shift();
    if (task) waiting.push(createSequence(task, request, arrived++));
  }

  function takeOut(entry: Sequence | Job): void {
    for (const list of lists) if (list.includes(entry)) list.splice(list.indexOf(entry), 1);
    if ("task" in entry) leave(entry);
  }

  function fail(request: Request, reason: unknown): void {
    if (!requests.delete(request)) return;
    for (const entry of lists.flat()) {
      if (entry.request !== request) continue;
      takeOut(entry);
      if ("advance" in entry) {
        const both = Promise.all([leaving, entry.leave(reason)]);
        leaving = both.then(() => {});
      }
    }
    request.reject(reason);
  }

  return {
    waiting,
    running,
    paused,
    jobs,
    enter(tasks, request) {
      add(request, [...tasks]);
      beginNext(request);
    },
    enterJob(job) {
      add(job.request, []);
      waiting.push(job);
    },
    admit(hasRoom) {
      while (waiting.length > 0 && running.length + jobs.length < maxRunning) {
        const [first] = waiting;
        if ("advance" in first) jobs.push(first);
        else if (hasRoom(first)) running.push(first);
        else return;
        waiting.shift();
        beginNext(first.request);
      }
    },
    pause() {
      for (const sequence of running.filter(({ task }) => task.paused?.())) {
        takeOut(sequence);
        paused.push(sequence);
      }
      for (const sequence of paused.filter(({ task }) => !task.paused?.())) {
        paused.splice(paused.indexOf(sequence), 1);
        waiting.unshift(sequence);
      }
    },
    preempt() {
      const sequence = running.pop() as Sequence;
      leave(sequence);
      waiting.unshift(sequence);
    },
    end(entry) {
      takeOut(entry);
      if (lists.flat().some(({ request }) => request === entry.request)) return;
      requests.delete(entry.request);
      entry.request.resolve();
    },
    fail,
    failAborted() {
      for (const entry of lists.flat()) {
        const { signal } = "task" in entry ? entry.task : entry;
        if (signal?.aborted) fail(entry.request, signal.reason);
      }
    },
    failAll(reason) {
      for (const request of [...requests.keys()]) fail(request, reason);
    },
    left: () => leaving,
  };
}
