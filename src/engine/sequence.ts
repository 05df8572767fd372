// One sequence in the engine: what was asked for, how far it is, and which cache pages it holds.
//
// A task says which rows it has and what it wants of them. The engine computes rows, shows what the wanted ones say, and is
// told the ids that follow. A task may guess those ids before: the guessed rows are computed in the same step, behind the
// last known one, and shown with it. The ids that the task then answers decide: guesses that agree with them are rows like
// any other, the rest leaves no trace, neither in the cache nor in the names of its pages. As the bits of a row do not
// depend on the rows beside it, a text is the same with guesses and without. Leviathan et al. 2023, arXiv 2211.17192.

import { pageSize } from "../../kernels/kernels.ts";
import type { Output, Want } from "../decode/outputs.ts";
import { type Run, rowsOf } from "../prompt/segments.ts";
import { chainStart, pageKey } from "./prefix-key.ts";

/** What one sequence wants from the model. */
export interface Task<W extends Want = Want> {
  /** The rows that are known from the start. */
  readonly runs: readonly Run[];
  /** Most rows that the sequence can come to have, appended ones included. */
  readonly maxRows: number;
  /** The first row that is asked what it says; all later rows are asked too. */
  readonly firstOutput: number;
  /** What is wanted of each of them: no more than the task needs. */
  readonly wants: W;
  /**
   * Gets what the wanted rows of a step say. Returns the ids that follow the last known row, none before that row was shown;
   * of several, only the last one is asked what it says. The sequence ends when all rows that are then known are computed:
   * when nothing follows, or only what was guessed.
   */
  accept(shown: Shown<W>): readonly number[];
  /**
   * Ids that may follow the last known row, at most `room` of them. Asked before each step that shows that row, if its text
   * is being continued; fewer of them may be tried.
   */
  guess?(room: number): readonly number[];
  /**
   * Whether nobody takes what it says for now: between two steps it then gives up its place and its pages, until this is
   * false again. Who says so calls the engine's `resume` when it changes, or when the signal is aborted.
   */
  paused?(): boolean;
  /** Pages are only ever shared between tasks of one tenant. */
  readonly tenant?: string;
  readonly signal?: AbortSignal;
}

/** What the rows of one step say. */
export interface Shown<W extends Want = Want> {
  /** Of each wanted row that is known, in order, then of each guessed row. The last one says what follows all guesses. */
  readonly outputs: readonly Output<W>[];
  /** Those that were tried. Each stands on the ones before it: what its row says counts if they were right. */
  readonly guesses: readonly number[];
  /** How many of the sequence's rows were found in the prefix cache. */
  readonly cachedRows: number;
}

/** One call of the engine: what hears of its outcome. */
export interface Request {
  resolve(): void;
  reject(reason: unknown): void;
}

export interface Sequence {
  readonly task: Task;
  readonly request: Request;
  /** Place in the order of arrival. */
  readonly age: number;
  /** Generated tokens, the last run of `runs`. */
  readonly appended: number[];
  readonly runs: readonly Run[];
  /** Rows known so far, and rows already computed, whose keys and values are in the pages. */
  rows: number;
  computed: number;
  /** The next row to ask: rows before it were shown, or nobody wants to know. */
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
}

/** A sequence that has not begun. */
export function createSequence(task: Task, request: Request, age: number): Sequence {
  const appended: number[] = [];
  return {
    task,
    request,
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
  };
}

/**
 * Shows the task what rows of a step say, the last of them guessed ones, and appends what it answers. → how many guesses
 * agree with the answer: their rows are computed now
 */
export function show(sequence: Sequence, outputs: readonly Output[], guesses: readonly number[]): number {
  const { task, cachedRows } = sequence;
  const ids = task.accept({ outputs, guesses, cachedRows });
  sequence.nextOutput += outputs.length - guesses.length;
  if (ids.length === 0) return 0;
  if (sequence.nextOutput !== sequence.rows) throw new Error("tokens were appended before the last known row");
  if (sequence.rows + ids.length > task.maxRows) throw new Error(`a sequence grew beyond its ${task.maxRows} rows`);
  sequence.appended.push(...ids);
  sequence.rows += ids.length;
  sequence.nextOutput = sequence.rows - 1;
  const wrong = guesses.findIndex((id, i) => id !== ids[i]);
  return wrong < 0 ? guesses.length : wrong;
}

/** Whether page n is full of known rows that nobody asks any more: such a page may come from somebody else. */
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
