// A step: which rows it computes, then computing them on the kernels, rows of any number of sequences in, what the wanted
// ones say out. Texts that are being continued come first, so that a token never waits for more than one step; prompts get
// what is left, in pieces. Agrawal et al. 2024, "Sarathi-Serve", arXiv 2403.02310.

import { pageSize } from "../../kernels/kernels.ts";
import type { Ops } from "../../kernels/ops.ts";
import { type Output, readOutputs } from "../decode/outputs.ts";
import { createBatch } from "../model/batch.ts";
import { forward } from "../model/forward.ts";
import type { KvCache } from "../model/kv-cache.ts";
import type { Model } from "../model/model.ts";
import type { Place } from "../model/places.ts";
import { embedRows, type Run } from "../prompt/segments.ts";
import { keyOf, mayShare, type Sequence, slice } from "./sequence.ts";

export interface StepLimits {
  /** Most rows of a step. */
  stepRows: number;
  /** Most prompt rows of a step in which texts are being continued: they all wait until these are computed. */
  promptRowsBesideText: number;
  /** Most rows of a step that are asked what they say. */
  stepOutputs: number;
}

/** A stretch of one sequence within a step. */
export interface Part {
  readonly sequence: Sequence;
  readonly start: number;
  readonly rows: number;
  /** Rows that are asked what they say, counted from the part's first. */
  readonly outputs: readonly number[];
  /** Ids of rows that are tried behind these; each is asked. */
  readonly guesses: readonly number[];
}

/**
 * The parts of the next step; `running` is in order of arrival. Of several prompts the oldest gets half of the rows, so it
 * is always served; those with the fewest rows left get the other half, so a short prompt need not wait for a long one.
 */
export function planStep(running: readonly Sequence[], limits: StepLimits, sharing: boolean): Part[] {
  const texts = running.filter((sequence) => sequence.continuing);
  const prompts = running.filter((sequence) => !sequence.continuing);
  const open = prompts.filter((sequence, i) => !sharing || !isBeingComputed(sequence, prompts.slice(0, i)));
  let { stepRows: rowsLeft, stepOutputs: outputsLeft } = limits;
  const parts: Part[] = [];

  for (const sequence of texts) add(sequence, left(sequence));
  if (texts.length > 0) rowsLeft = Math.min(rowsLeft, limits.promptRowsBesideText);

  const [oldest, ...others] = open;
  if (oldest) {
    others.sort((a, b) => left(a) - left(b)); // stable: of equal ones the older first
    const forOthers = others.reduce((sum, sequence) => sum + left(sequence), 0);
    add(oldest, Math.max(Math.ceil(rowsLeft / 2), rowsLeft - forOthers));
    for (const sequence of others) add(sequence, left(sequence));
  }
  return parts;

  function add(sequence: Sequence, most: number): void {
    const start = sequence.computed;
    const silent = Math.max(0, sequence.nextOutput - start); // rows before the next to ask
    const rows = Math.min(left(sequence), most, rowsLeft, silent + outputsLeft);
    if (rows <= 0) return;
    const outputs = Array.from({ length: Math.max(0, rows - silent) }, (_, i) => silent + i);
    parts.push({ sequence, start, rows, outputs, guesses: [] });
    rowsLeft -= rows;
    outputsLeft -= outputs.length;
  }
}

function left(sequence: Sequence): number {
  return sequence.rows - sequence.computed;
}

/** Whether the sequence's next page is one that an earlier prompt is at work on: then it waits, and shares it when it is done. */
function isBeingComputed(sequence: Sequence, earlier: readonly Sequence[]): boolean {
  const next = sequence.computed / pageSize;
  if (!Number.isInteger(next) || !mayShare(sequence, next)) return false;
  return earlier.some(
    (other) =>
      Math.floor(other.computed / pageSize) === next &&
      other.rows >= (next + 1) * pageSize &&
      keyOf(other, next) === keyOf(sequence, next),
  );
}

/** Computes the parts' rows and writes their keys and values. → for each part, what its wanted rows and its guesses say */
export async function computeStep(
  ops: Ops,
  model: Model,
  cache: KvCache,
  parts: readonly Part[],
  place?: Place,
): Promise<Output[][]> {
  const wanted = parts.map(({ rows, outputs, guesses }) => [...outputs, ...guesses.map((_, i) => rows + i)]);
  const wants = parts.flatMap(({ sequence }, part) => wanted[part].map(() => sequence.task.wants));
  const said = await ops.step(() => {
    const batch = createBatch(
      ops,
      model,
      cache,
      parts.map(({ sequence, start, rows, guesses }, part) => ({
        start,
        rows: rows + guesses.length,
        pages: sequence.pages,
        outputs: wanted[part],
      })),
    );
    const x = embedRows(ops, model, runsOf(parts)); // [rows, dModel]
    const logits = forward(ops, model, x, batch, place); // [outputs, vocabSize]
    return readOutputs(ops, logits, wants);
  });
  return wanted.map(({ length }) => said.splice(0, length));
}

function* runsOf(parts: readonly Part[]): Generator<Run> {
  for (const { sequence, start, rows, guesses } of parts) {
    yield* slice(sequence.runs, start, start + rows);
    yield { ids: guesses };
  }
}
