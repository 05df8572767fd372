// THE op list: what every kernel set provides, with the formula and the shapes of each op. A set implements all of it or
// does not ship. `reference/` is the definition; the other sets are judged against it by one table of cases.
//
// Conventions. Buffers are flat and row-major. Activations and outputs are f32 (the reference also runs f64, to check
// derivatives); weights may have any dtype a set reads. Row counts are free: no op has a batch axis, and the rows of one
// call may belong to many sequences, so each output row depends on its own row, its own sequence's cache and the weights
// only, always summed in the same order. Every call is synchronous and ordered; only `read` waits. No op changes anything
// but `out`, except `attention`, which also writes this step's keys and values into cache pages.
//
// How later work joins without changing what is here: experts are two ops, `route` (router scores → expert ids and weights,
// both device tensors) and `expertLinear` (each row with the weights its id names, looked up on the device like `gather`);
// latent attention is `attention` with one cache head, kDim = kvRank + ropeDim and v a prefix of k; a derivative stands
// beside its op in the set's own file.

import type { DType } from "../weights/dtype.ts";
import type { Buffer } from "./tensor.ts";

/** Positions per cache page: the unit in which prefixes are shared and cache hits are counted. */
export const pageSize = 64;

/** The integers and the scale of one attention call. */
export interface AttentionShape {
  rows: number;
  nHeads: number;
  /** Heads of keys and values in the cache; nHeads is a multiple: query head h reads cache head floor(h · nCacheHeads / nHeads). */
  nCacheHeads: number;
  /** Width of one query or key head. */
  kDim: number;
  /** Width of one value head. */
  vDim: number;
  /** Columns of the page table. */
  maxPages: number;
  /** What q·k is multiplied by before softmax, usually 1/√kDim. */
  scale: number;
}

/** Where the keys and values of one layer live. */
export interface CacheBuffers<B> {
  /** [nPages, pageSize, nCacheHeads, kDim] */
  k: B;
  /** [nPages, pageSize, nCacheHeads, vDim]; null: v is the first vDim values of each key head and is not stored twice. */
  v: B | null;
}

/** Which sequence and which position each row of a step has; i32 buffers. */
export interface RowBuffers<B> {
  /** [rows]: index of the row's sequence, a row of pageTable */
  sequences: B;
  /** [rows]: position of the row in its sequence */
  positions: B;
  /** [nSequences, maxPages]: page that holds positions 64·j to 64·j + 63 of a sequence */
  pageTable: B;
}

export interface Kernels<B extends Buffer = Buffer> {
  readonly name: string;
  /** One line for people: what runs, on how many threads, with which instructions. */
  readonly about: string;
  /** Dtypes that `linear` and `gather` read as weights. */
  readonly weightDTypes: readonly DType[];
  /** Most bytes that the set can hold, whatever the machine has. */
  readonly maxBytes: number;

  // ---- memory

  /** `kept` buffers are zeros and live until `close`; the others live until `endStep` and hold anything until an op fills them. */
  alloc(dtype: DType, length: number, kept: boolean): B;
  /** A buffer for one step, with the host's values. */
  upload(values: Float32Array | Float64Array | Int32Array): B;
  /** A kept buffer, filled once by `fill`, which gets the bytes to write into (so a file is read straight into its place). */
  load(dtype: DType, length: number, fill: (into: Uint8Array) => Promise<void>): Promise<B>;
  /** What the buffer holds at the moment of the call; the promise may settle after `endStep`. */
  read(buffer: B, dtype: DType, length: number): Promise<Float32Array>;
  /** A place in this step's allocations, for `release`. */
  mark(): object;
  /** Frees all that the step allocated since the mark, but `kept` where given: it moves down to the mark. → where it is then */
  release(mark: object, kept: B | null, dtype: DType, length: number): B | null;
  /** Frees everything that this step allocated. */
  endStep(): void;
  /** Frees everything. */
  close(): void;

  // ---- rows

  /** out[r] = table[ids[r]]: embedding lookup, and the choice of output rows. table [n, dim], ids [rows] i32 → out [rows, dim] */
  gather(out: B, table: B, dtype: DType, ids: B, rows: number, dim: number): void;
  /** out[offset + i] = x[i]: the parts of a `concat`. x [length] */
  copy(out: B, offset: number, x: B, length: number): void;
  /** out = a + b: the residual connection. all [length] */
  add(out: B, a: B, b: B, length: number): void;

  // ---- projections

  /** out[r, o] = Σ_i x[r, i] · w[o, i] + bias[o]. x [rows, inDim], w [outDim, inDim] in `dtype`, bias [outDim] or null → out [rows, outDim] */
  linear(out: B, x: B, w: B, dtype: DType, bias: B | null, rows: number, inDim: number, outDim: number): void;

  // ---- normalization

  /** out[r, i] = x[r, i] / √(mean_i x[r, i]² + eps) · weight[i]. x [rows, dim]. Zhang & Sennrich 2019, arXiv 1910.07467 */
  rmsNorm(out: B, x: B, weight: B, rows: number, dim: number, eps: number): void;
  /** out[r, i] = (x[r, i] − mean) / √(variance + eps) · weight[i] + bias[i]. x [rows, dim]. Ba et al. 2016, arXiv 1607.06450 */
  layerNorm(out: B, x: B, weight: B, bias: B, rows: number, dim: number, eps: number): void;

  // ---- attention

  /**
   * Rotary positions: in each head, the ropeDim values from `offset` on are ropeDim/2 pairs (a_i, b_i), with b_i half of
   * ropeDim after a_i, turned by their row's angle: a' = a·cos − b·sin, b' = b·cos + a·sin; the rest is copied.
   * x [rows, nHeads, headDim], cos and sin [rows, ropeDim/2] → out as x. Su et al. 2021, arXiv 2104.09864
   */
  rope(
    out: B,
    x: B,
    cos: B,
    sin: B,
    rows: number,
    nHeads: number,
    headDim: number,
    ropeDim: number,
    offset: number,
  ): void;
  /**
   * Writes k and v of every row to its place in the cache, then for each row and head
   * out = Σ_t softmax_t(scale · q·k_t) · v_t over positions t = 0 … the row's own, read from its sequence's pages.
   * q [rows, nHeads, kDim], k [rows, nCacheHeads, kDim], v [rows, nCacheHeads, vDim] or null → out [rows, nHeads, vDim].
   * Vaswani et al. 2017, arXiv 1706.03762; grouped heads: Ainslie et al. 2023, arXiv 2305.13245
   */
  attention(
    out: B,
    q: B,
    k: B,
    v: B | null,
    cache: CacheBuffers<B>,
    cacheDType: DType,
    rows: RowBuffers<B>,
    shape: AttentionShape,
  ): void;
  /** The softmax that `attention` never stores, for a probe: q as above, keys from the cache → out [rows, nHeads, maxPages · pageSize], 0 after the row's own position */
  attentionProbs(out: B, q: B, cachedKeys: B, cacheDType: DType, rows: RowBuffers<B>, shape: AttentionShape): void;

  // ---- feed-forward

  /** out = silu(gate) · up, silu(x) = x / (1 + e^−x). all [length]. Shazeer 2020, arXiv 2002.05202 */
  swiglu(out: B, gate: B, up: B, length: number): void;
  /** out = x/2 · (1 + tanh(√(2/π) · (x + 0.044715·x³))). all [length]. Hendrycks & Gimpel 2016, arXiv 1606.08415 (the tanh form, as GPT-2) */
  gelu(out: B, x: B, length: number): void;
}
