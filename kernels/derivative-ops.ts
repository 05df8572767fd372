// The checked derivative ops that `recording` calls, beside the ops of ops.ts: each checks what came, allocates its gradient
// in the step's arena and calls the kernel set. Formulas and shapes are in kernels.ts. Nothing here computes.

import {
  type Arena,
  activation,
  type CachePages,
  cacheBuffers,
  type Heads,
  rowBuffers,
  type StepRows,
  shapeOf,
} from "./arena.ts";
import type { Kernels, RouteRule } from "./kernels.ts";
import { sizeOf, type Tensor } from "./tensor.ts";

export type DerivativeOps = ReturnType<typeof createDerivativeOps>;

/** Room for some tensors, then anything else; `end` keeps the former and frees the latter. */
export interface Scope {
  /** Copies each tensor into the room reserved for it, and frees whatever was allocated since the scope was opened. */
  end(survivors: readonly Tensor[]): Tensor[];
}

/**
 * The derivative ops over one kernel set.
 * @throws if the set has none; and each op, when a shape or dtype does not fit.
 */
export function createDerivativeOps(kernels: Kernels, arena: Arena) {
  const { output, expect } = arena;
  const { name, derivatives } = kernels;
  if (!derivatives)
    throw new Error(`the ${name} kernels have no derivatives, expected a set that has them: simd, reference`);
  const d = derivatives;

  /** x and dOut of one shape and dtype → a gradient of that shape. */
  function like(op: string, x: Tensor, dOut: Tensor): Tensor {
    expect(op, "x", x, x.shape, activation);
    expect(op, "dOut", dOut, x.shape, [x.dtype]);
    return output(x.dtype, x.shape);
  }

  return {
    // ---- memory

    /** Opens a scope whose end lets tensors of the shapes and dtypes of `survivors` live on. */
    scope(survivors: readonly Tensor[]): Scope {
      const rooms = survivors.map((t) => output(t.dtype, t.shape));
      const place = kernels.mark();
      return {
        end(kept) {
          for (const [i, t] of kept.entries()) {
            expect("scope", `survivor ${i}`, t, rooms[i].shape, [rooms[i].dtype]);
            kernels.copy(rooms[i].buffer, 0, t.buffer, sizeOf(t.shape));
          }
          kernels.release(place, null, "f32", 0);
          return rooms.slice(0, kept.length);
        },
      };
    },
    /** New values for a weight; it keeps its dtype. */
    write(t: Tensor, values: Float32Array): void {
      if (values.length !== sizeOf(t.shape)) throw new Error(`write: ${values.length} values do not fill [${t.shape}]`);
      if (t.step !== undefined) throw new Error("write: the tensor belongs to a step, expected a weight");
      d.write(t.buffer, t.dtype, values);
    },

    // ---- the loss

    /** logits [rows, n], ids [rows] i32 → [rows] */
    logProbs(logits: Tensor, ids: Tensor): Tensor {
      const [rows, n] = logits.shape;
      expect("logProbs", "logits", logits, [-1, -1], activation);
      expect("logProbs", "ids", ids, [rows], ["i32"]);
      const out = output(logits.dtype, [rows]);
      if (rows > 0) d.logProbs(out.buffer, logits.buffer, ids.buffer, rows, n);
      return out;
    },
    /** dOut [rows], logits [rows, n] → dLogits [rows, n] */
    logProbsBackward(dOut: Tensor, logits: Tensor, ids: Tensor): Tensor {
      const [rows, n] = logits.shape;
      expect("logProbsBackward", "dOut", dOut, [rows], [logits.dtype]);
      const dLogits = output(logits.dtype, logits.shape);
      if (rows > 0) d.logProbsBackward(dLogits.buffer, dOut.buffer, logits.buffer, ids.buffer, rows, n);
      return dLogits;
    },

    // ---- rows

    /** Adds dOut [rows, dim] to the rows `ids` of dTable [n, dim] */
    gatherBackward(dOut: Tensor, ids: Tensor, dTable: Tensor): void {
      const [rows, dim] = dOut.shape;
      expect("gatherBackward", "dTable", dTable, [-1, dim], [dOut.dtype]);
      expect("gatherBackward", "ids", ids, [rows], ["i32"]);
      if (rows > 0) d.gatherBackward(dTable.buffer, dOut.buffer, ids.buffer, rows, dim);
    },

    // ---- projections

    /** `linear` without rounding x: x [rows, inDim], w [outDim, inDim], bias [outDim] → [rows, outDim] */
    linearExact(x: Tensor, w: Tensor, bias?: Tensor): Tensor {
      const [outDim, inDim] = w.shape;
      expect("linear", "x", x, [-1, inDim], activation);
      if (bias) expect("linear", "bias", bias, [outDim], activation);
      const rows = x.shape[0];
      const out = output(x.dtype, [rows, outDim]);
      if (rows > 0) d.linearExact(out.buffer, x.buffer, w.buffer, w.dtype, bias?.buffer ?? null, rows, inDim, outDim);
      return out;
    },
    /** dOut [rows, outDim], w [outDim, inDim] → dX [rows, inDim] */
    linearBackward(dOut: Tensor, w: Tensor): Tensor {
      const [outDim, inDim] = w.shape;
      expect("linearBackward", "dOut", dOut, [-1, outDim], activation);
      const dX = output(dOut.dtype, [dOut.shape[0], inDim]);
      if (dOut.shape[0] > 0) d.linearBackward(dX.buffer, dOut.buffer, w.buffer, w.dtype, dOut.shape[0], inDim, outDim);
      return dX;
    },
    /** Adds dOutᵀ · x to dW [outDim, inDim] */
    linearWeightBackward(dOut: Tensor, x: Tensor, dW: Tensor): void {
      const [outDim, inDim] = dW.shape;
      const rows = x.shape[0];
      expect("linearWeightBackward", "x", x, [-1, inDim], [dW.dtype]);
      expect("linearWeightBackward", "dOut", dOut, [rows, outDim], [dW.dtype]);
      if (rows > 0) d.linearWeightBackward(dW.buffer, dOut.buffer, x.buffer, rows, inDim, outDim);
    },
    /** Adds the sum of the rows of dOut [rows, outDim] to dBias [outDim] */
    biasBackward(dOut: Tensor, dBias: Tensor): void {
      const [rows, outDim] = dOut.shape;
      expect("biasBackward", "dBias", dBias, [outDim], [dOut.dtype]);
      if (rows > 0) d.biasBackward(dBias.buffer, dOut.buffer, rows, outDim);
    },

    // ---- experts

    /** dOut, ids [rows, nActive], logits [rows, nExperts] → dLogits as logits */
    routeWeightsBackward(dOut: Tensor, logits: Tensor, ids: Tensor, rule: RouteRule): Tensor {
      const [rows] = logits.shape;
      expect("routeWeightsBackward", "dOut", dOut, [rows, rule.nActive], [logits.dtype]);
      const dLogits = output(logits.dtype, logits.shape);
      if (rows > 0) d.routeWeightsBackward(dLogits.buffer, dOut.buffer, logits.buffer, ids.buffer, rows, rule);
      return dLogits;
    },
    /** `expertLinear` without rounding x */
    expertLinearExact(x: Tensor, ids: Tensor, w: Tensor): Tensor {
      const { rows, perRow, inDim, outDim, n } = arena.expertShape("expertLinear", x, ids, w);
      const out = output(x.dtype, [rows, outDim]);
      if (rows > 0)
        d.expertLinearExact(out.buffer, x.buffer, ids.buffer, w.buffer, w.dtype, rows, perRow, inDim, outDim, n);
      return out;
    },
    /** dOut [rows · perRow, outDim], ids [rows · perRow], w [n, outDim, inDim] → dX [rows, inDim] */
    expertLinearBackward(dOut: Tensor, x: Tensor, ids: Tensor, w: Tensor): Tensor {
      const { rows, perRow, inDim, outDim, n } = arena.expertShape("expertLinearBackward", x, ids, w);
      expect("expertLinearBackward", "dOut", dOut, [rows, outDim], [x.dtype]);
      const dX = output(x.dtype, x.shape);
      if (rows > 0)
        d.expertLinearBackward(dX.buffer, dOut.buffer, ids.buffer, w.buffer, w.dtype, rows, perRow, inDim, outDim, n);
      return dX;
    },
    /** Adds dOutᵀ · x of each expert's rows to dW [n, outDim, inDim] */
    expertLinearWeightBackward(dOut: Tensor, x: Tensor, ids: Tensor, dW: Tensor): void {
      const { rows, perRow, inDim, outDim, n } = arena.expertShape("expertLinearWeightBackward", x, ids, dW);
      expect("expertLinearWeightBackward", "dOut", dOut, [rows, outDim], [dW.dtype]);
      if (rows > 0)
        d.expertLinearWeightBackward(dW.buffer, dOut.buffer, x.buffer, ids.buffer, rows, perRow, inDim, outDim, n);
    },
    /** dOut [rows, dim], x [rows · n, dim], weights [rows, n] → dX as x, dWeights as weights */
    weightedSumBackward(dOut: Tensor, x: Tensor, weights: Tensor): { dX: Tensor; dWeights: Tensor } {
      const [rows, n] = weights.shape;
      expect("weightedSumBackward", "dOut", dOut, [rows, x.shape[1]], [x.dtype]);
      const dX = output(x.dtype, x.shape);
      const dWeights = output(x.dtype, weights.shape);
      if (rows > 0)
        d.weightedSumBackward(dX.buffer, dWeights.buffer, dOut.buffer, x.buffer, weights.buffer, rows, n, x.shape[1]);
      return { dX, dWeights };
    },

    // ---- normalization

    /** dOut, x [rows, dim], weight [dim] → dX [rows, dim] */
    rmsNormBackward(dOut: Tensor, x: Tensor, weight: Tensor, eps: number): Tensor {
      const [rows, dim] = x.shape;
      const dX = like("rmsNormBackward", x, dOut);
      if (rows > 0) d.rmsNormBackward(dX.buffer, dOut.buffer, x.buffer, weight.buffer, rows, dim, eps);
      return dX;
    },
    /** Adds to dWeight [dim]. dOut, x [rows, dim] */
    rmsNormWeightBackward(dOut: Tensor, x: Tensor, eps: number, dWeight: Tensor): void {
      const [rows, dim] = x.shape;
      expect("rmsNormWeightBackward", "dOut", dOut, x.shape, [x.dtype]);
      expect("rmsNormWeightBackward", "dWeight", dWeight, [dim], [x.dtype]);
      if (rows > 0) d.rmsNormWeightBackward(dWeight.buffer, dOut.buffer, x.buffer, rows, dim, eps);
    },
    /** dOut, x [rows, dim], weight [dim] → dX [rows, dim] */
    layerNormBackward(dOut: Tensor, x: Tensor, weight: Tensor, eps: number): Tensor {
      const [rows, dim] = x.shape;
      const dX = like("layerNormBackward", x, dOut);
      if (rows > 0) d.layerNormBackward(dX.buffer, dOut.buffer, x.buffer, weight.buffer, rows, dim, eps);
      return dX;
    },
    /** Adds to dWeight [dim]. dOut, x [rows, dim] */
    layerNormWeightBackward(dOut: Tensor, x: Tensor, eps: number, dWeight: Tensor): void {
      const [rows, dim] = x.shape;
      expect("layerNormWeightBackward", "dOut", dOut, x.shape, [x.dtype]);
      expect("layerNormWeightBackward", "dWeight", dWeight, [dim], [x.dtype]);
      if (rows > 0) d.layerNormWeightBackward(dWeight.buffer, dOut.buffer, x.buffer, rows, dim, eps);
    },

    // ---- attention

    /** dOut [rows, nHeads · headDim], cos and sin [rows, ropeDim/2] → dX as dOut */
    ropeBackward(dOut: Tensor, cos: Tensor, sin: Tensor, headDim: number, offset: number): Tensor {
      const [rows, width] = dOut.shape;
      const half = cos.shape[1];
      expect("ropeBackward", "dOut", dOut, [cos.shape[0], -1], [cos.dtype]);
      const dX = output(dOut.dtype, dOut.shape);
      d.ropeBackward(dX.buffer, dOut.buffer, cos.buffer, sin.buffer, rows, width / headDim, headDim, 2 * half, offset);
      return dX;
    },
    /** dOut [rows, nHeads · vDim], q [rows, nHeads · kDim] → dQ as q, dK [rows, nCacheHeads · kDim], dV [rows, nCacheHeads · vDim] or null */
    attentionBackward(dOut: Tensor, q: Tensor, pages: CachePages, rows: StepRows, heads: Heads) {
      const shape = shapeOf(arena, "attentionBackward", q, pages, rows, heads);
      expect("attentionBackward", "dOut", dOut, [shape.rows, heads.nHeads * heads.vDim], [q.dtype]);
      const dQ = output(q.dtype, q.shape);
      const dK = output(q.dtype, [shape.rows, heads.nCacheHeads * heads.kDim]);
      const dV = pages.v && output(q.dtype, [shape.rows, heads.nCacheHeads * heads.vDim]);
      d.attentionBackward(
        dQ.buffer,
        dK.buffer,
        dV?.buffer ?? null,
        dOut.buffer,
        q.buffer,
        cacheBuffers(pages),
        pages.k.dtype,
        rowBuffers(rows),
        shape,
      );
      return { dQ, dK, dV };
    },

    // ---- feed-forward

    /** dOut, gate, up of one shape → dGate, dUp of that shape */
    swigluBackward(dOut: Tensor, gate: Tensor, up: Tensor): { dGate: Tensor; dUp: Tensor } {
      const dGate = like("swigluBackward", gate, dOut);
      const dUp = like("swigluBackward", up, dOut);
      d.swigluBackward(dGate.buffer, dUp.buffer, dOut.buffer, gate.buffer, up.buffer, sizeOf(gate.shape));
      return { dGate, dUp };
    },
    /** dOut, x of one shape → dX of that shape */
    geluBackward(dOut: Tensor, x: Tensor): Tensor {
      const dX = like("geluBackward", x, dOut);
      d.geluBackward(dX.buffer, dOut.buffer, x.buffer, sizeOf(x.shape));
      return dX;
    },
  };
}
