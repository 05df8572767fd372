// THE op list: what every kernel set provides, with the formula and the shapes of each op. A set implements all of it or
// does not ship. `reference/` is the definition; the other sets are judged against it by one table of cases.
//
// Conventions. Buffers are flat and row-major. Activations and outputs are f32 (the reference also runs f64, to check
// derivatives); weights may have any dtype a set reads. Row counts are free: no op has a batch axis, and the rows of one
// call may belong to many sequences, so each output row depends on its own row, its own sequence's cache and the weights
// only, always summed in the same order. Every call is synchronous and ordered; only `read` waits. No op changes anything
// but `out`, except `attention`, which also writes this step's keys and values into cache pages.
//
// Experts are chosen by `route`, on the device, and multiplied by `expertLinear`, each row with the weights that its ids name,
// looked up like those of `gather`; the products of each head by itself in latent attention are the same op, with heads for
// experts. Latent attention is `attention` with one cache head, kDim = kvRank + ropeDim and v a prefix of k. Derivatives are
// a list of their own at the end: a set that only runs models leaves them out.

import type { DType } from "../weights/dtype.ts";
import type { Buffer } from "./tensor.ts";

/** Positions per cache page: the unit in which prefixes are shared and cache hits are counted. */
export const pageSize = 64;

/**
 * The dimensions of one attention call, and what changes its softmax. A set throws for a `window`, `sinks` or `softCap` that
 * it does not compute: none of them is ever ignored.
 */
export interface AttentionShape<B extends Buffer = Buffer> {
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
  /** Sliding window: the number of positions a row sees, its own and those before it; 0 or none: all. Jiang et al. 2023, "Mistral 7B", arXiv 2310.06825 */
  window?: number;
  /** Attention sinks: [nHeads], a logit per head that counts in softmax's denominator and has no value. As in gpt-oss; Xiao et al. 2023, arXiv 2309.17453 */
  sinks?: B | null;
  /** Soft cap c: scores become c · tanh(score / c); 0 or none: they stay. Gemma 2, arXiv 2408.00118 */
  softCap?: number;
}

/** How a router chooses experts for a row and weighs them. DeepSeek-V2, arXiv 2405.04434; DeepSeek-V3, arXiv 2412.19437, section 2.1.2 */
export interface RouteRule {
  nExperts: number;
  /** Experts chosen for a row. */
  nActive: number;
  /** What makes a score of a logit: softmax over all experts, or 1 / (1 + e^−logit) of each by itself. */
  score: "softmax" | "sigmoid";
  /** Neighboring experts form nGroups equal groups, and only those of the best nActiveGroups may be chosen; 1 and 1: all. */
  nGroups: number;
  nActiveGroups: number;
  /** A group is as good as its best expert, or as its best two together. */
  groupScore: "best" | "best two";
  /** Whether weights are divided by their sum, + 1e-20. */
  normalize: boolean;
  /** What weights are multiplied by at the end. */
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
  /**
   * Whether an output element has one order of summation, and so the same bits whatever number of rows, threads, pages and
   * chunks it is computed with. Where it is false, nothing that rests on it may be done (guesses, steps shared with others' prefixes).
   */
  readonly sameBits: boolean;
  /** Whether `linear` rounds each row of x to 8 bits, 32 numbers at a time, where the weights are quantized. Default: it does not */
  readonly roundsRows?: boolean;
  /** Dtypes that `linear` and `gather` read as weights. */
  readonly weightDTypes: readonly DType[];
  /** Maximum number of bytes that the set can hold, whatever the machine has. */
  readonly maxBytes: number;

  // ---- memory

  /** `kept` buffers are zeros and live until `close`; the others live until `endStep` and hold anything until an op fills them. */
  alloc(dtype: DType, length: number, kept: boolean): B;
  /** A buffer for one step, with the host's values. */
  upload(values: Float32Array | Float64Array | Int32Array): B;
  /**
   * A kept buffer, filled once by `fill`, which gets the bytes to write into (so a file is read straight into its place).
   * `rowLength`: elements that must lie together, a row of a matrix or an expert; what is larger than a device reaches at
   * once is parted between them.
   */
  load(dtype: DType, length: number, fill: (into: Uint8Array) => Promise<void>, rowLength?: number): Promise<B>;
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
  /** out[r, begin + i] = x[r, from + i], i = 0 … width − 1: some columns of a matrix, and matrices side by side. x [rows, inDim], out [rows, outDim] */
  copyColumns(
    out: B,
    outDim: number,
    begin: number,
    x: B,
    inDim: number,
    from: number,
    width: number,
    rows: number,
  ): void;
  /** out = a + b: the residual connection. all [length] */
  add(out: B, a: B, b: B, length: number): void;
  /** out = a · b, element by element. all [length] */
  multiply(out: B, a: B, b: B, length: number): void;
  /** out = factor · x. all [length] */
  scale(out: B, x: B, factor: number, length: number): void;

  // ---- projections

  /** out[r, o] = Σ_i x[r, i] · w[o, i] + bias[o]. x [rows, inDim], w [outDim, inDim] in `dtype`, bias [outDim] or null → out [rows, outDim] */
  linear(out: B, x: B, w: B, dtype: DType, bias: B | null, rows: number, inDim: number, outDim: number): void;

  /** `linear` of one x with several matrices of one dtype: where a set has this, it is faster than one after the other. */
  linears?(
    outs: readonly B[],
    x: B,
    ws: readonly B[],
    dtype: DType,
    biases: readonly (B | null)[],
    rows: number,
    inDim: number,
    outDims: readonly number[],
  ): void;
  // ---- experts

  /**
   * With s_e the scores of a row's logits and c_e = s_e + bias[e], which chooses and does not weigh: ids[r] are the nActive
   * experts of the best groups with the largest c_e, the largest first; of equal groups and experts the lower one.
   * logits [rows, nExperts], bias [nExperts] or null → ids [rows, nActive] i32
   */
  route(ids: B, logits: B, bias: B | null, rows: number, rule: RouteRule): void;
  /**
   * out[r, j] = scale · s_e, with e = ids[r, j] and s the scores of the row's logits; where weights are normalized,
   * scale · s_e / (Σ_j s_ids[r, j] + 1e-20). logits [rows, nExperts], ids [rows, nActive] → out [rows, nActive]
   */
  routeWeights(out: B, logits: B, ids: B, rows: number, rule: RouteRule): void;
  /**
   * out[r, o] = Σ_i x[⌊r / perRow⌋, i] · w[ids[r], o, i]: `linear`, each row with weights of its own, to the same bits.
   * x [rows / perRow, inDim], ids [rows], w [n, outDim, inDim] in `dtype` → out [rows, outDim]
   */
  expertLinear(
    out: B,
    x: B,
    ids: B,
    w: B,
    dtype: DType,
    rows: number,
    perRow: number,
    inDim: number,
    outDim: number,
    n: number,
  ): void;
  /** out[r, i] = Σ_j weights[r, j] · x[r · n + j, i], j = 0, 1, … x [rows · n, dim], weights [rows, n] → out [rows, dim] */
  weightedSum(out: B, x: B, weights: B, rows: number, n: number, dim: number): void;

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
  /** `rope` of several tensors by the same angles: where a set has this, it is faster than one after the other. */
  ropes?(
    outs: readonly B[],
    xs: readonly B[],
    cos: B,
    sin: B,
    rows: number,
    nHeads: readonly number[],
    headDim: number,
    ropeDim: number,
    offset: number,
  ): void;
  /**
   * Writes k and v of every row to its place in the cache, then for each row and head, read from its sequence's pages,
   *   s_t = scale · q·k_t, with a soft cap c · tanh(scale · q·k_t / c)
   *   p_t = e^s_t / (Σ_u e^s_u + e^sink), without a sink the softmax of s
   *   out = Σ_t p_t · v_t
   * over positions t, u = 0 … the row's own; with a window over the last `window` of them, and no other page is read.
   * An f16 cache holds finite numbers: beyond ±65504, keys and values are stored as that (a NaN too).
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
    shape: AttentionShape<B>,
  ): void;
  /** The p that `attention` never stores, for a probe: q as above, keys from the cache → out [rows, nHeads, maxPages · pageSize], 0 where a row does not see */
  attentionProbs(out: B, q: B, cachedKeys: B, cacheDType: DType, rows: RowBuffers<B>, shape: AttentionShape<B>): void;

  // ---- feed-forward

  /** out = silu(gate) · up, silu(x) = x / (1 + e^−x). all [length]. Shazeer 2020, arXiv 2002.05202 */
  swiglu(out: B, gate: B, up: B, length: number): void;
  /** out = x/2 · (1 + tanh(√(2/π) · (x + 0.044715·x³))). all [length]. Hendrycks & Gimpel 2016, arXiv 1606.08415 (the tanh form, as GPT-2) */
  gelu(out: B, x: B, length: number): void;

  // ---- choice

  /**
   * What rows of logits say, for a set that reads back slowly: out[r] = 1 where all logits are finite and else 0, then
   * log Σ_i e^logits[r, i], then k times id and logit, the largest first, of equal ones the lower id first; the id is −1 where
   * there are no more. logits [rows, n] → out [rows, 2 + 2k]
   */
  choose?(out: B, logits: B, rows: number, n: number, k: number): void;

  /** What `recording` needs to go back; a set without it runs models and cannot be asked for gradients. */
  readonly derivatives?: Derivatives<B>;
}

/**
 * The derivative of each op, in the file of its op. With L the loss, dOut is ∂L/∂out of a call, and each function makes ∂L
 * by one of its inputs out of it. What belongs to rows (dX, dQ …) is written; what belongs to weights (dW, dWeight …) is
 * added to what is there, so a weight that is used twice, or by many steps, sums by itself. Gradients have the dtype of
 * activations, whatever the dtype of the weights; each is summed in an order that depends on its shape alone.
 *
 * Missing here because they need nothing new: both gradients of `add` are dOut itself; those of the parts of a `concat` are
 * rows of dOut, those of matrices side by side its columns; those of `multiply` and `scale` are such products again.
 */
export interface Derivatives<B extends Buffer = Buffer> {
  // ---- memory

  /** New values for a kept f32 or f64 buffer, or any float one, encoded in its dtype: a weight after an update. */
  write(buffer: B, dtype: DType, values: Float32Array): void;

  // ---- the loss, and its derivative

  /** out[r] = logits[r, ids[r]] − log Σ_i e^logits[r, i]: the log-probability of one token per row. logits [rows, n] → out [rows] */
  logProbs(out: B, logits: B, ids: B, rows: number, n: number): void;
  /** dLogits[r, i] = dOut[r] · ([i = ids[r]] − softmax_i logits[r]). dOut [rows] → dLogits [rows, n] */
  logProbsBackward(dLogits: B, dOut: B, logits: B, ids: B, rows: number, n: number): void;

  // ---- rows

  /** dTable[ids[r]] += dOut[r], r = 0, 1, … dOut [rows, dim] → dTable [n, dim] */
  gatherBackward(dTable: B, dOut: B, ids: B, rows: number, dim: number): void;

  // ---- projections

  /** `linear` with x as it is, where `linear` itself rounds x to multiply it with quantized weights: only f32 has a derivative. */
  linearExact: Kernels<B>["linear"];
  /** dX[r, i] = Σ_o dOut[r, o] · w[o, i] */
  linearBackward(dX: B, dOut: B, w: B, dtype: DType, rows: number, inDim: number, outDim: number): void;
  /** dW[o, i] += Σ_r dOut[r, o] · x[r, i] */
  linearWeightBackward(dW: B, dOut: B, x: B, rows: number, inDim: number, outDim: number): void;
  /** dBias[o] += Σ_r dOut[r, o], of `linear` and of `layerNorm` */
  biasBackward(dBias: B, dOut: B, rows: number, outDim: number): void;

  // ---- experts

  /** With g_j = scale · dOut[r, j], where weights are normalized scale · (dOut[r, j] − Σ_i dOut[r, i] · out[r, i] / scale) / (Σ s + 1e-20): dLogits[r] = Σ_j g_j · ∂s_ids[r, j] / ∂logits[r] */
  routeWeightsBackward(dLogits: B, dOut: B, logits: B, ids: B, rows: number, rule: RouteRule): void;
  /** `expertLinear` with x as it is, as `linearExact`. */
  expertLinearExact: Kernels<B>["expertLinear"];
  /** dX[r, i] = Σ_j Σ_o dOut[r · perRow + j, o] · w[ids[r · perRow + j], o, i] */
  expertLinearBackward(
    dX: B,
    dOut: B,
    ids: B,
    w: B,
    dtype: DType,
    rows: number,
    perRow: number,
    inDim: number,
    outDim: number,
    n: number,
  ): void;
  /** dW[ids[r], o, i] += dOut[r, o] · x[⌊r / perRow⌋, i] */
  expertLinearWeightBackward(
    dW: B,
    dOut: B,
    x: B,
    ids: B,
    rows: number,
    perRow: number,
    inDim: number,
    outDim: number,
    n: number,
  ): void;
  /** dX[r · n + j, i] = weights[r, j] · dOut[r, i], dWeights[r, j] = Σ_i dOut[r, i] · x[r · n + j, i] */
  weightedSumBackward(dX: B, dWeights: B, dOut: B, x: B, weights: B, rows: number, n: number, dim: number): void;

  // ---- normalization: s = 1 / √(… + eps) and n = (x − mean) · s the normalized row (mean 0 in an RMS norm), g = dOut · weight

  /** dX[r, i] = s · (g_i − n_i · mean_j g_j · n_j) */
  rmsNormBackward(dX: B, dOut: B, x: B, weight: B, rows: number, dim: number, eps: number): void;
  /** dWeight[i] += Σ_r dOut[r, i] · n[r, i] */
  rmsNormWeightBackward(dWeight: B, dOut: B, x: B, rows: number, dim: number, eps: number): void;
  /** dX[r, i] = s · (g_i − mean_j g_j − n_i · mean_j g_j · n_j) */
  layerNormBackward(dX: B, dOut: B, x: B, weight: B, rows: number, dim: number, eps: number): void;
  /** dWeight[i] += Σ_r dOut[r, i] · n[r, i] */
  layerNormWeightBackward(dWeight: B, dOut: B, x: B, rows: number, dim: number, eps: number): void;

  // ---- attention

  /** Turns back by the same angle: dA = dA'·cos + dB'·sin, dB = dB'·cos − dA'·sin. Shapes as `rope` */
  ropeBackward(
    dX: B,
    dOut: B,
    cos: B,
    sin: B,
    rows: number,
    nHeads: number,
    headDim: number,
    ropeDim: number,
    offset: number,
  ): void;
  /**
   * With p_t the softmax of one row and head, computed again from q and the cache, and d_t = dOut · v_t:
   *   dS_t = p_t · (d_t − Σ_u p_u · d_u), the score's gradient; with a soft cap c times 1 − (s_t / c)²
   *   dQ = Σ_t scale · dS_t · k_t,   dK_t += scale · dS_t · q,   dV_t += p_t · dOut
   * for the positions t whose keys this step wrote: dK and dV have the step's rows, and what was in the cache before gets
   * nothing. A slot of the cache that several sequences of the step look at sums over all of them. dV is null where v is a
   * prefix of k, whose gradient then gets both. The cache must still hold what the step wrote. Sinks get no gradient.
   */
  attentionBackward(
    dQ: B,
    dK: B,
    dV: B | null,
    dOut: B,
    q: B,
    cache: CacheBuffers<B>,
    cacheDType: DType,
    rows: RowBuffers<B>,
    shape: AttentionShape<B>,
  ): void;

  // ---- feed-forward

  /** With σ = 1 / (1 + e^−gate): dGate = dOut · up · σ · (1 + gate · (1 − σ)), dUp = dOut · gate · σ. all [length] */
  swigluBackward(dGate: B, dUp: B, dOut: B, gate: B, up: B, length: number): void;
  /** With u = √(2/π) · (x + 0.044715·x³), u' its derivative: dX = dOut · ½ · (1 + tanh u + x · (1 − tanh² u) · u'). all [length] */
  geluBackward(dX: B, dOut: B, x: B, length: number): void;
}
