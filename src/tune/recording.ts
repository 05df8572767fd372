// Reverse mode: the same ops, which also remember how to go back. Every op call becomes a line of a tape,
//
//   7 = linear(5, weight)      with the number of each tensor, how to compute it again, and its derivative.
//
// `backward` reads the tape from its end. It starts from ∂loss/∂(last tensor) and at each line turns the gradient of the
// output into gradients of the inputs; a tensor that was used twice gets the sum of both. Only what lies between a leaf and
// the loss is computed. Model code does not know about any of this: it is given these ops instead of the plain ones.
//
// Memory. The tape keeps every intermediate. `forward` computes each layer in a `scope`: the gradients inside a layer are
// freed when it is done, and with `recompute` its intermediates too: only what enters a layer is kept, and going back
// computes the layer a second time (Chen et al. 2016, arXiv 1604.06174).
// Reverse mode on a tape: Wengert 1964; Baydin et al. 2018, arXiv 1502.05767, section 3.2.

import type { Ops } from "../../kernels/ops.ts";
import { type Buffer, reshape, sizeOf, type Tensor } from "../../kernels/tensor.ts";
import { isBlockDType } from "../../weights/dtype.ts";

export interface RecordingOptions {
  /** Keep only what enters each layer, and compute the layer again on the way back: less memory, one more forward. */
  recompute?: boolean;
}

export interface Recording {
  /** The ops to compute with. */
  readonly ops: Ops & LossOps;
  /**
   * Gradients of a loss by the leaves, given its gradients by some tensors of the tape, each of its tensor's shape. A leaf that
   * the loss does not depend on gets zeros. They live until `end`; a tape is gone through once.
   * @throws if a seed does not fit its tensor, or the tape was gone through already.
   */
  backward(seeds: readonly (readonly [of: Tensor, gradient: Tensor])[]): Map<Tensor, Tensor>;
  /** Ends the step and frees everything; until then no other end of a step does. */
  end(): void;
}

/** Ops that only a loss needs. */
export interface LossOps {
  /** The log-probability of one token per row: logits [rows, n], ids [rows] i32 → [rows] */
  logProbs(logits: Tensor, ids: Tensor): Tensor;
}

/** One op call: output = run(inputs). */
interface Line {
  readonly output: Use;
  readonly inputs: readonly Use[];
  run(inputs: Tensor[]): Tensor;
  /** Gives the inputs their gradients. */
  back(dOut: Tensor, inputs: Tensor[]): void;
}

/** A tensor as an op made or used it: its number, and its shape there (a `reshape` is no op). */
interface Use {
  readonly number: number;
  readonly shape: readonly number[];
}

/** The lines of a layer. */
interface Segment {
  lines: Line[];
  /** Its tensors were freed and must be computed again. */
  dropped: boolean;
}

/**
 * Starts a tape over `ops`. Gradients are wanted by `leaves`: uploaded rows, weights, or both.
 * @throws if the kernel set has no derivatives.
 */
export function recording(
  ops: Ops,
  leaves: readonly Tensor[],
  { recompute = false }: RecordingOptions = {},
): Recording {
  const derivatives = ops.derivatives();
  const release = ops.hold();

  // ---- the tape

  const numbers = new WeakMap<Buffer, number>();
  const tensors = new Map<number, Tensor>(); // by number, as long as they are kept
  const active = new Set<number>(); // numbers that depend on a leaf
  const segments: Segment[] = [{ lines: [], dropped: false }];
  let count = 0;

  function numberOf(t: Tensor): number {
    const known = numbers.get(t.buffer);
    if (known !== undefined) return known;
    keep(count, t);
    return count++;
  }
  function keep(number: number, t: Tensor): void {
    numbers.set(t.buffer, number);
    tensors.set(number, t);
  }
  const useOf = (t: Tensor): Use => ({ number: numberOf(t), shape: t.shape });
  /** A tensor by its number, wherever it is now. */
  function tensorOf(number: number): Tensor {
    const tensor = tensors.get(number);
    if (!tensor)
      throw new Error("recording: a tensor of a layer that has ended is used, expected only what entered the next one");
    return tensor;
  }
  const resolve = (uses: readonly Use[]) => uses.map(({ number, shape }) => reshape(tensorOf(number), shape));
  const current = () => segments[segments.length - 1];

  /** Computes, and writes a line. */
  function line(inputs: readonly Tensor[], run: Line["run"], back: Line["back"]): Tensor {
    const uses = inputs.map(useOf);
    const out = run(resolve(uses));
    const output = useOf(out);
    if (uses.some(({ number }) => active.has(number))) active.add(output.number);
    current().lines.push({ output, inputs: uses, run, back });
    return out;
  }

  for (const leaf of leaves) active.add(numberOf(leaf));

  // ---- layers

  /** A layer: its lines are a segment of their own. */
  function scope(part: () => Tensor): Tensor {
    segments.push({ lines: [], dropped: false });
    let number = -1;
    const layer = () => {
      const out = part();
      number = numberOf(out);
      return out;
    };
    const out = recompute ? ops.scope(layer) : layer();
    if (recompute) {
      for (const { output } of current().lines) tensors.delete(output.number);
      keep(number, out);
      current().dropped = true;
    }
    segments.push({ lines: [], dropped: false });
    return out;
  }

  // ---- gradients

  const gradients = new Map<number, Tensor>();
  const sums = new Set<number>(); // those that weights are added up in

  const wants = (t: Tensor) => active.has(numberOf(t));

  /** One more part of the gradient of t. */
  function give(t: Tensor, gradient: Tensor): void {
    const number = numberOf(t);
    const before = gradients.get(number);
    const part = reshape(gradient, tensorOf(number).shape);
    const sum = before ? ops.add(before, part) : part;
    if (before && sums.has(number)) ops.kernels.copy(before.buffer, 0, sum.buffer, sizeOf(sum.shape));
    else gradients.set(number, sum);
  }

  /** Where the gradient of t is added up in place. */
  function sumOf(t: Tensor): Tensor {
    const number = numberOf(t);
    const before = gradients.get(number);
    if (before && sums.has(number)) return reshape(before, t.shape);
    const sum = before ? ops.concat([before]) : zeros(tensorOf(number)); // a gradient that was given may belong to others too
    gradients.set(number, sum);
    sums.add(number);
    return reshape(sum, t.shape);
  }

  /** Activations have gradients of their own dtype; weights of any dtype those of the activations. */
  let gradientDType: "f32" | "f64" = "f32";
  function zeros(t: Tensor): Tensor {
    const values = gradientDType === "f64" ? new Float64Array(sizeOf(t.shape)) : new Float32Array(sizeOf(t.shape));
    return ops.upload(values, t.shape);
  }

  /** Reads a segment from its end. Afterwards it has given gradients to tensors outside alone. */
  function backwardSegment({ lines, dropped }: Segment): void {
    const produced = new Set(lines.map(({ output }) => output.number));
    const outside = new Map<number, Use>();
    for (const { inputs } of lines)
      for (const use of inputs)
        if (active.has(use.number) && !produced.has(use.number) && !sums.has(use.number)) outside.set(use.number, use);

    const scope = derivatives.scope(
      [...outside.keys()].map((number) => ({ ...tensorOf(number), dtype: gradientDType })),
    );
    if (dropped) for (const { inputs, output, run } of lines) keep(output.number, run(resolve(inputs)));
    for (const { inputs, output, back } of lines.toReversed()) {
      const dOut = gradients.get(output.number);
      if (dOut) back(reshape(dOut, output.shape), resolve(inputs));
    }
    const reached = [...outside.keys()].filter((number) => gradients.has(number));
    const kept = scope.end(reached.map((number) => gradients.get(number) as Tensor));
    for (const [i, number] of reached.entries()) gradients.set(number, kept[i]);
    for (const number of produced) {
      tensors.delete(number);
      gradients.delete(number);
    }
  }

  // ---- the ops, each with its derivative

  const recorded: Ops & LossOps = {
    ...ops,
    gather: (table, ids) =>
      line(
        [table, ids],
        ([table, ids]) => ops.gather(table, ids),
        (dOut, [table, ids]) => wants(table) && derivatives.gatherBackward(dOut, ids, sumOf(table)),
      ),
    concat: (parts) =>
      line(
        parts,
        (parts) => ops.concat(parts),
        (dOut, parts) => {
          let begin = 0;
          for (const part of parts) {
            const rows = Int32Array.from({ length: part.shape[0] }, (_, i) => begin + i);
            if (wants(part)) give(part, ops.gather(dOut, ops.upload(rows)));
            begin += rows.length;
          }
        },
      ),
    add: (a, b) =>
      line(
        [a, b],
        ([a, b]) => ops.add(a, b),
        (dOut, inputs) => {
          for (const t of inputs) if (wants(t)) give(t, dOut);
        },
      ),
    linear: (x, w, bias) =>
      line(
        bias ? [x, w, bias] : [x, w],
        ([x, w, bias]) => (isBlockDType(w.dtype) ? derivatives.linearExact(x, w, bias) : ops.linear(x, w, bias)),
        (dOut, [x, w, bias]) => {
          if (wants(x)) give(x, derivatives.linearBackward(dOut, w));
          if (wants(w)) derivatives.linearWeightBackward(dOut, x, sumOf(w));
          if (bias && wants(bias)) derivatives.biasBackward(dOut, sumOf(bias));
        },
      ),
    rmsNorm: (x, weight, eps) =>
      line(
        [x, weight],
        ([x, weight]) => ops.rmsNorm(x, weight, eps),
        (dOut, [x, weight]) => {
          if (wants(x)) give(x, derivatives.rmsNormBackward(dOut, x, weight, eps));
          if (wants(weight)) derivatives.rmsNormWeightBackward(dOut, x, eps, sumOf(weight));
        },
      ),
    layerNorm: (x, weight, bias, eps) =>
      line(
        [x, weight, bias],
        ([x, weight, bias]) => ops.layerNorm(x, weight, bias, eps),
        (dOut, [x, weight, bias]) => {
          if (wants(x)) give(x, derivatives.layerNormBackward(dOut, x, weight, eps));
          if (wants(weight)) derivatives.layerNormWeightBackward(dOut, x, eps, sumOf(weight));
          if (wants(bias)) derivatives.biasBackward(dOut, sumOf(bias));
        },
      ),
    rope: (x, cos, sin, headDim, offset = 0) =>
      line(
        [x, cos, sin],
        ([x, cos, sin]) => ops.rope(x, cos, sin, headDim, offset),
        (dOut, [x, cos, sin]) => wants(x) && give(x, derivatives.ropeBackward(dOut, cos, sin, headDim, offset)),
      ),
    // Computed again, it writes the same keys and values to the same places of the cache.
    attention(q, k, v, pages, rows, heads) {
      if (heads.sinks && wants(heads.sinks))
        throw new Error("recording: attention has no derivative by its sinks, expected them not to be wanted");
      return line(
        v ? [q, k, v] : [q, k],
        ([q, k, v]) => ops.attention(q, k, v ?? null, pages, rows, heads),
        (dOut, [q, k, v]) => {
          const { dQ, dK, dV } = derivatives.attentionBackward(dOut, q, pages, rows, heads);
          if (wants(q)) give(q, dQ);
          if (wants(k)) give(k, dK);
          if (dV && wants(v)) give(v, dV);
        },
      );
    },
    attentionProbs: (q, pages, rows, heads) => ops.attentionProbs(resolve([useOf(q)])[0], pages, rows, heads),
    swiglu: (gate, up) =>
      line(
        [gate, up],
        ([gate, up]) => ops.swiglu(gate, up),
        (dOut, [gate, up]) => {
          const { dGate, dUp } = derivatives.swigluBackward(dOut, gate, up);
          if (wants(gate)) give(gate, dGate);
          if (wants(up)) give(up, dUp);
        },
      ),
    gelu: (x) =>
      line(
        [x],
        ([x]) => ops.gelu(x),
        (dOut, [x]) => give(x, derivatives.geluBackward(dOut, x)),
      ),
    logProbs: (logits, ids) =>
      line(
        [logits, ids],
        ([logits, ids]) => derivatives.logProbs(logits, ids),
        (dOut, [logits, ids]) => give(logits, derivatives.logProbsBackward(dOut, logits, ids)),
      ),
    read: (t) => ops.read(resolve([useOf(t)])[0]),
    scope,
    endStep() {}, // the recording's own `end`
  };
  let gone = false;
  let ended = false;
  return {
    ops: recorded,
    backward(seeds) {
      if (gone) throw new Error("backward: the tape was gone through already, expected one backward per recording");
      gone = true;
      for (const [of, gradient] of seeds) {
        if (String(of.shape) !== String(gradient.shape))
          throw new Error(`backward: a gradient has shape [${gradient.shape}], its tensor has [${of.shape}]`);
        gradientDType = gradient.dtype === "f64" ? "f64" : "f32";
      }
      // Weights add up outside all scopes.
      for (const leaf of leaves) if (leaf.step === undefined) sumOf(leaf);
      for (const [of, gradient] of seeds) if (wants(of)) give(of, gradient);
      for (const segment of segments.toReversed()) backwardSegment(segment);
      return new Map(leaves.map((leaf) => [leaf, gradients.get(numberOf(leaf)) ?? zeros(leaf)]));
    },
    end() {
      if (ended) return;
      ended = true;
      tensors.clear();
      release();
      ops.endStep();
    },
  };
}
