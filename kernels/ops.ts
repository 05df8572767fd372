// The checked ops that model code calls: each checks shapes and dtypes once, allocates its output in the step's arena and
// calls the kernel set. Formulas and shapes are in kernels.ts. Nothing here computes.

import type { DType } from "../weights/dtype.ts";
import {
  activation,
  type CachePages,
  cacheBuffers,
  createArena,
  type Heads,
  rowBuffers,
  type StepRows,
  shapeOf,
} from "./arena.ts";
import { createDerivativeOps, type DerivativeOps } from "./derivative-ops.ts";
import { type Kernels, pageSize, type RouteRule } from "./kernels.ts";
import { type Buffer, sizeOf, type Tensor } from "./tensor.ts";

export type Ops = ReturnType<typeof createOps>;

/**
 * The ops over one kernel set.
 * @throws each op, when a shape or dtype does not fit: one sentence with the op, what came and what was expected.
 */
export function createOps(kernels: Kernels) {
  const arena = createArena(kernels);
  const { output, expect } = arena;

  function roomFor(x: Tensor, w: Tensor, bias: Tensor | undefined): Tensor {
    expect("linear", "w", w, [-1, -1], kernels.weightDTypes);
    const [outDim, inDim] = w.shape;
    expect("linear", "x", x, [-1, inDim], activation);
    if (bias) expect("linear", "bias", bias, [outDim], activation);
    return output(x.dtype, [x.shape[0], outDim]);
  }

  function linear(x: Tensor, w: Tensor, bias?: Tensor): Tensor {
    const out = roomFor(x, w, bias);
    const [[rows], [outDim, inDim]] = [x.shape, w.shape];
    if (rows > 0) kernels.linear(out.buffer, x.buffer, w.buffer, w.dtype, bias?.buffer ?? null, rows, inDim, outDim);
    return out;
  }

  function turned(xs: readonly Tensor[], cos: Tensor, sin: Tensor, headDim: number, offset: number): Tensor[] {
    const [rows, half] = cos.shape;
    expect("rope", "cos", cos, [rows, -1], activation);
    expect("rope", "sin", sin, [rows, half], [cos.dtype]);
    const outs = xs.map((x) => {
      expect("rope", "x", x, [rows, -1], [cos.dtype]);
      const width = x.shape[1];
      if (width % headDim !== 0 || offset + 2 * half > headDim)
        throw new Error(
          `rope: heads of ${headDim} in rows of ${width} cannot turn ${2 * half} values from ${offset} on`,
        );
      return output(x.dtype, x.shape);
    });
    const nHeads = xs.map(({ shape }) => shape[1] / headDim);
    const [c, s] = [cos.buffer, sin.buffer];
    if (kernels.ropes && xs.length > 1)
      kernels.ropes(outs.map(bufferOf), xs.map(bufferOf), c, s, rows, nHeads, headDim, 2 * half, offset);
    else
      for (const [i, x] of xs.entries())
        kernels.rope(outs[i].buffer, x.buffer, c, s, rows, nHeads[i], headDim, 2 * half, offset);
    return outs;
  }

  return {
    kernels,

    // ---- memory

    /** The host's values as a tensor of this step; Int32Array gives i32. */
    upload(values: Float32Array | Float64Array | Int32Array, shape: readonly number[] = [values.length]): Tensor {
      if (values.length !== sizeOf(shape)) throw new Error(`upload: ${values.length} values do not fill [${shape}]`);
      return arena.upload(values, shape);
    },
    /** A weight: `fill` gets the bytes of the tensor to write into, once. It lives until the kernel set is closed. */
    async load(dtype: DType, shape: readonly number[], fill: (into: Uint8Array) => Promise<void>): Promise<Tensor> {
      return {
        dtype,
        shape,
        buffer: await kernels.load(dtype, sizeOf(shape), fill, sizeOf(shape.length > 1 ? shape.slice(1) : shape)),
      };
    },
    /** Zeros that outlive the step: cache pages. */
    keep(dtype: DType, shape: readonly number[]): Tensor {
      return { dtype, shape, buffer: kernels.alloc(dtype, sizeOf(shape), true) };
    },
    /** The values that `t` holds now; the only op to wait for. */
    read(t: Tensor): Promise<Float32Array> {
      expect("read", "tensor", t, t.shape);
      return kernels.read(t.buffer, t.dtype, sizeOf(t.shape));
    },
    /** Frees every tensor of this step that is not a weight or a cache page; using one afterwards is an error. While the step is held, that waits. */
    endStep: arena.endStep,
    /** Runs a whole step and ends it, also where it throws. Beside a step that is held, it frees what it allocated itself. */
    step: arena.step,
    /** Keeps the tensors of this step, whoever calls `endStep`, until the function returned is called. */
    hold: arena.hold,
    /** Runs a part of the step and frees what it allocated, except what it returns: so a deep model needs memory for one layer at a time. */
    scope: arena.scope,
    /** The derivatives of all ops. @throws if the kernel set has none. */
    derivatives(): DerivativeOps {
      return createDerivativeOps(kernels, arena);
    },

    // ---- rows

    /** table [n, dim], ids [rows] i32 → [rows, dim] */
    gather(table: Tensor, ids: Tensor): Tensor {
      expect("gather", "table", table, [-1, -1], kernels.weightDTypes);
      expect("gather", "ids", ids, [-1], ["i32"]);
      const [rows, dim] = [ids.shape[0], table.shape[1]];
      const out = output(table.dtype === "f64" ? "f64" : "f32", [rows, dim]);
      if (rows > 0) kernels.gather(out.buffer, table.buffer, table.dtype, ids.buffer, rows, dim);
      return out;
    },
    /** parts [rows_i, dim] → [Σ rows_i, dim], in order */
    concat(parts: readonly Tensor[]): Tensor {
      const dim = parts[0].shape[1];
      const dtype = parts[0].dtype;
      for (const [i, part] of parts.entries()) expect("concat", `part ${i}`, part, [-1, dim], [dtype]);
      const out = output(dtype, [parts.reduce((rows, part) => rows + part.shape[0], 0), dim]);
      let offset = 0;
      for (const part of parts) {
        kernels.copy(out.buffer, offset, part.buffer, sizeOf(part.shape));
        offset += sizeOf(part.shape);
      }
      return out;
    },
    /** a, b of one shape → the same shape */
    add(a: Tensor, b: Tensor): Tensor {
      expect("add", "a", a, a.shape, activation);
      expect("add", "b", b, a.shape, [a.dtype]);
      const out = output(a.dtype, a.shape);
      kernels.add(out.buffer, a.buffer, b.buffer, sizeOf(a.shape));
      return out;
    },

    /** a, b of one shape → the same shape */
    multiply(a: Tensor, b: Tensor): Tensor {
      expect("multiply", "a", a, a.shape, activation);
      expect("multiply", "b", b, a.shape, [a.dtype]);
      const out = output(a.dtype, a.shape);
      kernels.multiply(out.buffer, a.buffer, b.buffer, sizeOf(a.shape));
      return out;
    },
    /** x → factor · x */
    scale(x: Tensor, factor: number): Tensor {
      expect("scale", "x", x, x.shape, activation);
      const out = output(x.dtype, x.shape);
      kernels.scale(out.buffer, x.buffer, factor, sizeOf(x.shape));
      return out;
    },
    /** Columns begin to begin + width: x [rows, dim] → [rows, width] */
    columns(x: Tensor, begin: number, width: number): Tensor {
      expect("columns", "x", x, [-1, -1], activation);
      const [rows, dim] = x.shape;
      if (!(begin >= 0 && width >= 1 && begin + width <= dim))
        throw new Error(`columns: ${width} columns from ${begin} on are not in rows of ${dim}`);
      const out = output(x.dtype, [rows, width]);
      if (rows > 0) kernels.copyColumns(out.buffer, width, 0, x.buffer, dim, begin, width, rows);
      return out;
    },
    /** Side by side, in order: parts [rows, dim_i] → [rows, Σ dim_i] */
    joinColumns(parts: readonly Tensor[]): Tensor {
      const { dtype, shape } = parts[0];
      for (const [i, part] of parts.entries()) expect("joinColumns", `part ${i}`, part, [shape[0], -1], [dtype]);
      const dim = parts.reduce((sum, part) => sum + part.shape[1], 0);
      const out = output(dtype, [shape[0], dim]);
      let begin = 0;
      for (const { buffer, shape } of parts) {
        const [rows, width] = shape;
        if (rows > 0) kernels.copyColumns(out.buffer, dim, begin, buffer, width, 0, width, rows);
        begin += width;
      }
      return out;
    },

    // ---- projections

    /** x [rows, inDim], w [outDim, inDim], bias [outDim] → [rows, outDim] */
    linear,
    /** `linear` of one x with each of these, in one call where the set has one for it. → in their order */
    linears(x: Tensor, projections: readonly { readonly weight: Tensor; readonly bias?: Tensor }[]): Tensor[] {
      const [rows, inDim] = x.shape;
      const ws = projections.map(({ weight }) => weight);
      const [{ dtype }] = ws;
      if (!kernels.linears || rows === 0 || ws.some((w) => w.dtype !== dtype))
        return projections.map(({ weight, bias }) => linear(x, weight, bias));
      const outs = projections.map(({ weight, bias }) => roomFor(x, weight, bias));
      const biases = projections.map(({ bias }) => bias?.buffer ?? null);
      const outDims = ws.map(({ shape }) => shape[0]);
      kernels.linears(outs.map(bufferOf), x.buffer, ws.map(bufferOf), dtype, biases, rows, inDim, outDims);
      return outs;
    },

    // ---- experts

    /** logits [rows, nExperts], bias [nExperts] → ids [rows, nActive] i32 */
    route(logits: Tensor, bias: Tensor | undefined, rule: RouteRule): Tensor {
      const { nExperts, nActive, nGroups, nActiveGroups, groupScore } = rule;
      const inGroup = nExperts / nGroups;
      if (!Number.isInteger(inGroup) || !(nActiveGroups >= 1 && nActiveGroups <= nGroups))
        throw new Error(
          `route: ${nActiveGroups} of ${nGroups} groups of ${nExperts} experts, expected equal groups, and 1 to ${nGroups} of them`,
        );
      if (groupScore === "best two" && nGroups > 1 && inGroup < 2)
        throw new Error(`route: the best two of groups of ${inGroup} expert, expected at least 2`);
      if (!(nActive >= 1 && nActive <= nActiveGroups * inGroup))
        throw new Error(
          `route: ${nActive} experts of ${nActiveGroups * inGroup} that may be chosen, expected 1 to as many`,
        );
      expect("route", "logits", logits, [-1, nExperts], activation);
      if (bias) expect("route", "bias", bias, [nExperts], activation);
      const [rows] = logits.shape;
      const ids = output("i32", [rows, nActive]);
      if (rows > 0) kernels.route(ids.buffer, logits.buffer, bias?.buffer ?? null, rows, rule);
      return ids;
    },
    /** logits [rows, nExperts], ids [rows, nActive] → [rows, nActive] */
    routeWeights(logits: Tensor, ids: Tensor, rule: RouteRule): Tensor {
      const [rows] = logits.shape;
      expect("routeWeights", "logits", logits, [-1, rule.nExperts], activation);
      expect("routeWeights", "ids", ids, [rows, rule.nActive], ["i32"]);
      const out = output(logits.dtype, [rows, rule.nActive]);
      if (rows > 0) kernels.routeWeights(out.buffer, logits.buffer, ids.buffer, rows, rule);
      return out;
    },
    /** x [rows, inDim], ids [rows · perRow] i32, w [n, outDim, inDim] → [rows · perRow, outDim] */
    expertLinear(x: Tensor, ids: Tensor, w: Tensor): Tensor {
      const { rows, perRow, inDim, outDim, n } = arena.expertShape("expertLinear", x, ids, w);
      expect("expertLinear", "w", w, w.shape, kernels.weightDTypes);
      const out = output(x.dtype, [rows, outDim]);
      if (rows > 0)
        kernels.expertLinear(out.buffer, x.buffer, ids.buffer, w.buffer, w.dtype, rows, perRow, inDim, outDim, n);
      return out;
    },
    /** x [rows · n, dim], weights [rows, n] → [rows, dim] */
    weightedSum(x: Tensor, weights: Tensor): Tensor {
      const [rows, n] = weights.shape;
      expect("weightedSum", "weights", weights, [-1, -1], activation);
      expect("weightedSum", "x", x, [rows * n, -1], [weights.dtype]);
      const out = output(x.dtype, [rows, x.shape[1]]);
      if (rows > 0) kernels.weightedSum(out.buffer, x.buffer, weights.buffer, rows, n, x.shape[1]);
      return out;
    },

    // ---- normalization

    /** x [rows, dim], weight [dim] → [rows, dim] */
    rmsNorm(x: Tensor, weight: Tensor, eps: number): Tensor {
      const [rows, dim] = x.shape;
      expect("rmsNorm", "x", x, [-1, -1], activation);
      expect("rmsNorm", "weight", weight, [dim], activation);
      const out = output(x.dtype, x.shape);
      if (rows > 0) kernels.rmsNorm(out.buffer, x.buffer, weight.buffer, rows, dim, eps);
      return out;
    },
    /** x [rows, dim], weight and bias [dim] → [rows, dim] */
    layerNorm(x: Tensor, weight: Tensor, bias: Tensor, eps: number): Tensor {
      const [rows, dim] = x.shape;
      expect("layerNorm", "x", x, [-1, -1], activation);
      expect("layerNorm", "weight", weight, [dim], activation);
      expect("layerNorm", "bias", bias, [dim], activation);
      const out = output(x.dtype, x.shape);
      if (rows > 0) kernels.layerNorm(out.buffer, x.buffer, weight.buffer, bias.buffer, rows, dim, eps);
      return out;
    },

    // ---- attention

    /** x [rows, nHeads · headDim], cos and sin [rows, ropeDim/2] → as x; `offset` is where the turned part of a head begins */
    rope(x: Tensor, cos: Tensor, sin: Tensor, headDim: number, offset = 0): Tensor {
      return turned([x], cos, sin, headDim, offset)[0];
    },
    /** `rope` of each, in one call where the set has one for it. → in their order */
    ropes(xs: readonly Tensor[], cos: Tensor, sin: Tensor, headDim: number, offset = 0): Tensor[] {
      return turned(xs, cos, sin, headDim, offset);
    },
    /** q [rows, nHeads · kDim], k [rows, nCacheHeads · kDim], v [rows, nCacheHeads · vDim] or null → [rows, nHeads · vDim]; writes k and v to the pages */
    attention(q: Tensor, k: Tensor, v: Tensor | null, pages: CachePages, rows: StepRows, heads: Heads): Tensor {
      const shape = shapeOf(arena, "attention", q, pages, rows, heads);
      expect("attention", "k", k, [shape.rows, heads.nCacheHeads * heads.kDim], [q.dtype]);
      if ((v === null) !== (pages.v === null))
        throw new Error("attention: v and cached values must both be there or both be null");
      if (v) expect("attention", "v", v, [shape.rows, heads.nCacheHeads * heads.vDim], [q.dtype]);
      const out = output(q.dtype, [shape.rows, heads.nHeads * heads.vDim]);
      kernels.attention(
        out.buffer,
        q.buffer,
        k.buffer,
        v?.buffer ?? null,
        cacheBuffers(pages),
        pages.k.dtype,
        rowBuffers(rows),
        shape,
      );
      return out;
    },
    /** The probabilities of `attention`, after it ran: q [rows, nHeads · kDim] → [rows, nHeads, maxPages · pageSize] */
    attentionProbs(q: Tensor, pages: CachePages, rows: StepRows, heads: Heads): Tensor {
      const shape = shapeOf(arena, "attentionProbs", q, pages, rows, heads);
      const out = output(q.dtype, [shape.rows, heads.nHeads, shape.maxPages * pageSize]);
      kernels.attentionProbs(out.buffer, q.buffer, pages.k.buffer, pages.k.dtype, rowBuffers(rows), shape);
      return out;
    },

    // ---- feed-forward

    /** gate, up of one shape → the same shape */
    swiglu(gate: Tensor, up: Tensor): Tensor {
      expect("swiglu", "gate", gate, gate.shape, activation);
      expect("swiglu", "up", up, gate.shape, [gate.dtype]);
      const out = output(gate.dtype, gate.shape);
      kernels.swiglu(out.buffer, gate.buffer, up.buffer, sizeOf(gate.shape));
      return out;
    },
    /** x → the same shape */
    gelu(x: Tensor): Tensor {
      expect("gelu", "x", x, x.shape, activation);
      const out = output(x.dtype, x.shape);
      kernels.gelu(out.buffer, x.buffer, sizeOf(x.shape));
      return out;
    },

    // ---- choice

    /** logits [rows, n] → [rows, 2 + 2k], see kernels.ts; null where the set leaves it to the host */
    choose(logits: Tensor, k: number): Tensor | null {
      expect("choose", "logits", logits, [-1, -1], ["f32"]);
      if (!kernels.choose) return null;
      const [rows, n] = logits.shape;
      const out = output("f32", [rows, 2 + 2 * k]);
      kernels.choose(out.buffer, logits.buffer, rows, n, k);
      return out;
    },
  };
}

const bufferOf = ({ buffer }: Tensor): Buffer => buffer;
