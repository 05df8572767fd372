// Reverse mode: the same ops, which also remember how to go back. Every op call becomes a line of a tape,
//
//   7 = linear(5, weight)      with the number of each tensor, how to compute it, and its derivative.
//
// Nothing is computed while the tape is written. Then it is read twice: from its beginning, which computes the tensors, and
// from its end. Going back starts from ∂loss/∂(last tensor) and at each line turns the gradient of the output into gradients
// of the inputs; a tensor that was used twice gets the sum of both. Only what lies between a leaf and the loss is computed.
// Model code does not know about any of this: it is given these ops instead of the plain ones.
//
// Time. Either way a line is a piece of work, and between two pieces others may compute, if they free what they allocate.
//
// Memory. The tape keeps every intermediate. `forward` computes each layer in a `scope`: the gradients inside a layer are
// freed when it is done, and with `recompute` its intermediates too: only what enters a layer is kept, and going back
// computes the layer a second time (Chen et al. 2016, arXiv 1604.06174).
// Reverse mode on a tape: Wengert 1964; Baydin et al. 2018, arXiv 1502.05767, section 3.2.

import { pageSize } from "../../kernels/kernels.ts";
import type { Ops } from "../../kernels/ops.ts";
import { type Buffer, reshape, sizeOf, type Tensor } from "../../kernels/tensor.ts";
import { isBlockDType } from "../../weights/dtype.ts";
import { checkNames, type Names } from "../field-error.ts";

export interface RecordingOptions {
  /** Keep only what enters each layer, and compute the layer again on the way back: less memory, one more forward. */
  recompute?: boolean;
}

const recordingOptionNames = { recompute: true } satisfies Names<RecordingOptions>;

export interface Recording {
  /** The ops to write the tape with. Their results are tensors for these ops alone; `read` computes what is needed for it. */
  readonly ops: Ops & LossOps;
  /**
   * Computes the tape, then the gradients of a loss by the leaves, given its gradients by some tensors of the tape, each of
   * its tensor's shape. A leaf that the loss does not depend on gets zeros. They live until `end`, and so do the tensors
   * that were given gradients; a tape is gone through once.
   * @throws if a seed does not fit its tensor, or the tape was gone through already.
   */
  backward(seeds: Seeds): Map<Tensor, Tensor>;
  /** The same in pieces, an op call each. Before each comes what it costs, in multiplications (at most; exact for a `linear`). */
  pieces(seeds: Seeds): Generator<number, Map<Tensor, Tensor>, void>;
  /** Ends the step and frees everything; until then no other end of a step does. */
  end(): void;
}

export type Seeds = readonly (readonly [of: Tensor, gradient: Tensor])[];

/** Ops that only a loss needs. */
export interface LossOps {
  /** The log-probability of one token per row: logits [rows, n], ids [rows] i32 → [rows] */
  logProbs(logits: Tensor, ids: Tensor): Tensor;
}

/** One op call: output = run(inputs). */
interface Line {
  readonly output: Use;
  readonly inputs: readonly Use[];
  /** Multiplications of `run`; going back takes as many for each input that a gradient is wanted by. */
  readonly cost: number;
  run(inputs: Tensor[]): Tensor;
  /** Gives the inputs their gradients; none where the output is a choice, of ids. */
  readonly back: ((dOut: Tensor, inputs: Tensor[]) => void) | undefined;
}

/** A tensor as an op made or used it: its number, and its shape there (a `reshape` is no op). */
interface Use {
  readonly number: number;
  readonly shape: readonly number[];
}

/** The step of a tensor without values: one that the plain ops refuse. */
const noStep = -1;

/** The lines of a layer, or of what stands between two. */
interface Segment {
  readonly lines: Line[];
  /** Of a layer whose tensors are freed once it is computed: the number of the one that is kept. */
  kept?: number;
}

/**
 * Starts a tape over `ops`. Gradients are wanted by `leaves`: uploaded rows, weights, or both.
 * @throws if the kernel set has no derivatives.
 */
export function recording(ops: Ops, leaves: readonly Tensor[], options: RecordingOptions = {}): Recording {
  checkNames(options, recordingOptionNames);
  const { recompute = false } = options;
  const derivatives = ops.derivatives();
  const release = ops.hold();

  // ---- writing

  const numbers = new WeakMap<Buffer, number>();
  const tensors = new Map<number, Tensor>(); // by number, from when they are computed for as long as they are kept
  const active = new Set<number>(); // numbers that depend on a leaf
  const hidden = new Set<number>(); // numbers inside a layer that has ended and will be freed
  const segments: Segment[] = [{ lines: [] }];
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
  function useOf(t: Tensor): Use {
    const number = numberOf(t);
    if (hidden.has(number))
      throw new Error("recording: a tensor of a layer that has ended is used, expected only what entered the next one");
    return { number, shape: t.shape };
  }

  /** Writes a line. → its output, which is a number and a shape: it has no values yet */
  function line(
    inputs: readonly Tensor[],
    shape: readonly number[],
    run: Line["run"],
    back: Line["back"],
    cost = sizeOf(shape),
  ): Tensor {
    const uses = inputs.map(useOf);
    const output = { number: count++, shape };
    if (back && uses.some(({ number }) => active.has(number))) active.add(output.number);
    segments[segments.length - 1].lines.push({ output, inputs: uses, run, back, cost });
    const dtype = back ? (inputs[0].dtype === "f64" ? "f64" : "f32") : "i32";
    const out: Tensor = { dtype, shape, buffer: {}, step: noStep };
    numbers.set(out.buffer, output.number);
    return out;
  }

  for (const leaf of leaves) active.add(numberOf(leaf));

  let inLayer = false;
  /** A layer: its lines are a segment of their own. A scope within it is a part of it. */
  function scope(part: () => Tensor): Tensor {
    if (inLayer) return part();
    const layer: Segment = { lines: [] };
    segments.push(layer);
    inLayer = true;
    const out = part();
    inLayer = false;
    if (recompute) {
      layer.kept = numberOf(out);
      for (const { output } of layer.lines) if (output.number !== layer.kept) hidden.add(output.number);
    }
    segments.push({ lines: [] });
    return out;
  }

  // ---- computing

  /** A tensor by its number, wherever it is now. */
  function tensorOf(number: number): Tensor {
    const tensor = tensors.get(number);
    if (!tensor) throw new Error("recording: a tensor of the tape is used that is not kept");
    return tensor;
  }
  const resolve = (uses: readonly Use[]) => uses.map(({ number, shape }) => reshape(tensorOf(number), shape));
  const runLine = ({ output, inputs, run }: Line) => keep(output.number, run(resolve(inputs)));

  let segmentAt = 0; // the next line to compute, and where the memory of its segment begins
  let lineAt = 0;
  let mark: object;

  /** A tensor as the plain ops know it. */
  function computed(t: Tensor): Tensor {
    toEnd(compute());
    return resolve([useOf(t)])[0];
  }

  /** Computes the lines that were written and are not computed yet. */
  function* compute(): Generator<number, void, void> {
    for (;;) {
      const segment = segments[segmentAt];
      if (lineAt === 0) mark = ops.kernels.mark();
      while (lineAt < segment.lines.length) {
        yield segment.lines[lineAt].cost;
        runLine(segment.lines[lineAt++]);
      }
      if (segmentAt === segments.length - 1) return;
      if (segment.kept !== undefined) drop(segment, segment.kept);
      segmentAt++;
      lineAt = 0;
    }
  }

  /** Frees the tensors of a layer but one, which moves down to where they began. */
  function drop({ lines }: Segment, kept: number): void {
    const own = lines.some(({ output }) => output.number === kept);
    const out = tensorOf(kept);
    const buffer = ops.kernels.release(mark, own ? out.buffer : null, out.dtype, sizeOf(out.shape));
    for (const { output } of lines) tensors.delete(output.number);
    if (own && buffer) keep(kept, { ...out, buffer });
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
  function* backwardSegment(
    { lines, kept: dropped }: Segment,
    seeded: ReadonlySet<number>,
  ): Generator<number, void, void> {
    const produced = new Set(lines.map(({ output }) => output.number));
    const outside = new Map<number, Use>();
    for (const { inputs } of lines)
      for (const use of inputs)
        if (active.has(use.number) && !produced.has(use.number) && !sums.has(use.number)) outside.set(use.number, use);

    const scope = derivatives.scope(
      [...outside.keys()].map((number) => ({ ...tensorOf(number), dtype: gradientDType })),
    );
    if (dropped !== undefined)
      for (const line of lines) {
        if (line.output.number === dropped) continue;
        yield line.cost;
        runLine(line);
      }
    for (const { inputs, output, back, cost } of lines.toReversed()) {
      const dOut = gradients.get(output.number);
      if (!dOut || !back) continue;
      yield cost * inputs.filter(({ number }) => active.has(number)).length;
      back(reshape(dOut, output.shape), resolve(inputs));
    }
    const reached = [...outside.keys()].filter((number) => gradients.has(number));
    const kept = scope.end(reached.map((number) => gradients.get(number) as Tensor));
    for (const [i, number] of reached.entries()) gradients.set(number, kept[i]);
    for (const number of produced) {
      if (!seeded.has(number)) tensors.delete(number);
      gradients.delete(number);
    }
  }

  // ---- the ops, each with the shape of its output and its derivative

  const recorded: Ops & LossOps = {
    ...ops,
    gather: (table, ids) =>
      line(
        [table, ids],
        [ids.shape[0], table.shape[1]],
        ([table, ids]) => ops.gather(table, ids),
        (dOut, [table, ids]) => wants(table) && derivatives.gatherBackward(dOut, ids, sumOf(table)),
      ),
    concat: (parts) =>
      line(
        parts,
        [parts.reduce((rows, part) => rows + part.shape[0], 0), parts[0].shape[1]],
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
    columns: (x, begin, width) =>
      line(
        [x],
        [x.shape[0], width],
        ([x]) => ops.columns(x, begin, width),
        (dOut, [x]) => {
          const [rows, dim] = x.shape;
          const before = begin > 0 ? [zeros({ ...x, shape: [rows, begin] })] : [];
          const after = begin + width < dim ? [zeros({ ...x, shape: [rows, dim - begin - width] })] : [];
          give(x, ops.joinColumns([...before, dOut, ...after]));
        },
      ),
    joinColumns: (parts) =>
      line(
        parts,
        [parts[0].shape[0], parts.reduce((dim, part) => dim + part.shape[1], 0)],
        (parts) => ops.joinColumns(parts),
        (dOut, parts) => {
          let begin = 0;
          for (const part of parts) {
            if (wants(part)) give(part, ops.columns(dOut, begin, part.shape[1]));
            begin += part.shape[1];
          }
        },
      ),
    multiply: (a, b) =>
      line(
        [a, b],
        a.shape,
        ([a, b]) => ops.multiply(a, b),
        (dOut, [a, b]) => {
          if (wants(a)) give(a, ops.multiply(dOut, b));
          if (wants(b)) give(b, ops.multiply(dOut, a));
        },
      ),
    scale: (x, factor) =>
      line(
        [x],
        x.shape,
        ([x]) => ops.scale(x, factor),
        (dOut, [x]) => give(x, ops.scale(dOut, factor)),
      ),
    add: (a, b) =>
      line(
        [a, b],
        a.shape,
        ([a, b]) => ops.add(a, b),
        (dOut, inputs) => {
          for (const t of inputs) if (wants(t)) give(t, dOut);
        },
      ),
    linear: (x, w, bias) =>
      line(
        bias ? [x, w, bias] : [x, w],
        [x.shape[0], w.shape[0]],
        ([x, w, bias]) => (isBlockDType(w.dtype) ? derivatives.linearExact(x, w, bias) : ops.linear(x, w, bias)),
        (dOut, [x, w, bias]) => {
          if (wants(x)) give(x, derivatives.linearBackward(dOut, w));
          if (wants(w)) derivatives.linearWeightBackward(dOut, x, sumOf(w));
          if (bias && wants(bias)) derivatives.biasBackward(dOut, sumOf(bias));
        },
        x.shape[0] * sizeOf(w.shape),
      ),
    linears: (x, projections) => projections.map(({ weight, bias }) => recorded.linear(x, weight, bias)),
    // A choice has no derivative: nothing goes back through ids.
    route: (logits, bias, rule) =>
      line(
        bias ? [logits, bias] : [logits],
        [logits.shape[0], rule.nActive],
        ([logits, bias]) => ops.route(logits, bias, rule),
        undefined,
      ),
    routeWeights: (logits, ids, rule) =>
      line(
        [logits, ids],
        ids.shape,
        ([logits, ids]) => ops.routeWeights(logits, ids, rule),
        (dOut, [logits, ids]) => give(logits, derivatives.routeWeightsBackward(dOut, logits, ids, rule)),
      ),
    expertLinear: (x, ids, w) =>
      line(
        [x, ids, w],
        [sizeOf(ids.shape), w.shape[1]],
        ([x, ids, w]) =>
          isBlockDType(w.dtype) ? derivatives.expertLinearExact(x, ids, w) : ops.expertLinear(x, ids, w),
        (dOut, [x, ids, w]) => {
          if (wants(x)) give(x, derivatives.expertLinearBackward(dOut, x, ids, w));
          if (wants(w)) derivatives.expertLinearWeightBackward(dOut, x, ids, sumOf(w));
        },
        sizeOf(ids.shape) * w.shape[1] * w.shape[2],
      ),
    weightedSum: (x, weights) =>
      line(
        [x, weights],
        [weights.shape[0], x.shape[1]],
        ([x, weights]) => ops.weightedSum(x, weights),
        (dOut, [x, weights]) => {
          const { dX, dWeights } = derivatives.weightedSumBackward(dOut, x, weights);
          if (wants(x)) give(x, dX);
          if (wants(weights)) give(weights, dWeights);
        },
        sizeOf(x.shape),
      ),
    rmsNorm: (x, weight, eps) =>
      line(
        [x, weight],
        x.shape,
        ([x, weight]) => ops.rmsNorm(x, weight, eps),
        (dOut, [x, weight]) => {
          if (wants(x)) give(x, derivatives.rmsNormBackward(dOut, x, weight, eps));
          if (wants(weight)) derivatives.rmsNormWeightBackward(dOut, x, eps, sumOf(weight));
        },
      ),
    layerNorm: (x, weight, bias, eps) =>
      line(
        [x, weight, bias],
        x.shape,
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
        x.shape,
        ([x, cos, sin]) => ops.rope(x, cos, sin, headDim, offset),
        (dOut, [x, cos, sin]) => wants(x) && give(x, derivatives.ropeBackward(dOut, cos, sin, headDim, offset)),
      ),
    ropes: (xs, cos, sin, headDim, offset) => xs.map((x) => recorded.rope(x, cos, sin, headDim, offset)),
    // Computed again, it writes the same keys and values to the same places of the cache.
    attention(q, k, v, pages, rows, heads) {
      if (heads.sinks && wants(heads.sinks))
        throw new Error("recording: attention has no derivative by its sinks, expected them not to be wanted");
      return line(
        v ? [q, k, v] : [q, k],
        [q.shape[0], heads.nHeads * heads.vDim],
        ([q, k, v]) => ops.attention(q, k, v ?? null, pages, rows, heads),
        (dOut, [q, k, v]) => {
          const { dQ, dK, dV } = derivatives.attentionBackward(dOut, q, pages, rows, heads);
          if (wants(q)) give(q, dQ);
          if (wants(k)) give(k, dK);
          if (dV && wants(v)) give(v, dV);
        },
        q.shape[0] * rows.pageTable.shape[1] * pageSize * heads.nHeads * (heads.kDim + heads.vDim),
      );
    },
    attentionProbs: (q, pages, rows, heads) => ops.attentionProbs(computed(q), pages, rows, heads),
    swiglu: (gate, up) =>
      line(
        [gate, up],
        gate.shape,
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
        x.shape,
        ([x]) => ops.gelu(x),
        (dOut, [x]) => give(x, derivatives.geluBackward(dOut, x)),
      ),
    logProbs: (logits, ids) =>
      line(
        [logits, ids],
        [logits.shape[0]],
        ([logits, ids]) => derivatives.logProbs(logits, ids),
        (dOut, [logits, ids]) => give(logits, derivatives.logProbsBackward(dOut, logits, ids)),
        sizeOf(logits.shape),
      ),
    read: (t) => ops.read(computed(t)),
    scope,
    endStep() {}, // the recording's own `end`
  };
  let gone = false;
  let ended = false;

  function* pieces(seeds: Seeds): Generator<number, Map<Tensor, Tensor>, void> {
    if (gone) throw new Error("backward: the tape was gone through already, expected one backward per recording");
    gone = true;
    for (const [of, gradient] of seeds) {
      if (String(of.shape) !== String(gradient.shape))
        throw new Error(`backward: a gradient has shape [${gradient.shape}], its tensor has [${of.shape}]`);
      gradientDType = gradient.dtype === "f64" ? "f64" : "f32";
    }
    yield* compute();
    // Weights add up outside all scopes.
    for (const leaf of leaves) if (leaf.step === undefined) sumOf(leaf);
    for (const [of, gradient] of seeds) if (wants(of)) give(of, gradient);
    const seeded = new Set(seeds.map(([of]) => numberOf(of)));
    for (const segment of segments.toReversed()) yield* backwardSegment(segment, seeded);
    return new Map(leaves.map((leaf) => [leaf, gradients.get(numberOf(leaf)) ?? zeros(leaf)]));
  }

  return {
    ops: recorded,
    pieces,
    backward: (seeds) => toEnd(pieces(seeds)),
    end() {
      if (ended) return;
      ended = true;
      tensors.clear();
      release();
      ops.endStep();
    },
  };
}

/** All pieces at once. */
function toEnd<Result>(pieces: Generator<number, Result, void>): Result {
  for (;;) {
    const next = pieces.next();
    if (next.done) return next.value;
  }
}
