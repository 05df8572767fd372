// A kernel set that counts: elements that steps hold now and held at most, and multiplications.

import { type AttentionShape, type Kernels, pageSize } from "../../kernels/kernels.ts";

export interface Counted {
  kernels: Kernels;
  /** Elements of buffers that live until the end of a step. */
  inUse(): number;
  /** The most that were in use since the last call. */
  peak(): number;
  /** Multiplications of matrix products and of attention (as if rows looked at whole pages) since the last call. */
  multiplications(): number;
}

export function counted(kernels: Kernels): Counted {
  let inUse = 0;
  let peak = 0;
  let multiplications = 0;
  const take = (length: number) => {
    inUse += length;
    peak = Math.max(peak, inUse);
  };
  const attended = ({ rows, maxPages, nHeads, kDim, vDim }: AttentionShape) => {
    multiplications += rows * maxPages * pageSize * nHeads * (kDim + vDim);
  };
  const marks = new WeakMap<object, number>();
  /** A product whose last arguments are rows, inDim and outDim. */
  const multiplying =
    <Args extends [...unknown[], number, number, number]>(product: (...args: Args) => void) =>
    (...args: Args) => {
      const [rows, inDim, outDim] = args.slice(-3).map(Number);
      multiplications += rows * inDim * outDim;
      product(...args);
    };
  return {
    kernels: {
      ...kernels,
      alloc(dtype, length, kept) {
        if (!kept) take(length);
        return kernels.alloc(dtype, length, kept);
      },
      upload(values) {
        take(values.length);
        return kernels.upload(values);
      },
      mark() {
        const mark = kernels.mark();
        marks.set(mark, inUse);
        return mark;
      },
      release(mark, kept, dtype, length) {
        const before = marks.get(mark);
        if (before === undefined || before > inUse) throw new Error("counted: a mark above what is in use");
        inUse = before;
        if (kept) take(length);
        return kernels.release(mark, kept, dtype, length);
      },
      endStep() {
        inUse = 0;
        kernels.endStep();
      },
      linear: multiplying(kernels.linear),
      attention(...args) {
        attended(args[7]);
        kernels.attention(...args);
      },
      derivatives: kernels.derivatives && {
        ...kernels.derivatives,
        linearExact: multiplying(kernels.derivatives.linearExact),
        linearBackward: multiplying(kernels.derivatives.linearBackward),
        linearWeightBackward: multiplying(kernels.derivatives.linearWeightBackward),
        attentionBackward(...args) {
          for (let i = 0; i < 3; i++) attended(args[8]);
          kernels.derivatives?.attentionBackward(...args);
        },
      },
    },
    inUse: () => inUse,
    peak() {
      const most = peak;
      peak = inUse;
      return most;
    },
    multiplications() {
      const some = multiplications;
      multiplications = 0;
      return some;
    },
  };
}
