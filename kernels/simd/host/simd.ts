// The SIMD kernel set, seen from TypeScript: buffers are addresses in one shared WebAssembly memory, ops are calls into it.
// What the ops compute is in the AssemblyScript files beside this directory, one op per file.

import { cores } from "#platform";
import { FieldError } from "../../../src/field-error.ts";
import {
  byteLengthOf,
  type DType,
  decodeF32,
  encodeF32,
  type FloatDType,
  isBlockDType,
} from "../../../weights/dtype.ts";
import type { AttentionShape, Kernels, RouteRule } from "../../kernels.ts";
import {
  bf16Code,
  chunkCountsAt,
  f16Code,
  f32Code,
  maxThreads,
  q4_0Code,
  q4_1Code,
  q4_KCode,
  q6_KCode,
  q8_0Code,
  startedAt,
} from "../codes.ts";
import { createMemory, maxPages, pageBytes } from "./memory.ts";
import { instantiate } from "./module.ts";

/** A range of the shared memory. */
interface Range {
  readonly address: number;
}

export interface SimdOptions {
  /** Threads, the caller's own included. Default: all cores */
  threads?: number;
  /** Take the build without relaxed SIMD even where the engine has it: its bits are the same on every machine. */
  plain?: boolean;
  /** Maximum memory, in pages of 64 KiB. Default: 65536, which is 4 GiB and all there can be */
  limitPages?: number;
}

export interface SimdKernels extends Kernels<Range> {
  /** Chunks of work that each thread has done, the caller first: who took part. */
  chunkCounts(): number[];
  /** Whether all workers run. */
  ready(): boolean;
  /** Reads a buffer of so many MiB once, on all threads: what the memory gives. */
  readAll(buffer: Range, mebibytes: number): void;
  /** Does `chunks` · 393216 floating-point operations in registers, on all threads: what the processor gives. */
  multiplyAll(chunks: number): void;
}

const codes: Partial<Record<DType, number>> = {
  f32: f32Code,
  bf16: bf16Code,
  f16: f16Code,
  q8_0: q8_0Code,
  q4_0: q4_0Code,
  q4_1: q4_1Code,
  q4_K: q4_KCode,
  q6_K: q6_KCode,
};

/** Weights of this size and more are worth threads; a set that never loads as much never starts any. */
const workerBytes = 1 << 20;

/**
 * Opens the set.
 * @throws a FieldError for more threads than there are cores; an Error if this engine lacks WebAssembly SIMD or shared
 * memory, or the builds are missing.
 */
export async function simdKernels(options: SimdOptions = {}): Promise<SimdKernels> {
  const most = Math.min(cores(), maxThreads);
  const { threads = most } = options;
  if (threads > most)
    throw new FieldError(
      "threads",
      `got ${threads}, expected a whole number from 1 to ${most}, the cores of this machine`,
    );
  const { memory, keep, take, mark, release, borrow, endStep } = createMemory(options.limitPages);
  const { relaxed, call, startWorker } = await instantiate(memory, options.plain ?? false);
  let workers = 0;

  function startWorkers(): void {
    while (workers < threads - 1) startWorker(++workers);
  }

  function bytesOf(dtype: DType, length: number): number {
    if (!(dtype in codes) && dtype !== "i32") throw new Error(`the simd kernels do not hold dtype ${dtype}`);
    return byteLengthOf(dtype, length);
  }

  function codeOf(dtype: DType): number {
    const code = codes[dtype];
    if (code === undefined) throw new Error(`the simd kernels do not read dtype ${dtype}`);
    return code;
  }

  function cacheCodeOf(dtype: DType): number {
    if (dtype !== "f32" && dtype !== "f16")
      throw new Error(`the simd kernels do not keep a cache in ${dtype}, expected f32 or f16`);
    return codeOf(dtype);
  }

  /** What changes a softmax, as the module takes it. */
  function softmaxOf({ scale, window, sinks, softCap }: AttentionShape<Range>): number[] {
    return [scale, window ?? 0, sinks?.address ?? 0, softCap ?? 0];
  }

  /** How a rule weighs, as the module takes it. */
  function weighing({ nExperts, nActive, score, normalize, scale }: RouteRule): number[] {
    return [nExperts, nActive, Number(score === "softmax"), Number(normalize), scale];
  }

  type ExpertSizes = [rows: number, perRow: number, inDim: number, outDim: number, n: number];

  /** Runs a product with weights of several experts, with the memory that it needs. */
  function perExpert(dtype: DType, [rows, , inDim, outDim, n]: ExpertSizes, run: (scratch: number) => void): void {
    borrow(call.expertLinearScratch(codeOf(dtype), rows, inDim, outDim, n, threads) >>> 0, run);
  }

  const control = new Int32Array(memory.buffer);
  const a = (range: Range | null) => range?.address ?? 0;

  return {
    name: "simd",
    about: `WebAssembly SIMD${relaxed ? ", relaxed" : " without relaxed instructions"}, ${threads === 1 ? "one thread" : `${threads} threads`}`,
    sameBits: true,
    roundsRows: true,
    weightDTypes: Object.keys(codes) as DType[],
    maxBytes: (options.limitPages ?? maxPages) * pageBytes,

    alloc(dtype, length, kept) {
      const bytes = bytesOf(dtype, length);
      return { address: kept ? keep(bytes) : take(bytes) };
    },
    upload(values) {
      if (values instanceof Float64Array) throw new Error("the simd kernels do not hold dtype f64");
      const address = take(values.byteLength);
      if (values instanceof Int32Array) new Int32Array(memory.buffer, address, values.length).set(values);
      else new Float32Array(memory.buffer, address, values.length).set(values);
      return { address };
    },
    async load(dtype, length, fill) {
      const bytes = bytesOf(dtype, length);
      const address = keep(bytes);
      if (bytes >= workerBytes) startWorkers();
      await fill(new Uint8Array(memory.buffer, address, bytes));
      return { address };
    },
    async read({ address }, dtype, length) {
      if (dtype === "f32") return new Float32Array(memory.buffer, address, length).slice();
      if (dtype === "i32") return Float32Array.from(new Int32Array(memory.buffer, address, length));
      return decodeF32(dtype, new Uint8Array(memory.buffer, address, bytesOf(dtype, length)));
    },
    mark,
    release(place, kept, dtype, length) {
      release(place);
      if (!kept) return null;
      const bytes = bytesOf(dtype, length);
      const address = take(bytes);
      new Uint8Array(memory.buffer).copyWithin(address, kept.address, kept.address + bytes);
      return { address };
    },
    endStep,
    close: () => call.close(),

    gather: (out, table, dtype, ids, rows, dim) => void call.gather(a(out), a(table), codeOf(dtype), a(ids), rows, dim),
    copy: (out, offset, x, length) => void call.copy(a(out), offset, a(x), length),
    copyColumns: (out, outDim, begin, x, inDim, from, width, rows) =>
      void call.copyColumns(a(out), outDim, begin, a(x), inDim, from, width, rows),
    add: (out, x, y, length) => void call.add(a(out), a(x), a(y), length),
    multiply: (out, x, y, length) => void call.multiply(a(out), a(x), a(y), length),
    scale: (out, x, factor, length) => void call.scale(a(out), a(x), factor, length),
    linear(out, x, w, dtype, bias, rows, inDim, outDim) {
      borrow(call.linearScratch(codeOf(dtype), rows, inDim, threads) >>> 0, (scratch) => {
        call.linear(a(out), a(x), a(w), codeOf(dtype), a(bias), rows, inDim, outDim, scratch);
      });
    },
    route(ids, logits, bias, rows, { nExperts, nActive, score, nGroups, nActiveGroups, groupScore }) {
      const rule = [nExperts, nActive, Number(score === "softmax"), nGroups, nActiveGroups];
      borrow(rows * call.routeScratch(nExperts, nGroups), (scratch) => {
        call.route(a(ids), a(logits), a(bias), rows, ...rule, Number(groupScore === "best two"), scratch);
      });
    },
    routeWeights(out, logits, ids, rows, rule) {
      borrow(rows * call.routeScratch(rule.nExperts, 0), (scratch) => {
        call.routeWeights(a(out), a(logits), a(ids), rows, ...weighing(rule), scratch);
      });
    },
    expertLinear: (out, x, ids, w, dtype, ...sizes) =>
      perExpert(dtype, sizes, (scratch) =>
        call.expertLinear(a(out), a(x), a(ids), a(w), codeOf(dtype), ...sizes, scratch),
      ),
    weightedSum: (out, x, weights, rows, n, dim) => void call.weightedSum(a(out), a(x), a(weights), rows, n, dim),
    rmsNorm: (out, x, weight, rows, dim, eps) => void call.rmsNorm(a(out), a(x), a(weight), rows, dim, eps),
    layerNorm: (out, x, weight, bias, rows, dim, eps) =>
      void call.layerNorm(a(out), a(x), a(weight), a(bias), rows, dim, eps),
    rope: (out, x, cos, sin, rows, nHeads, headDim, ropeDim, offset) =>
      void call.rope(a(out), a(x), a(cos), a(sin), rows, nHeads, headDim, ropeDim, offset),
    attention(out, q, k, v, cache, cacheDType, { sequences, positions, pageTable }, shape) {
      const { rows, nHeads, nCacheHeads, kDim, vDim, maxPages } = shape;
      const dtype = cacheCodeOf(cacheDType);
      const where = [a(cache.k), a(cache.v), a(sequences), a(positions), a(pageTable)];
      const dims = [rows, nHeads, nCacheHeads, kDim, vDim, maxPages, ...softmaxOf(shape), dtype, threads];
      borrow(call.attentionScratch(dtype, a(positions), rows, nHeads, kDim, vDim, threads) >>> 0, (scratch) => {
        call.attention(a(out), a(q), a(k), a(v), ...where, ...dims, scratch);
      });
    },
    attentionProbs(out, q, keys, cacheDType, { sequences, positions, pageTable }, shape) {
      const { rows, nHeads, nCacheHeads, kDim, maxPages } = shape;
      const dims = [rows, nHeads, nCacheHeads, kDim, maxPages, ...softmaxOf(shape)];
      const dtype = cacheCodeOf(cacheDType);
      const where = [a(keys), a(sequences), a(positions), a(pageTable)];
      borrow(call.attentionScratch(dtype, a(positions), 0, nHeads, kDim, 0, threads) >>> 0, (scratch) => {
        call.attentionProbs(a(out), a(q), ...where, ...dims, dtype, scratch);
      });
    },
    swiglu: (out, gate, up, length) => void call.swiglu(a(out), a(gate), a(up), length),
    gelu: (out, x, length) => void call.gelu(a(out), a(x), length),

    derivatives: {
      write({ address }, dtype, values) {
        new Uint8Array(memory.buffer).set(encodeF32(dtype as FloatDType, values), address);
      },
      logProbs: (out, logits, ids, rows, n) => void call.logProbs(a(out), a(logits), a(ids), rows, n),
      logProbsBackward: (dLogits, dOut, logits, ids, rows, n) =>
        void call.logProbsBackward(a(dLogits), a(dOut), a(logits), a(ids), rows, n),
      gatherBackward: (dTable, dOut, ids, rows, dim) => void call.gatherBackward(a(dTable), a(dOut), a(ids), rows, dim),
      linearExact(out, x, w, dtype, bias, rows, inDim, outDim) {
        if (!isBlockDType(dtype)) throw new Error(`linearExact is for quantized weights, got ${dtype}`);
        borrow(call.linearExactScratch(inDim, threads) >>> 0, (scratch) => {
          call.linearExact(a(out), a(x), a(w), codeOf(dtype), a(bias), rows, inDim, outDim, scratch);
        });
      },
      linearBackward: (dX, dOut, w, dtype, rows, inDim, outDim) =>
        borrow(call.productScratch(rows, outDim, threads) >>> 0, (scratch) => {
          call.linearBackward(a(dX), a(dOut), a(w), codeOf(dtype), rows, inDim, outDim, scratch);
        }),
      linearWeightBackward: (dW, dOut, x, rows, inDim, outDim) =>
        borrow(call.productScratch(outDim, rows, threads) >>> 0, (scratch) => {
          call.linearWeightBackward(a(dW), a(dOut), a(x), rows, inDim, outDim, scratch);
        }),
      biasBackward: (dBias, dOut, rows, outDim) => void call.biasBackward(a(dBias), a(dOut), rows, outDim),
      rmsNormBackward: (dX, dOut, x, weight, rows, dim, eps) =>
        void call.normBackward(a(dX), a(dOut), a(x), a(weight), rows, dim, eps, 0),
      rmsNormWeightBackward: (dWeight, dOut, x, rows, dim, eps) =>
        borrow(8 * rows, (scratch) => {
          call.normWeightBackward(a(dWeight), a(dOut), a(x), rows, dim, eps, 0, scratch);
        }),
      layerNormBackward: (dX, dOut, x, weight, rows, dim, eps) =>
        void call.normBackward(a(dX), a(dOut), a(x), a(weight), rows, dim, eps, 1),
      layerNormWeightBackward: (dWeight, dOut, x, rows, dim, eps) =>
        borrow(8 * rows, (scratch) => {
          call.normWeightBackward(a(dWeight), a(dOut), a(x), rows, dim, eps, 1, scratch);
        }),
      ropeBackward: (dX, dOut, cos, sin, rows, nHeads, headDim, ropeDim, offset) =>
        void call.ropeBackward(a(dX), a(dOut), a(cos), a(sin), rows, nHeads, headDim, ropeDim, offset),
      attentionBackward(dQ, dK, dV, dOut, q, cache, cacheDType, { sequences, positions, pageTable }, shape) {
        const { rows, nHeads, nCacheHeads, kDim, vDim, maxPages } = shape;
        const where = [a(cache.k), a(cache.v), a(sequences), a(positions), a(pageTable)];
        const dims = [rows, nHeads, nCacheHeads, kDim, vDim, maxPages, ...softmaxOf(shape)];
        borrow(call.attentionBackwardScratch(rows, nHeads, kDim, vDim, maxPages, threads) >>> 0, (scratch) => {
          const code = cacheCodeOf(cacheDType);
          call.attentionBackward(a(dQ), a(dK), a(dV), a(dOut), a(q), ...where, ...dims, code, scratch);
        });
      },
      routeWeightsBackward(dLogits, dOut, logits, ids, rows, rule) {
        borrow(rows * call.routeScratch(rule.nExperts, 0), (scratch) => {
          call.routeWeightsBackward(a(dLogits), a(dOut), a(logits), a(ids), rows, ...weighing(rule), scratch);
        });
      },
      expertLinearExact: (out, x, ids, w, dtype, ...sizes) =>
        perExpert(dtype, sizes, (scratch) =>
          call.expertLinearExact(a(out), a(x), a(ids), a(w), codeOf(dtype), ...sizes, scratch),
        ),
      expertLinearBackward: (dX, dOut, ids, w, dtype, ...sizes) =>
        perExpert(dtype, sizes, (scratch) =>
          call.expertLinearBackward(a(dX), a(dOut), a(ids), a(w), codeOf(dtype), ...sizes, scratch),
        ),
      expertLinearWeightBackward: (dW, dOut, x, ids, ...sizes) =>
        perExpert("f32", sizes, (scratch) =>
          call.expertLinearWeightBackward(a(dW), a(dOut), a(x), a(ids), ...sizes, scratch),
        ),
      weightedSumBackward: (dX, dWeights, dOut, x, weights, rows, n, dim) =>
        void call.weightedSumBackward(a(dX), a(dWeights), a(dOut), a(x), a(weights), rows, n, dim),
      swigluBackward: (dGate, dUp, dOut, gate, up, length) =>
        void call.swigluBackward(a(dGate), a(dUp), a(dOut), a(gate), a(up), length),
      geluBackward: (dX, dOut, x, length) => void call.geluBackward(a(dX), a(dOut), a(x), length),
    },

    chunkCounts: () => Array.from({ length: threads }, (_, i) => control[chunkCountsAt / 4 + i]),
    readAll: (buffer, mebibytes) => void call.readAll(a(buffer), mebibytes * 2 ** 20),
    multiplyAll: (chunks) => void call.multiplyAll(chunks),
    ready: () => Atomics.load(control, startedAt / 4) === threads - 1,
  };
}
