// THE generation loop. One step runs the model over rows of any number of sequences: the next token of each text, and
// pieces of the prompts (plan-step.ts). One request is this loop with one sequence. Pages are taken as rows are computed;
// when there are none, the youngest sequence gives its own back and is computed again later: to the same bits, because an
// element's order of summation does not depend on what else is in its step.

import { pageSize } from "../../kernels/kernels.ts";
import type { Ops } from "../../kernels/ops.ts";
import { FieldError } from "../field-error.ts";
import { createBatch } from "../model/batch.ts";
import { forward } from "../model/forward.ts";
import { createKvCache, type KvDType, pagesFor } from "../model/kv-cache.ts";
import type { Model } from "../model/model.ts";
import type { Place } from "../model/places.ts";
import { embedRows } from "./embed-rows.ts";
import { EngineBusyError, EngineClosedError } from "./errors.ts";
import { createPagePool } from "./page-pool.ts";
import { type Part, planStep } from "./plan-step.ts";
import { createSequence, keyOf, mayShare, type Sequence, slice, type Task } from "./sequence.ts";

export interface EngineOptions {
  /** Positions that the cache holds, of all sequences together. */
  cacheTokens: number;
  /** Dtype of cached keys and values. Default f32 */
  kv?: KvDType;
  /** Most sequences that are computed in turns; the others wait. Default 32 */
  maxRunning?: number;
  /** Most sequences that wait; further ones are refused. Default: no limit */
  maxWaiting?: number;
  /** Most rows of one step. Default 512 */
  stepRows?: number;
  /**
   * Most prompt rows of a step in which texts are being continued, which all wait for them. Default 64: a long prompt is as
   * soon done as with 512, and the longest wait of a text is a sixth (bench/serving.ts).
   */
  promptRowsBesideText?: number;
  /** Most rows of one step that get logits: bounds memory, vocabSize · 4 bytes each. Default 128 */
  stepOutputs?: number;
  /** Keep full pages, and take them for sequences that begin with the same rows. Default: true, but not under a probe. */
  prefixCache?: boolean;
  /** At the places of every step; its row order is that of the step. */
  probe?: Place;
}

export interface Engine {
  readonly cacheTokens: number;
  /**
   * Runs a task to its end; what finds no place waits, first come, first served.
   * @throws if it can never fit, if `accept` throws, with the signal's reason when it is aborted, an EngineBusyError when
   * too many wait, an EngineClosedError when the engine is closed.
   */
  run(task: Task): Promise<void>;
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
  /** Sequences computed in turns; and those that wait for a place or for pages. */
  running: number;
  waiting: number;
  steps: number;
  /** Prompt rows that were computed, rows computed again included; and rows that were found in the prefix cache. */
  promptRowsComputed: number;
  promptRowsCached: number;
  /** Times that a sequence had to give its pages back. */
  preemptions: number;
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
  const cache = createKvCache(ops, model.config, atLeast(1, "cacheTokens", cacheTokens, cacheTokens), options.kv);
  const pool = createPagePool(cache);
  const waiting: Sequence[] = [];
  const running: Sequence[] = []; // in order of arrival
  const counts = { steps: 0, promptRowsComputed: 0, promptRowsCached: 0, preemptions: 0 };
  let arrived = 0;
  let closed = false;
  let loop: Promise<void> | undefined;

  async function untilIdle(): Promise<void> {
    await turnOfOthers(); // those that arrive together are planned together
    while (waiting.length + running.length > 0) {
      let parts: Part[] = [];
      try {
        endAborted();
        admit();
        if (prefixCache) for (const sequence of running) if (!sequence.continuing) takeSharedPages(sequence);
        parts = withPages(planStep(running, limits, prefixCache));
        if (parts.length > 0) await step(parts);
      } catch (error) {
        const struck = parts.length > 0 ? parts.map((part) => part.sequence) : [...running, ...waiting];
        for (const sequence of struck) finish(sequence, () => sequence.reject(error));
      }
      await turnOfOthers(); // aborts and new tasks are seen between steps
    }
    loop = undefined;
  }

  /** Lets waiting sequences in, while there are places, pages for all their rows, and one page in hand for each text to grow. */
  function admit(): void {
    while (waiting.length > 0 && running.length < maxRunning) {
      const [sequence] = waiting;
      if (prefixCache) takeSharedPages(sequence);
      const missing = (s: Sequence) => pagesFor(s.rows) - s.pages.length;
      const promised = running.reduce((sum, other) => sum + missing(other) + 1, 0);
      const { free, kept } = pool.counts();
      if (running.length > 0 && missing(sequence) + promised > free + kept) {
        giveBackPages(sequence);
        return;
      }
      running.push(sequence);
      waiting.shift();
    }
  }

  /** Takes computed pages from the pool for as many of the sequence's next rows as it has. */
  function takeSharedPages(sequence: Sequence): void {
    for (;;) {
      const next = sequence.computed / pageSize;
      if (!Number.isInteger(next) || !mayShare(sequence, next)) return;
      const page = pool.share(keyOf(sequence, next));
      if (page === undefined) return;
      sequence.pages.push(page);
      sequence.computed += pageSize;
    }
  }

  /** Gives every part the pages that its rows need, those of older sequences first; parts that got none are left out. */
  function withPages(parts: readonly Part[]): Part[] {
    for (const { sequence, start, rows } of parts.toSorted((a, b) => a.sequence.age - b.sequence.age)) {
      while (running.includes(sequence) && sequence.pages.length < pagesFor(start + rows)) {
        const page = pool.take();
        if (page !== undefined) sequence.pages.push(page);
        else preempt(running[running.length - 1]);
      }
    }
    return parts.filter(({ sequence }) => running.includes(sequence));
  }

  /** Sends the youngest sequence back to wait. What it generated stays; its rows are computed again when there are pages. */
  function preempt(sequence: Sequence): void {
    running.pop();
    giveBackPages(sequence);
    waiting.unshift(sequence);
    counts.preemptions++;
  }

  function giveBackPages(sequence: Sequence): void {
    pool.release(sequence.pages);
    sequence.pages = [];
    sequence.computed = 0;
    sequence.continuing = false;
  }

  async function step(parts: readonly Part[]): Promise<void> {
    const { vocabSize } = model.config;
    let pending: Promise<Float32Array>;
    try {
      const runs = parts.flatMap(({ sequence, start, rows }) => [...slice(sequence.runs, start, start + rows)]);
      const x = embedRows(ops, model, runs); // [rows, dModel]
      const batch = createBatch(
        ops,
        model,
        cache,
        parts.map((part) => ({ ...part, pages: part.sequence.pages })),
      );
      pending = ops.read(forward(ops, model, x, batch, probe)); // [outputs, vocabSize]
    } finally {
      ops.endStep();
    }
    const logits = await pending;
    counts.steps++;

    let output = 0;
    for (const { sequence, start, rows, outputs } of parts) {
      const own = outputs.map(() => logits.subarray(output * vocabSize, ++output * vocabSize));
      const { signal } = sequence.task;
      if (signal?.aborted || !running.includes(sequence)) continue; // ended while it was computed, or is about to
      count(sequence, start, rows);
      sequence.computed += rows;
      if (prefixCache) publishPages(sequence, start);
      try {
        for (const row of own) if (!signal?.aborted) accept(sequence, row);
        if (sequence.computed === sequence.rows && !signal?.aborted) finish(sequence, sequence.resolve);
      } catch (error) {
        finish(sequence, () => sequence.reject(error));
      }
    }
  }

  /** Counts this step's rows as computed, and whole pages before them that never were, for this sequence, as cached. */
  function count(sequence: Sequence, start: number, rows: number): void {
    const cached = Math.max(0, start - pagesFor(sequence.reached) * pageSize);
    sequence.cachedRows += cached;
    sequence.reached = Math.max(sequence.reached, start + rows);
    counts.promptRowsCached += cached;
    if (!sequence.continuing) counts.promptRowsComputed += rows;
    sequence.continuing = start + rows === sequence.rows;
  }

  function publishPages(sequence: Sequence, from: number): void {
    const full = Math.floor(sequence.computed / pageSize);
    for (let n = Math.floor(from / pageSize); n < full; n++) pool.publish(sequence.pages[n], keyOf(sequence, n));
  }

  /** Shows a row's logits to the task, and appends what it answers. */
  function accept(sequence: Sequence, logits: Float32Array): void {
    const ids = sequence.task.accept(logits, sequence.cachedRows);
    sequence.nextOutput++;
    if (ids.length === 0) return;
    if (sequence.nextOutput !== sequence.rows) throw new Error("tokens were appended before the last known row");
    if (sequence.rows + ids.length > sequence.task.maxRows)
      throw new Error(`a sequence grew beyond its ${sequence.task.maxRows} rows`);
    sequence.appended.push(...ids);
    sequence.rows += ids.length;
    sequence.nextOutput = sequence.rows - 1;
  }

  function endAborted(): void {
    for (const sequence of [...waiting, ...running]) {
      const { signal } = sequence.task;
      if (signal?.aborted) finish(sequence, () => sequence.reject(signal.reason));
    }
  }

  /** Takes a sequence out of the engine and settles its promise. */
  function finish(sequence: Sequence, settle: () => void): void {
    for (const list of [running, waiting]) if (list.includes(sequence)) list.splice(list.indexOf(sequence), 1);
    giveBackPages(sequence);
    settle();
  }

  return {
    cacheTokens,
    async run(task) {
      task.signal?.throwIfAborted();
      if (closed) throw new EngineClosedError("the model is closed");
      if (pagesFor(task.maxRows) > pool.nPages)
        throw new FieldError(
          "input",
          `prompt and continuation take ${task.maxRows} positions, the cache holds ${cacheTokens} (option cacheTokens)`,
        );
      if (running.length + waiting.length >= maxRunning + maxWaiting)
        throw new EngineBusyError(
          `${running.length + waiting.length} requests run or wait already, expected fewer at a time (options maxRunning, maxWaiting)`,
        );
      return new Promise<void>((resolve, reject) => {
        waiting.push(createSequence(task, arrived++, { resolve, reject }));
        loop ??= untilIdle();
      });
    },
    load() {
      const { free, kept } = pool.counts();
      const inside = { running: running.length, waiting: waiting.length };
      return { pages: pool.nPages, freePages: free + kept, cachedPages: kept, ...inside, ...counts };
    },
    async close({ drainMs = 0 } = {}) {
      closed = true;
      if (drainMs > 0 && loop) await atMost(drainMs, loop);
      for (const sequence of [...waiting, ...running])
        finish(sequence, () => sequence.reject(new EngineClosedError("the model was closed")));
      await loop;
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

/** Lets timers, input and output of the host run before the next step. */
function turnOfOthers(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") setImmediate(resolve);
    else setTimeout(resolve);
  });
}
