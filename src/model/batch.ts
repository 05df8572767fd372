// A batch: what the rows of one step are. The rows may be one position of many sequences (serving), many positions of one
// (prefill), or any mixture. Only attention and the positions look at it; to every other op a row is a row.

import type { CachePages, StepRows } from "../../kernels/arena.ts";
import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import type { RopeConfig } from "./config.ts";
import type { KvCache } from "./kv-cache.ts";
import type { Model } from "./model.ts";
import { ropeFrequencies, rotations } from "./rope.ts";

/** Rows of one sequence within a step. */
export interface BatchPart {
  /** Position of the first row; earlier positions are in the cache. */
  start: number;
  rows: number;
  /** The sequence's pages, enough for start + rows positions. */
  pages: readonly number[];
  /** Which of these rows get logits, counted from 0. */
  outputs: readonly number[];
}

export interface Batch extends StepRows {
  /** Rows that get logits, in the order of the parts. */
  readonly outputRows: Tensor; // [outputs]
  /** Angles of every row in each layer; null without rotary positions. */
  readonly rotations: readonly (Rotation | null)[];
  /** Of latent attention, the number of each row's heads: 0 … nHeads − 1 again and again. */
  readonly heads: Tensor | null; // [rows · nHeads]
  readonly cache: readonly CachePages[]; // per layer
}

interface Rotation {
  readonly cos: Tensor; // [rows, ropeDim/2]
  readonly sin: Tensor; // [rows, ropeDim/2]
}

/** Puts the parts one after another, in order. */
export function createBatch(ops: Ops, model: Model, cache: KvCache, parts: readonly BatchPart[]): Batch {
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const maxPages = Math.max(...parts.map((part) => part.pages.length));
  const sequences = new Int32Array(rows);
  const positions = new Int32Array(rows);
  const pageTable = new Int32Array(parts.length * maxPages);
  const outputRows: number[] = [];
  let row = 0;
  for (const [sequence, part] of parts.entries()) {
    pageTable.set(part.pages, sequence * maxPages);
    for (const output of part.outputs) outputRows.push(row + output);
    for (let i = 0; i < part.rows; i++, row++) {
      sequences[row] = sequence;
      positions[row] = part.start + i;
    }
  }
  return {
    sequences: ops.upload(sequences),
    positions: ops.upload(positions),
    pageTable: ops.upload(pageTable, [parts.length, maxPages]),
    outputRows: ops.upload(Int32Array.from(outputRows)),
    rotations: uploadRotations(ops, model, positions),
    heads: uploadHeads(ops, model, rows),
    cache: cache.layers,
  };
}

/** Layers with a window may have angles of their own. */
function uploadRotations(ops: Ops, { config }: Model, positions: Int32Array): Batch["rotations"] {
  const { rope, windowRope, windows, nLayers } = config;
  const upload = (rope: RopeConfig | null): Rotation | null => {
    if (!rope) return null;
    const { cos, sin } = rotations(ropeFrequencies(rope), positions);
    const shape = [positions.length, rope.ropeDim / 2];
    return { cos: ops.upload(cos, shape), sin: ops.upload(sin, shape) };
  };
  const all = upload(rope);
  const windowed = windowRope ? upload(windowRope) : all;
  return Array.from({ length: nLayers }, (_, i) => (windows?.[i] ? windowed : all));
}

function uploadHeads(ops: Ops, { config: { nHeads, latent } }: Model, rows: number): Batch["heads"] {
  return latent ? ops.upload(Int32Array.from({ length: rows * nHeads }, (_, i) => i % nHeads)) : null;
}
