// The reference kernel set: plain TypeScript loops over typed arrays, sums in double. It is the definition that the fast
// sets are judged by, and it is not fast.

import { byteLengthOf, type DType, encodeF32, type FloatDType } from "../../weights/dtype.ts";
import type { Kernels } from "../kernels.ts";
import { add } from "./add.ts";
import { attention, attentionBackward, attentionProbs } from "./attention.ts";
import { copy } from "./copy.ts";
import { copyColumns } from "./copy-columns.ts";
import { expertLinear, expertLinearBackward, expertLinearWeightBackward } from "./expert-linear.ts";
import { gather, gatherBackward } from "./gather.ts";
import { gelu, geluBackward } from "./gelu.ts";
import { layerNorm, layerNormBackward, layerNormWeightBackward } from "./layer-norm.ts";
import { biasBackward, linear, linearBackward, linearWeightBackward } from "./linear.ts";
import { logProbs, logProbsBackward } from "./log-probs.ts";
import { multiply } from "./multiply.ts";
import { rmsNorm, rmsNormBackward, rmsNormWeightBackward } from "./rms-norm.ts";
import { rope, ropeBackward } from "./rope.ts";
import { route, routeWeights, routeWeightsBackward } from "./route.ts";
import { scale } from "./scale.ts";
import { swiglu, swigluBackward } from "./swiglu.ts";
import { readRow, type Stored } from "./values.ts";
import { weightedSum, weightedSumBackward } from "./weighted-sum.ts";

/** Makes the set. It has no state: buffers are typed arrays, and the garbage collector is the arena. */
export function referenceKernels(): Kernels {
  const kernels: Kernels<Stored> = {
    name: "reference",
    about: "plain TypeScript, double accumulation, one thread",
    sameBits: true,
    weightDTypes: ["f32", "bf16", "f16", "f64", "q8_0", "q4_0", "q4_1", "q4_K", "q6_K"],
    maxBytes: Number.POSITIVE_INFINITY,
    alloc: (dtype, length) => newStored(dtype, length),
    upload: (values) => values.slice(),
    async load(dtype, length, fill) {
      const stored = newStored(dtype, length);
      await fill(new Uint8Array(stored.buffer));
      return stored;
    },
    async read(buffer, dtype, length) {
      const row = new Float64Array(length);
      readRow(row, buffer, dtype, 0);
      return Float32Array.from(row);
    },
    mark: () => ({}),
    release: (_mark, kept) => kept,
    endStep() {},
    close() {},
    gather,
    copy,
    copyColumns,
    add,
    multiply,
    scale,
    linear,
    route,
    routeWeights,
    expertLinear,
    weightedSum,
    rmsNorm,
    layerNorm,
    rope,
    attention,
    attentionProbs,
    swiglu,
    gelu,
    derivatives: {
      write(buffer, dtype, values) {
        const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
        if (buffer instanceof Float64Array) buffer.set(values);
        else bytes.set(encodeF32(dtype as FloatDType, values));
      },
      logProbs,
      logProbsBackward,
      gatherBackward,
      linearExact: linear,
      linearBackward,
      linearWeightBackward,
      biasBackward,
      routeWeightsBackward,
      expertLinearExact: expertLinear,
      expertLinearBackward,
      expertLinearWeightBackward,
      weightedSumBackward,
      rmsNormBackward,
      rmsNormWeightBackward,
      layerNormBackward,
      layerNormWeightBackward,
      ropeBackward,
      attentionBackward,
      swigluBackward,
      geluBackward,
    },
  };
  return kernels as Kernels;
}

function newStored(dtype: DType, length: number): Stored {
  switch (dtype) {
    case "f32":
      return new Float32Array(length);
    case "f64":
      return new Float64Array(length);
    case "bf16":
    case "f16":
      return new Uint16Array(length);
    case "i32":
      return new Int32Array(length);
    case "q8_0":
    case "q4_0":
    case "q4_1":
    case "q4_K":
    case "q6_K":
      return new Uint8Array(byteLengthOf(dtype, length));
    default:
      throw new Error(`the reference kernels do not hold dtype ${dtype satisfies never}`);
  }
}
