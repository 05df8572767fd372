// The WebGPU kernel set, seen from TypeScript: what is held where, and which program runs for which op. What the ops compute
// is in the files beside this one, one op per file, WGSL beside its dispatch.

import { byteLengthOf, type DType, decodeF32, encodeF32, type FloatDType } from "../../weights/dtype.ts";
import type { AttentionShape, CacheBuffers, Kernels, RowBuffers } from "../kernels.ts";
import { add } from "./add.ts";
import { attention, attentionProbs } from "./attention.ts";
import { attentionBackward, scratchWords } from "./attention-backward.ts";
import { choose } from "./choose.ts";
import { copy } from "./copy.ts";
import { copyColumns } from "./copy-columns.ts";
import { type Device, type DeviceOptions, openDevice } from "./device.ts";
import { expertLinear, expertLinearBackward, expertLinearWeightBackward } from "./expert-linear.ts";
import { gather, gatherBackward } from "./gather.ts";
import { gelu, geluBackward } from "./gelu.ts";
import { layerNorm } from "./layer-norm.ts";
import { fitTogether, linear, rowBlock } from "./linear.ts";
import { biasBackward, linearBackward, linearWeightBackward } from "./linear-backward.ts";
import { logProbs, logProbsBackward } from "./log-probs.ts";
import { createMemory, type Held, type Kept, piecesOf, placeOf } from "./memory.ts";
import { multiply } from "./multiply.ts";
import { normBackward, normWeightBackward } from "./norm-backward.ts";
import type { Range } from "./ranges.ts";
import type { Counters, Place } from "./recorder.ts";
import { rmsNorm } from "./rms-norm.ts";
import { rope } from "./rope.ts";
import { route, routeWeights, routeWeightsBackward } from "./route.ts";
import { attentionKeepsBits, productsKeepBits } from "./same-bits.ts";
import { scale } from "./scale.ts";
import { swiglu, swigluBackward } from "./swiglu.ts";
import { weightedSum, weightedSumBackward } from "./weighted-sum.ts";
import { joined, keptBytes, split } from "./weights.ts";

export type WebGpuOptions = DeviceOptions;

export interface WebGpuKernels extends Kernels<Held> {
  readonly device: Device;
  /** What was done since the set was opened. */
  counters(): Counters;
}

const weightDTypes: readonly DType[] = ["f32", "bf16", "f16", "q8_0", "q4_0", "q4_1", "q4_K", "q6_K"];
/** Bytes that are handed to the device at once. */
const piece = 1 << 25;

/**
 * Opens the set on the GPU that this platform gives.
 * @throws one sentence if there is none, or its limits are too small.
 */
export async function webgpuKernels(options: WebGpuOptions = {}): Promise<WebGpuKernels> {
  const device = await openDevice(options);
  try {
    return await kernelsOn(device);
  } catch (error) {
    device.close();
    throw error;
  }
}

async function kernelsOn(device: Device): Promise<WebGpuKernels> {
  const { recorder, ranges, take, keep } = createMemory(device);
  let sameBits = true;
  const tried = new Set<DType>();

  /** Where an order of sums is not kept, products have one shape for any number of rows. */
  const block = () => (sameBits ? rowBlock : 1);
  function expectHeld(dtype: DType): void {
    if (!weightDTypes.includes(dtype) && dtype !== "i32")
      throw new Error(`the webgpu kernels do not hold dtype ${dtype}`);
  }
  function expectCache(dtype: DType): void {
    if (dtype !== "f32" && dtype !== "f16")
      throw new Error(`the webgpu kernels do not keep a cache in ${dtype}, expected f32 or f16`);
  }

  const a = placeOf;
  const orNull = (held: Held | null | undefined) => (held ? placeOf(held) : null);
  const rowsOf = ({ sequences, positions, pageTable }: RowBuffers<Held>) => ({
    sequences: a(sequences),
    positions: a(positions),
    pageTable: a(pageTable),
  });
  const cacheOf = ({ k, v }: CacheBuffers<Held>) => ({ k: a(k), v: orNull(v) });
  const shapeOf = (shape: AttentionShape<Held>) => ({ ...shape, sinks: orNull(shape.sinks) });

  /** The parts of a file that go to each piece of something kept, in the order of the device. */
  function* parts({ pieces }: Kept, dtype: DType, bytes: Uint8Array): Generator<[Place, Uint8Array]> {
    for (const { slab, at, first, length } of pieces) {
      const begin = byteLengthOf(dtype, first);
      const part = split(dtype, bytes.subarray(begin, begin + byteLengthOf(dtype, length)));
      for (let from = 0; from < part.length; from += piece)
        yield [{ slab, at: at + from / 4 }, part.subarray(from, from + piece)];
    }
  }

  /** The pieces of n matrices of so many elements each. */
  function expertsOf(w: Held, n: number, size: number) {
    return piecesOf(w, n * size).map(({ slab, at, first, length }) => ({
      slab,
      at,
      firstExpert: first / size,
      nExperts: length / size,
    }));
  }

  /** Words of the heap while something is asked that needs them. */
  function borrow(words: number, use: (scratch: Place) => void): void {
    const mark = ranges.mark();
    use({ slab: null, at: take(4 * words, false).at });
    ranges.release(mark, null);
  }

  const kernels: WebGpuKernels = {
    name: "webgpu",
    about: device.about,
    get sameBits() {
      return sameBits;
    },
    weightDTypes,
    maxBytes: Number.POSITIVE_INFINITY,
    device,
    counters: () => ({ ...recorder.counters }),

    alloc(dtype, length, kept) {
      expectHeld(dtype);
      if (kept) return keep(dtype, length, length, (elements) => keptBytes(dtype, elements));
      return take(byteLengthOf(dtype, length), false);
    },
    upload(values) {
      if (values instanceof Float64Array) throw new Error("the webgpu kernels do not hold dtype f64");
      const range = take(values.byteLength, true);
      if (values.length > 0) recorder.write({ slab: null, at: range.at }, values);
      return range;
    },
    async load(dtype, length, read, rowLength = length) {
      expectHeld(dtype);
      if (rowLength < length && weightDTypes.includes(dtype) && !tried.has(dtype)) {
        tried.add(dtype);
        if (!(await productsKeepBits(kernels as Kernels, dtype))) sameBits = false;
      }
      const kept = keep(dtype, length, rowLength, (elements) => keptBytes(dtype, elements));
      const bytes = new Uint8Array(byteLengthOf(dtype, length));
      await read(bytes);
      for (const [place, part] of parts(kept, dtype, bytes)) {
        recorder.write(place, part);
        if (part.length === piece) await device.gpu.queue.onSubmittedWorkDone(); // what it holds meanwhile is freed
      }
      const failure = device.failure();
      if (failure) throw failure;
      return kept;
    },
    async read(held, dtype, length) {
      const pieces = piecesOf(held, length);
      const reads = pieces.map((part) => recorder.read(part, keptBytes(dtype, part.length)));
      const values = new Float32Array(length);
      for (const [i, bytes] of (await Promise.all(reads)).entries()) {
        const part = joined(dtype, bytes.subarray(0, byteLengthOf(dtype, pieces[i].length)));
        const numbers = dtype === "i32" ? new Int32Array(part.buffer, 0, pieces[i].length) : decodeF32(dtype, part);
        values.set(numbers, pieces[i].first);
      }
      return values;
    },
    mark: () => ({ number: ranges.mark() }),
    release(mark, kept) {
      ranges.release((mark as { number: number }).number, kept as Range | null);
      return kept;
    },
    endStep() {
      recorder.flush();
      ranges.clear();
      ranges.settle();
    },
    close() {
      recorder.close();
      device.close();
    },

    gather(out, table, dtype, ids, rows, dim) {
      for (const part of piecesOf(table, "pieces" in table ? 0 : table.words))
        gather(recorder, a(out), part, dtype, a(ids), rows, dim, part.first / dim, Math.floor(part.length / dim));
    },
    copy: (out, offset, x, length) => copy(recorder, a(out), offset, a(x), length),
    add: (out, x, y, length) => add(recorder, a(out), a(x), a(y), length),
    linear(out, x, w, dtype, bias, rows, inDim, outDim) {
      for (const part of piecesOf(w, inDim * outDim)) {
        const first = part.first / inDim;
        const shifted = (held: Held) => ({ ...a(held), at: a(held).at + first });
        linear(
          recorder,
          a(x),
          [{ w: part, bias: bias && shifted(bias), out: shifted(out), outDim: part.length / inDim }],
          dtype,
          rows,
          inDim,
          { block: block(), stride: part.length === inDim * outDim ? 0 : outDim },
        );
      }
    },
    multiply: (out, x, y, length) => multiply(recorder, a(out), a(x), a(y), length),
    scale: (out, x, factor, length) => scale(recorder, a(out), a(x), factor, length),
    copyColumns: (out, outDim, begin, x, inDim, from, width, rows) =>
      copyColumns(recorder, a(out), outDim, begin, a(x), inDim, from, width, rows),
    route: (ids, logits, bias, rows, rule) => route(recorder, a(ids), a(logits), orNull(bias), rows, rule),
    routeWeights: (out, logits, ids, rows, rule) => routeWeights(recorder, a(out), a(logits), a(ids), rows, rule),
    expertLinear(out, x, ids, w, dtype, rows, perRow, inDim, outDim, n) {
      for (const part of expertsOf(w, n, inDim * outDim))
        expertLinear(recorder, a(out), a(x), a(ids), part, dtype, { rows, perRow, inDim, outDim });
    },
    weightedSum: (out, x, weights, rows, n, dim) => weightedSum(recorder, a(out), a(x), a(weights), rows, n, dim),
    linears(outs, x, ws, dtype, biases, rows, inDim, outDims) {
      const products = ws.flatMap((w, i) => {
        const pieces = piecesOf(w, inDim * outDims[i]);
        const whole = { w: pieces[0], bias: orNull(biases[i]), out: a(outs[i]), outDim: outDims[i] };
        return pieces.length === 1 ? [whole] : [];
      });
      if (products.length === ws.length && fitTogether(products))
        linear(recorder, a(x), products, dtype, rows, inDim, { block: block() });
      else for (const [i, w] of ws.entries()) kernels.linear(outs[i], x, w, dtype, biases[i], rows, inDim, outDims[i]);
    },
    rmsNorm: (out, x, weight, rows, dim, eps) => rmsNorm(recorder, a(out), a(x), a(weight), rows, dim, eps),
    layerNorm: (out, x, weight, bias, rows, dim, eps) =>
      layerNorm(recorder, a(out), a(x), a(weight), a(bias), rows, dim, eps),
    rope: (out, x, cos, sin, rows, nHeads, headDim, ropeDim, offset) =>
      rope(recorder, [{ out: a(out), x: a(x), nHeads }], a(cos), a(sin), rows, headDim, ropeDim, offset),
    ropes(outs, xs, cos, sin, rows, nHeads, headDim, ropeDim, offset) {
      const turned = xs.map((x, i) => ({ out: a(outs[i]), x: a(x), nHeads: nHeads[i] }));
      for (let i = 0; i < turned.length; i += 2)
        rope(recorder, turned.slice(i, i + 2), a(cos), a(sin), rows, headDim, ropeDim, offset);
    },
    attention(out, q, k, v, cache, cacheDType, rows, shape) {
      expectCache(cacheDType);
      attention(recorder, a(out), a(q), a(k), orNull(v), cacheOf(cache), cacheDType, rowsOf(rows), shapeOf(shape));
    },
    attentionProbs(out, q, keys, cacheDType, rows, shape) {
      expectCache(cacheDType);
      attentionProbs(recorder, a(out), a(q), a(keys), cacheDType, rowsOf(rows), shapeOf(shape));
    },
    swiglu: (out, gate, up, length) => swiglu(recorder, a(out), a(gate), a(up), length),
    gelu: (out, x, length) => gelu(recorder, a(out), a(x), length),
    derivatives: {
      write(held, dtype, values) {
        recorder.flush(); // what was asked before is done with the weights as they were
        const bytes = encodeF32(dtype as FloatDType, values);
        for (const [place, part] of parts(held as Kept, dtype, bytes)) recorder.write(place, part);
      },
      logProbs: (out, logits, ids, rows, n) => logProbs(recorder, a(out), a(logits), a(ids), rows, n),
      logProbsBackward: (dLogits, dOut, logits, ids, rows, n) =>
        logProbsBackward(recorder, a(dLogits), a(dOut), a(logits), a(ids), rows, n),
      gatherBackward: (dTable, dOut, ids, rows, dim) => gatherBackward(recorder, a(dTable), a(dOut), a(ids), rows, dim),
      linearExact: (...args) => kernels.linear(...args),
      linearBackward(dX, dOut, w, dtype, rows, inDim, outDim) {
        for (const part of piecesOf(w, inDim * outDim)) {
          const [first, n] = [part.first / inDim, part.length / inDim];
          linearBackward(recorder, a(dX), a(dOut), part, dtype, rows, inDim, n, first, outDim);
        }
      },
      linearWeightBackward: (dW, dOut, x, rows, inDim, outDim) =>
        linearWeightBackward(recorder, a(dW), a(dOut), a(x), rows, inDim, outDim),
      biasBackward: (dBias, dOut, rows, outDim) => biasBackward(recorder, a(dBias), a(dOut), rows, outDim),
      routeWeightsBackward: (dLogits, dOut, logits, ids, rows, rule) =>
        routeWeightsBackward(recorder, a(dLogits), a(dOut), a(logits), a(ids), rows, rule),
      expertLinearExact: (...args) => kernels.expertLinear(...args),
      expertLinearBackward(dX, dOut, ids, w, dtype, rows, perRow, inDim, outDim, n) {
        for (const part of expertsOf(w, n, inDim * outDim))
          expertLinearBackward(recorder, a(dX), a(dOut), a(ids), part, dtype, { rows, perRow, inDim, outDim });
      },
      expertLinearWeightBackward: (dW, dOut, x, ids, rows, perRow, inDim, outDim) =>
        expertLinearWeightBackward(recorder, a(dW), a(dOut), a(x), a(ids), { rows, perRow, inDim, outDim }),
      weightedSumBackward: (dX, dWeights, dOut, x, weights, rows, n, dim) =>
        weightedSumBackward(recorder, a(dX), a(dWeights), a(dOut), a(x), a(weights), rows, n, dim),
      rmsNormBackward: (dX, dOut, x, weight, rows, dim, eps) =>
        normBackward(recorder, false, a(dX), a(dOut), a(x), a(weight), rows, dim, eps),
      rmsNormWeightBackward: (dWeight, dOut, x, rows, dim, eps) =>
        borrow(2 * rows, (scratch) =>
          normWeightBackward(recorder, false, a(dWeight), a(dOut), a(x), rows, dim, eps, scratch),
        ),
      layerNormBackward: (dX, dOut, x, weight, rows, dim, eps) =>
        normBackward(recorder, true, a(dX), a(dOut), a(x), a(weight), rows, dim, eps),
      layerNormWeightBackward: (dWeight, dOut, x, rows, dim, eps) =>
        borrow(2 * rows, (scratch) =>
          normWeightBackward(recorder, true, a(dWeight), a(dOut), a(x), rows, dim, eps, scratch),
        ),
      ropeBackward: (dX, dOut, cos, sin, rows, nHeads, headDim, ropeDim, offset) =>
        rope(recorder, [{ out: a(dX), x: a(dOut), nHeads }], a(cos), a(sin), rows, headDim, ropeDim, offset, true),
      attentionBackward(dQ, dK, dV, dOut, q, cache, cacheDType, rows, shape) {
        expectCache(cacheDType);
        const here = shapeOf(shape);
        borrow(scratchWords(here), (scratch) =>
          attentionBackward(
            recorder,
            a(dQ),
            a(dK),
            orNull(dV),
            a(dOut),
            a(q),
            cacheOf(cache),
            cacheDType,
            rowsOf(rows),
            here,
            scratch,
          ),
        );
      },
      swigluBackward: (dGate, dUp, dOut, gate, up, length) =>
        swigluBackward(recorder, a(dGate), a(dUp), a(dOut), a(gate), a(up), length),
      geluBackward: (dX, dOut, x, length) => geluBackward(recorder, a(dX), a(dOut), a(x), length),
    },
    choose: (out, logits, rows, n, k) => choose(recorder, a(out), a(logits), rows, n, k),
  };
  sameBits = await attentionKeepsBits(kernels as Kernels);
  return kernels;
}
