// THE generation loop. One step runs the model over rows of any number of sequences: the next token of each text, and
// pieces of the prompts (step.ts). One request is this loop with one sequence. Pages are taken as rows are computed;
// when there are none, the youngest sequence gives its own back and is computed again later: to the same bits, because an
// element's order of summation does not depend on what else is in its step. Between two steps comes a piece of other work.

import { yieldToHost } from "#platform";
import { pageSize } from "../../kernels/kernels.ts";
import type { Ops } from "../../kernels/ops.ts";
import type { Want } from "../decode/outputs.ts";
import { FieldError } from "../field-error.ts";
import { createKvCache, type KvDType, pagesFor } from "../model/kv-cache.ts";
import type { Model } from "../model/model.ts";
import type { Place } from "../model/places.ts";
import { EngineClosedError } from "./errors.ts";
import { createPagePool, extendPages, giveBackPages, publishPages, takeSharedPages, trimPages } from "./page-pool.ts";
import { createQueue } from "./queue.ts";
import { type Sequence, show, type Task } from "./sequence.ts";
import { computeStep, type Part, planStep } from "./step.ts";
import { createJob, type Pieces, rowCost } from "./work.ts";

export interface EngineOptions {
  /** Positions that the cache holds, of all sequences together. */
  cacheTokens: number;
  /** Dtype of cached keys and values. Default f32 */
  kv?: KvDType;
  /** Most sequences and other works that are computed in turns; the others wait. Default 32 */
  maxRunning?: number;
  /** Most requests that wait; further ones are refused. Default: no limit */
  maxWaiting?: number;
  /** Most rows of one step. Default 512 */
  stepRows?: number;
  /**
   * Most prompt rows of a step in which texts are being continued, which all wait for them. Default 64: a long prompt is as
   * soon done as with 512, and the longest wait of a text is a sixth (bench/serving.ts). A piece of other work takes no
   * longer than they do, unless one call of it does.
   */
  promptRowsBesideText?: number;
  /** Most rows of one step that are asked what they say: bounds memory, vocabSize · 4 bytes each. Default 128 */
  stepOutputs?: number;
  /** Keep full pages, and take them for sequences that begin with the same rows. Default: true, but not under a probe. */
  prefixCache?: boolean;
  /** At the places of every step; its row order is that of the step. */
  probe?: Place;
}

export interface Engine {
  readonly cacheTokens: number;
  /**
   * Runs the tasks of a request to their ends; what finds no place waits, first come, first served. However many tasks it
   * has, a request waits as one, and fails as one.
   * @throws if a task can never fit, if `accept` throws, with the signal's reason when it is aborted, an EngineBusyError when
   * too many wait, an EngineClosedError when the engine is closed.
   */
  run<W extends Want>(tasks: Task<W> | readonly Task<W>[]): Promise<void>;
  /**
   * Does other work with the model, in pieces between steps: it waits its turn and counts like a sequence, and of several
   * only the oldest is under way. Between its pieces it may hold a step's memory (`ops.hold`). → what it returns
   * @throws what it throws, and as `run`; then nothing of it was done, or it was ended by that error where it stood.
   */
  work<Result>(pieces: Pieces<Result>, signal?: AbortSignal): Promise<Result>;
  /** Looks again at tasks that were paused, where nothing else makes it. */
  resume(): void;
  load(): EngineCounters;
  /** Takes no more tasks, lets those inside go on for `drainMs` (default 0) and ends the rest with an EngineClosedError. */
  close(options?: { drainMs?: number }): Promise<void>;
}

/** What the engine holds now, and what it has done so far. */
export interface EngineCounters {
  /** Pages of the cache; of these, pages that no sequence holds; of these, pages that keep a prefix for later. */
  pages: number;
  freePages: number;
  cachedPages: number;
  /** Sequences and other works computed in turns; and those that wait for a place or for pages. */
  running: number;
  waiting: number;
  /** Sequences that stand still, because nobody takes what they say. */
  paused: number;
  steps: number;
  /** Pieces of other work. */
  pieces: number;
  /** Prompt rows that were computed, rows computed again included; and rows that were found in the prefix cache. */
  promptRowsComputed: number;
  promptRowsCached: number;
  /** Times that a sequence had to give its pages back. */
  preemptions: number;
  /** Rows that were guessed and computed; and those of them that were right. */
  rowsGuessed: number;
  rowsAccepted: number;
}

/** An engine with a cache of its own over one model. @throws FieldError for an option that is out of range. */
export function createEngine(ops: Ops, model: Model, options: EngineOptions): Engine {
  const { probe, cacheTokens, prefixCache = !probe } = options;
  const maxRunning = atLeast(1, "maxRunning", options.maxRunning, 32);
  const maxWaiting = atLeast(0, "maxWaiting", options.maxWaiting, Number.POSITIVE_INFINITY);
  const limits = {
    stepRows: atLeast(1, "stepRows", options.stepRows, 512),
    promptRowsBesideText: atLeast(1, "promptRowsBesideText", options.promptRowsBesideText, 64),
    stepOutputs: atLeast(1, "stepOutputs", options.stepOutputs, 128),
  };
  const pieceCost = limits.promptRowsBesideText * rowCost(model);
  const cache = createKvCache(ops, model.config, atLeast(1, "cacheTokens", cacheTokens, cacheTokens), options.kv);
  const pool = createPagePool(cache);
  const queue = createQueue(maxRunning, maxWaiting, (sequence) => giveBackPages(pool, sequence));
  const { waiting, running, paused, jobs } = queue;
  const counts = {
    steps: 0,
    pieces: 0,
    promptRowsComputed: 0,
    promptRowsCached: 0,
    preemptions: 0,
    rowsGuessed: 0,
    rowsAccepted: 0,
  };
  let closed = false;
  let loop: Promise<void> | undefined;

  async function untilIdle(): Promise<void> {
    await yieldToHost(); // those that arrive together are planned together
    for (;;) {
      queue.failAborted();
      queue.pause();
      if (waiting.length + running.length + jobs.length === 0) break;
      await nextStep();
      await nextPiece();
      await yieldToHost(); // aborts and new tasks are seen between steps
    }
    loop = undefined;
  }

  // ---- steps

  async function nextStep(): Promise<void> {
    let parts: Part[] = [];
    try {
      queue.admit(hasRoom);
      if (prefixCache) for (const sequence of running) if (!sequence.continuing) takeSharedPages(pool, sequence);
      parts = withGuesses(withPages(planStep(running, limits, prefixCache)));
      if (parts.length > 0) await step(parts);
    } catch (error) {
      const struck = parts.length > 0 ? parts.map((part) => part.sequence) : [...running, ...waiting];
      for (const { request } of struck) queue.fail(request, error);
    }
  }

  /** Whether there are pages for all rows of a sequence, and one page in hand for each text to grow. */
  function hasRoom(sequence: Sequence): boolean {
    if (prefixCache) takeSharedPages(pool, sequence);
    const missing = (s: Sequence) => pagesFor(s.rows) - s.pages.length;
    const promised = running.reduce((sum, other) => sum + missing(other) + 1, 0);
    const { free, kept } = pool.counts();
    if (running.length === 0 || missing(sequence) + promised <= free + kept) return true;
    giveBackPages(pool, sequence);
    return false;
  }

  /** Gives every part the pages that its rows need, those of older sequences first; parts that got none are left out. */
  function withPages(parts: readonly Part[]): Part[] {
    for (const { sequence, start, rows } of parts.toSorted((a, b) => a.sequence.age - b.sequence.age))
      while (running.includes(sequence) && !extendPages(pool, sequence, start + rows)) {
        queue.preempt(); // what it generated stays; its rows are computed again when there are pages
        counts.preemptions++;
      }
    return parts.filter(({ sequence }) => running.includes(sequence));
  }

  /** Lets texts try what they guess, in rows, outputs and empty pages that are left: nothing is given up for guesses. */
  function withGuesses(parts: readonly Part[]): Part[] {
    let rowsLeft = parts.reduce((left, { rows }) => left - rows, limits.stepRows);
    let outputsLeft = parts.reduce((left, { outputs }) => left - outputs.length, limits.stepOutputs);
    const guessing = parts.map((part): Part => {
      const { sequence, start, rows } = part;
      const { task, request } = sequence;
      const known = start + rows;
      const inPages = (sequence.pages.length + pool.counts().free) * pageSize;
      const room = Math.min(rowsLeft, outputsLeft, Math.min(inPages, task.maxRows) - known);
      if (!task.guess || !sequence.continuing || known < sequence.rows || room <= 0) return part;
      try {
        const guesses = task.guess(room).slice(0, room);
        extendPages(pool, sequence, known + guesses.length);
        rowsLeft -= guesses.length;
        outputsLeft -= guesses.length;
        return { ...part, guesses };
      } catch (error) {
        queue.fail(request, error);
        return part;
      }
    });
    return guessing.filter(({ sequence }) => running.includes(sequence));
  }

  async function step(parts: readonly Part[]): Promise<void> {
    const said = await computeStep(ops, model, cache, parts, probe);
    counts.steps++;
    for (const [i, part] of parts.entries()) {
      const { sequence } = part;
      const { signal } = sequence.task;
      if (signal?.aborted || !running.includes(sequence)) continue; // ended while it was computed, or is about to
      count(part);
      advance(sequence, part.rows);
      try {
        if (said[i].length > 0) {
          const right = show(sequence, said[i], part.guesses);
          counts.rowsGuessed += part.guesses.length;
          counts.rowsAccepted += right;
          advance(sequence, right);
          trimPages(pool, sequence); // of guesses that were wrong
        }
        if (sequence.computed === sequence.rows && !signal?.aborted) queue.end(sequence);
      } catch (error) {
        queue.fail(sequence.request, error);
      }
    }
  }

  /** Counts this step's rows as computed, and whole pages before them that never were, for this sequence, as cached. */
  function count({ sequence, start, rows }: Part): void {
    const cached = Math.max(0, start - pagesFor(sequence.reached) * pageSize);
    sequence.cachedRows += cached;
    counts.promptRowsCached += cached;
    if (!sequence.continuing) counts.promptRowsComputed += rows;
    sequence.continuing = start + rows === sequence.rows;
  }

  /** So many more of a sequence's known rows are computed. */
  function advance(sequence: Sequence, rows: number): void {
    const before = sequence.computed;
    sequence.computed += rows;
    sequence.reached = Math.max(sequence.reached, sequence.computed);
    if (prefixCache) publishPages(pool, sequence, before);
  }

  // ---- other work

  async function nextPiece(): Promise<void> {
    await queue.left(); // one holds memory at a time
    const [job] = jobs;
    if (!job) return;
    counts.pieces++;
    try {
      if (await job.advance(pieceCost)) queue.end(job);
    } catch (error) {
      queue.fail(job.request, error);
    }
  }

  // ---- requests

  function enter(signal: AbortSignal | undefined, add: () => void): void {
    signal?.throwIfAborted();
    if (closed) throw new EngineClosedError("the model is closed");
    add();
    loop ??= untilIdle();
  }

  return {
    cacheTokens,
    async run(request) {
      const tasks = "runs" in request ? [request] : request;
      const maxRows = tasks.reduce((most, task) => Math.max(most, task.maxRows), 0);
      if (pagesFor(maxRows) > pool.nPages)
        throw new FieldError(
          "input",
          `prompt and continuation take ${maxRows} positions, the cache holds ${cacheTokens} (option cacheTokens)`,
        );
      if (tasks.length === 0) return;
      const signal = tasks.find((task) => task.signal?.aborted)?.signal;
      return new Promise((resolve, reject) => enter(signal, () => queue.enter(tasks, { resolve, reject })));
    },
    work: (pieces, signal) =>
      new Promise((resolve, reject) =>
        enter(signal, () => queue.enterJob(createJob(pieces, { resolve, reject }, signal))),
      ),
    resume() {
      if (paused.length > 0) loop ??= untilIdle();
    },
    load() {
      const { free, kept } = pool.counts();
      const inside = { running: running.length + jobs.length, waiting: waiting.length, paused: paused.length };
      return { pages: pool.nPages, freePages: free + kept, cachedPages: kept, ...inside, ...counts };
    },
    async close({ drainMs = 0 } = {}) {
      closed = true;
      if (drainMs > 0 && loop) await atMost(drainMs, loop);
      queue.failAll(new EngineClosedError("the model was closed"));
      await loop;
      await queue.left();
    },
  };
}

function atLeast(least: number, name: string, value: number | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  if (!(Number.isSafeInteger(value) || value === Number.POSITIVE_INFINITY) || value < least)
    throw new FieldError(name, `got ${value}, expected a whole number ≥ ${least}`);
  return value;
}

/** Waits for a promise, but not longer than so many milliseconds. */
async function atMost(milliseconds: number, promise: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([promise, late]);
  clearTimeout(timer);
}
