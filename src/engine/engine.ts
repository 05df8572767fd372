// THE generation loop. One step runs the model over rows of any number of sequences: a position each of those that are
// being continued, and as many prompt rows of the others as fit. One request is this loop with one sequence.

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { createBatch } from "../model/batch.ts";
import { forward } from "../model/forward.ts";
import { createKvCache, pagesFor, releasePages, takePages } from "../model/kv-cache.ts";
import type { Model } from "../model/model.ts";
import type { Probe } from "../model/probe.ts";
import { type Run, rowsOf } from "../prompt/segments.ts";
import { EngineClosedError } from "./errors.ts";

/** What one sequence wants from the model. */
export interface Task {
  /** The rows that are known from the start. */
  readonly runs: readonly Run[];
  /** Most rows that the sequence can come to have, appended ones included: pages are reserved for all of them. */
  readonly maxRows: number;
  /** The first row whose logits are wanted; those of all later rows are wanted too. */
  readonly firstOutput: number;
  /**
   * Gets the logits [vocabSize] of each wanted row, in order; may change them. Returns ids of tokens to append. The sequence
   * ends when all its rows are computed and nothing was appended. `cachedRows` is how many of its rows were found computed.
   */
  accept(logits: Float32Array, cachedRows: number): readonly number[];
  /** Rows are only ever shared between tasks of one tenant. */
  readonly tenant?: string;
  readonly signal?: AbortSignal;
}

export interface EngineOptions {
  /** Positions that the cache holds, of all sequences together. */
  cacheTokens: number;
  /** Most rows of one step: the longest that a running sequence waits for another's prompt. Default 512 */
  stepRows?: number;
  /** Most rows of one step that get logits: bounds memory, vocabSize · 4 bytes each. Default 128 */
  stepOutputs?: number;
  /** Sees every step; its row order is that of the step. */
  probe?: Probe;
}

export interface Engine {
  readonly cacheTokens: number;
  /**
   * Runs a task to its end; tasks that do not fit beside the running ones wait, first come, first served.
   * @throws if it can never fit, if `accept` throws, or with the signal's reason when it is aborted.
   */
  run(task: Task): Promise<void>;
  load(): EngineLoad;
  /** Takes no more tasks, lets those inside go on for `drainMs` (default 0) and ends the rest with an EngineClosedError. */
  close(options?: { drainMs?: number }): Promise<void>;
}

/** What the engine holds now, and what it has done so far. */
export interface EngineLoad {
  /** Pages of the cache; of these, pages that no sequence holds; of these, pages that keep a prefix for later. */
  pages: number;
  freePages: number;
  cachedPages: number;
  /** Sequences inside, computed in turns; and those that wait for a place. */
  running: number;
  waiting: number;
}

interface Sequence {
  readonly task: Task;
  /** Generated tokens, the last run of `runs`. */
  readonly appended: number[];
  readonly runs: readonly Run[];
  /** Rows known so far, and rows already computed, whose keys and values are in the cache. */
  rows: number;
  computed: number;
  pages: number[];
  resolve(): void;
  reject(reason: unknown): void;
}

/** A stretch of one sequence within a step. */
interface Part {
  sequence: Sequence;
  start: number;
  rows: number;
  outputs: number[];
}

/** An engine with a cache of its own over one model. */
export function createEngine(ops: Ops, model: Model, options: EngineOptions): Engine {
  const { stepRows = 512, stepOutputs = 128, probe } = options;
  const cache = createKvCache(ops, model.config, options.cacheTokens);
  const waiting: Sequence[] = [];
  const running: Sequence[] = [];
  let looping = false;
  let closed = false;

  async function loop(): Promise<void> {
    if (looping) return;
    looping = true;
    while (waiting.length + running.length > 0) {
      admit();
      const parts = planStep(running, stepRows, stepOutputs);
      try {
        await step(parts);
      } catch (error) {
        for (const { sequence } of parts) finish(sequence, () => sequence.reject(error));
      }
      await turnOfOthers(); // aborts and new tasks are seen between steps
      for (const sequence of [...waiting, ...running]) {
        const { signal } = sequence.task;
        if (signal?.aborted) finish(sequence, () => sequence.reject(signal.reason));
      }
    }
    looping = false;
  }

  function admit(): void {
    while (waiting.length > 0) {
      const pages = takePages(cache, pagesFor(waiting[0].task.maxRows));
      if (!pages) return;
      const sequence = waiting.shift() as Sequence;
      sequence.pages = pages;
      running.push(sequence);
    }
  }

  async function step(parts: readonly Part[]): Promise<void> {
    const { vocabSize } = model.config;
    let pending: Promise<Float32Array>;
    try {
      const x = embedRows(ops, model, parts); // [rows, dModel]
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

    let output = 0;
    for (const { sequence, rows, outputs } of parts) {
      sequence.computed += rows;
      if (!running.includes(sequence)) continue; // closed while it was computed
      try {
        for (const _ of outputs) {
          for (const id of sequence.task.accept(logits.subarray(output * vocabSize, ++output * vocabSize), 0))
            append(sequence, id);
        }
        if (sequence.computed === sequence.rows) finish(sequence, sequence.resolve);
      } catch (error) {
        finish(sequence, () => sequence.reject(error));
      }
    }
  }

  function append(sequence: Sequence, id: number): void {
    if (sequence.rows === sequence.task.maxRows)
      throw new Error(`a sequence grew beyond its ${sequence.rows} reserved rows`);
    sequence.appended.push(id);
    sequence.rows++;
  }

  /** Takes a sequence out of the engine and settles its promise. */
  function finish(sequence: Sequence, settle: () => void): void {
    for (const list of [running, waiting]) if (list.includes(sequence)) list.splice(list.indexOf(sequence), 1);
    releasePages(cache, sequence.pages);
    sequence.pages = [];
    settle();
  }

  return {
    cacheTokens: options.cacheTokens,
    async run(task) {
      task.signal?.throwIfAborted();
      if (closed) throw new EngineClosedError("the model is closed");
      if (pagesFor(task.maxRows) > cache.nPages)
        throw new RangeError(
          `input: prompt and continuation take ${task.maxRows} positions, the cache holds ${options.cacheTokens} (option cacheTokens)`,
        );
      return new Promise<void>((resolve, reject) => {
        const rows = task.runs.reduce((sum, run) => sum + rowsOf(run), 0);
        const appended: number[] = [];
        const runs = [...task.runs, { ids: appended }];
        waiting.push({ task, appended, runs, rows, computed: 0, pages: [], resolve, reject });
        void loop();
      });
    },
    load: () => ({
      freePages: cache.free.length,
      pages: cache.nPages,
      cachedPages: 0,
      running: running.length,
      waiting: waiting.length,
    }),
    async close() {
      closed = true;
      for (const sequence of [...waiting, ...running])
        finish(sequence, () => sequence.reject(new EngineClosedError("the model was closed")));
    },
  };
}

/** Which rows the next step computes: first those that continue a text, then prompts in order of arrival. */
export function planStep(running: readonly Sequence[], stepRows: number, stepOutputs: number): Part[] {
  const left = (sequence: Sequence) => sequence.rows - sequence.computed;
  const order = [...running.filter((s) => left(s) === 1), ...running.filter((s) => left(s) > 1)];
  const parts: Part[] = [];
  let rowsLeft = stepRows;
  let outputsLeft = stepOutputs;
  for (const sequence of order) {
    const start = sequence.computed;
    let rows = Math.min(left(sequence), rowsLeft);
    const silent = Math.max(0, sequence.task.firstOutput - start); // rows before the first wanted logits
    rows = Math.min(rows, silent + outputsLeft);
    if (rows === 0) continue;
    const outputs = Array.from({ length: Math.max(0, rows - silent) }, (_, i) => silent + i);
    parts.push({ sequence, start, rows, outputs });
    rowsLeft -= rows;
    outputsLeft -= outputs.length;
  }
  return parts;
}

/** The embeddings of a step's rows: [rows, dModel] */
function embedRows(ops: Ops, model: Model, parts: readonly Part[]): Tensor {
  const { dModel } = model.config;
  const tensors: Tensor[] = [];
  let ids: number[] = [];
  const flush = () => {
    if (ids.length > 0) tensors.push(ops.gather(model.embedding, ops.upload(Int32Array.from(ids)))); // [ids, dModel]
    ids = [];
  };
  for (const { sequence, start, rows } of parts) {
    for (const run of slice(sequence.runs, start, start + rows)) {
      if ("ids" in run) ids.push(...run.ids);
      else {
        flush();
        tensors.push(ops.upload(run.embeds, [run.rows, dModel]));
      }
    }
  }
  flush();
  return tensors.length === 1 ? tensors[0] : ops.concat(tensors); // [rows, dModel]
}

/** The rows begin … end of a list of runs, as runs. */
function* slice(runs: readonly Run[], begin: number, end: number): Generator<Run> {
  let at = 0;
  for (const run of runs) {
    const from = Math.max(begin - at, 0);
    const to = Math.min(end - at, rowsOf(run));
    if (from < to) {
      if ("ids" in run) yield { ids: run.ids.slice(from, to) };
      else {
        const dModel = run.embeds.length / run.rows;
        yield { embeds: run.embeds.subarray(from * dModel, to * dModel), rows: to - from };
      }
    }
    at += rowsOf(run);
  }
}

/** Lets timers, input and output of the host run before the next step. */
function turnOfOthers(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") setImmediate(resolve);
    else setTimeout(resolve);
  });
}
