// One sequence in the engine: what was asked for, how far it is, and which cache pages it holds.

import { pageSize } from "../../kernels/kernels.ts";
import { type Run, rowsOf } from "../prompt/segments.ts";
import { chainStart, pageKey } from "./prefix-key.ts";

/** What one sequence wants from the model. */
export interface Task {
  /** The rows that are known from the start. */
  readonly runs: readonly Run[];
  /** Most rows that the sequence can come to have, appended ones included. */
  readonly maxRows: number;
  /** The first row whose logits are wanted; those of all later rows are wanted too. */
  readonly firstOutput: number;
  /**
   * Gets the logits [vocabSize] of each wanted row, in order; may change them. Returns ids of tokens to append, only ever
   * after the last known row; of several, only the last one's logits are wanted. The sequence ends when all its rows are
   * computed and nothing was appended. `cachedRows` is how many of its rows were found in the prefix cache.
   */
  accept(logits: Float32Array, cachedRows: number): readonly number[];
  /** Pages are only ever shared between tasks of one tenant. */
  readonly tenant?: string;
  readonly signal?: AbortSignal;
}

export interface Sequence {
  readonly task: Task;
  /** Place in the order of arrival. */
  readonly age: number;
  /** Generated tokens, the last run of `runs`. */
  readonly appended: number[];
  readonly runs: readonly Run[];
  /** Rows known so far, and rows already computed, whose keys and values are in the pages. */
  rows: number;
  computed: number;
  /** The next row whose logits are wanted: rows before it were delivered, or nobody asked for them. */
  nextOutput: number;
  /** Every row that was known has been computed: from now on a token at a time. */
  continuing: boolean;
  /** In order of position: row r is in page r / 64. */
  pages: number[];
  /** Names of full pages, as far as they were needed. */
  readonly keys: string[];
  /** Rows that came out of the prefix cache, and the most rows that were ever computed here or there. */
  cachedRows: number;
  reached: number;
  resolve(): void;
  reject(reason: unknown): void;
}

/** A sequence that has not begun. */
export function createSequence(task: Task, age: number, settle: Pick<Sequence, "resolve" | "reject">): Sequence {
  const appended: number[] = [];
  return {
    task,
    age,
    appended,
    runs: [...task.runs, { ids: appended }],
    rows: task.runs.reduce((sum, run) => sum + rowsOf(run), 0),
    computed: 0,
    nextOutput: task.firstOutput,
    continuing: false,
    pages: [],
    keys: [],
    cachedRows: 0,
    reached: 0,
    ...settle,
  };
}

/** Whether page n is full of known rows none of whose logits are wanted: such a page may come from somebody else. */
export function mayShare(sequence: Sequence, n: number): boolean {
  return (n + 1) * pageSize <= sequence.nextOutput;
}

/** The name of page n, all of whose rows are known. */
export function keyOf(sequence: Sequence, n: number): string {
  const { keys, runs, task } = sequence;
  for (let i = keys.length; i <= n; i++)
    keys.push(pageKey(keys[i - 1] ?? chainStart(task.tenant), slice(runs, i * pageSize, (i + 1) * pageSize)));
  return keys[n];
}

/** The rows begin … end of a list of runs, as runs. */
export function* slice(runs: readonly Run[], begin: number, end: number): Generator<Run> {
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
