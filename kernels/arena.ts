// The lifetimes of tensors, and what every checked op asks of its arguments. Activations belong to the open step, or to a
// scope within it, and end with it; weights and cache pages outlive steps. Who holds a step (a recording) makes its end wait.

import type { DType } from "../weights/dtype.ts";
import { type AttentionShape, type CacheBuffers, type Kernels, pageSize, type RowBuffers } from "./kernels.ts";
import { type Buffer, sizeOf, type Tensor } from "./tensor.ts";

/** Dtypes of activations: f32, and f64 where derivatives are checked. */
export const activation: readonly DType[] = ["f32", "f64"];

export type Arena = ReturnType<typeof createArena>;

/** The arena of one kernel set, with a first step open. */
export function createArena(kernels: Kernels) {
  // Tensors know by number the step, or the scope within it, that they belong to; those that are open now:
  let open = [0];
  let opened = 1;
  let holds = 0; // recordings that still need this step's tensors
  let ended = false; // endStep was called meanwhile

  function endStep(): void {
    ended = holds > 0;
    if (ended) return;
    kernels.endStep();
    open = [opened++];
  }

  return {
    /** Room for an op's output, in the innermost open scope. */
    output(dtype: DType, shape: readonly number[]): Tensor {
      return { dtype, shape, buffer: kernels.alloc(dtype, sizeOf(shape), false), step: open.at(-1) };
    },

    /** The host's values as a tensor of this step. */
    upload(values: Float32Array | Float64Array | Int32Array, shape: readonly number[]): Tensor {
      const dtype = values instanceof Int32Array ? "i32" : values instanceof Float32Array ? "f32" : "f64";
      return { dtype, shape, buffer: kernels.upload(values), step: open.at(-1) };
    },

    /** Complains unless `t` is alive and has the given shape, where -1 is any size, and one of the dtypes. */
    expect(op: string, name: string, t: Tensor, shape: readonly number[], dtypes?: readonly DType[]): void {
      if (t.step !== undefined && !open.includes(t.step))
        throw new Error(`${op}: ${name} belongs to a step or scope that has ended`);
      if (t.shape.length !== shape.length || shape.some((dim, i) => dim !== -1 && dim !== t.shape[i]))
        throw new Error(
          `${op}: ${name} has shape [${t.shape}], expected [${shape.map((d) => (d === -1 ? "any" : d))}]`,
        );
      if (dtypes && !dtypes.includes(t.dtype))
        throw new Error(`${op}: ${name} has dtype ${t.dtype}, expected ${dtypes.join(" or ")}`);
    },

    /** The sizes of an `expertLinear` with x [rows / perRow, inDim], ids [rows], w [n, outDim, inDim]. @throws if they do not fit. */
    expertShape(op: string, x: Tensor, ids: Tensor, w: Tensor) {
      const [n, outDim, inDim] = w.shape;
      const [rows, given] = [sizeOf(ids.shape), x.shape[0]];
      this.expect(op, "w", w, [-1, -1, -1]);
      this.expect(op, "x", x, [-1, inDim], activation);
      this.expect(op, "ids", ids, ids.shape, ["i32"]);
      const perRow = given === 0 ? 1 : rows / given;
      if (!Number.isInteger(perRow)) throw new Error(`${op}: ${rows} ids for ${given} rows, expected as many for each`);
      return { rows, perRow, inDim, outDim, n };
    },

    endStep,

    /** Keeps the tensors of this step, whoever calls `endStep`, until the function returned is called. */
    hold(): () => void {
      holds++;
      let held = true;
      return () => {
        if (held && --holds === 0 && ended) endStep();
        held = false;
      };
    },

    /** Runs a whole step and ends it, also where it throws. Beside a step that is held, it frees what it allocated itself. */
    step<Result>(whole: () => Result): Result {
      const mark = kernels.mark();
      const inner = opened++;
      open.push(inner);
      try {
        return whole();
      } finally {
        if (holds > 0) {
          kernels.release(mark, null, "f32", 0);
          open.length = open.indexOf(inner);
        } else endStep();
      }
    },

    /** Runs a part of the step and frees what it allocated, except what it returns. */
    scope(part: () => Tensor): Tensor {
      const mark = kernels.mark();
      const inner = opened++;
      open.push(inner);
      const out = part();
      open.pop();
      const own = out.step === inner;
      const buffer = kernels.release(mark, own ? out.buffer : null, out.dtype, sizeOf(out.shape));
      return own && buffer ? { ...out, buffer, step: open.at(-1) } : out;
    },
  };
}

/** Keys and values of one layer: k [nPages, pageSize, nCacheHeads, kDim], v likewise with vDim, or null where v is a prefix of k. */
export interface CachePages {
  readonly k: Tensor;
  readonly v: Tensor | null;
}

/** Sequence and position of every row of a step (i32), and the pages of every sequence. */
export interface StepRows {
  readonly sequences: Tensor; // [rows]
  readonly positions: Tensor; // [rows]
  readonly pageTable: Tensor; // [nSequences, maxPages]
}

/** What an attention call's tensors do not show: its dimensions, and what changes its softmax. */
export type Heads = Pick<
  AttentionShape,
  "nHeads" | "nCacheHeads" | "kDim" | "vDim" | "scale" | "window" | "softCap"
> & {
  readonly sinks?: Tensor | null; // [nHeads]
};

/** The shape for the kernel set. @throws one sentence for what does not fit together. */
export function shapeOf(
  { expect }: Arena,
  op: string,
  q: Tensor,
  pages: CachePages,
  rows: StepRows,
  heads: Heads,
): AttentionShape {
  const n = q.shape[0];
  const { nHeads, nCacheHeads, kDim, vDim, scale, window = 0, softCap = 0, sinks } = heads;
  if (nHeads % nCacheHeads !== 0)
    throw new Error(`${op}: ${nHeads} query heads are not a multiple of ${nCacheHeads} cache heads`);
  if (!pages.v && vDim > kDim) throw new Error(`${op}: values of width ${vDim} are no prefix of keys of width ${kDim}`);
  if (!(Number.isInteger(window) && window >= 0))
    throw new Error(`${op}: window is ${window}, expected a whole number ≥ 0`);
  if (!(Number.isFinite(softCap) && softCap >= 0))
    throw new Error(`${op}: softCap is ${softCap}, expected a finite number ≥ 0`);
  if (sinks) expect(op, "sinks", sinks, [nHeads], activation);
  expect(op, "q", q, [n, nHeads * kDim], activation);
  expect(op, "cached keys", pages.k, [-1, pageSize, nCacheHeads, kDim]);
  if (pages.v) expect(op, "cached values", pages.v, [pages.k.shape[0], pageSize, nCacheHeads, vDim], [pages.k.dtype]);
  expect(op, "sequences", rows.sequences, [n], ["i32"]);
  expect(op, "positions", rows.positions, [n], ["i32"]);
  expect(op, "pageTable", rows.pageTable, [-1, -1], ["i32"]);
  const maxPages = rows.pageTable.shape[1];
  return { rows: n, nHeads, nCacheHeads, kDim, vDim, maxPages, scale, window, softCap, sinks: sinks?.buffer };
}

export function cacheBuffers({ k, v }: CachePages): CacheBuffers<Buffer> {
  return { k: k.buffer, v: v?.buffer ?? null };
}

export function rowBuffers({ sequences, positions, pageTable }: StepRows): RowBuffers<Buffer> {
  return { sequences: sequences.buffer, positions: positions.buffer, pageTable: pageTable.buffer };
}
