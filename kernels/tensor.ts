// A tensor is a shape, a dtype and an opaque buffer of one kernel set. It has no methods, no strides and no gradient:
// what can be done with it is the op list in kernels.ts.

import type { DType } from "../weights/dtype.ts";

/** Memory that belongs to a kernel set: a typed array, a range of wasm memory, a GPU buffer, or something still pending. */
export type Buffer = object;

export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly buffer: Buffer;
  /** The step (or scope of one) whose arena holds this tensor; weights and cache pages outlive steps and have none. */
  readonly step?: number;
}

/** Number of elements of a shape; the empty shape is a scalar with one. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/**
 * The same elements under another shape; nothing is copied.
 * @throws if the number of elements differs.
 */
export function reshape(t: Tensor, shape: readonly number[]): Tensor {
  if (sizeOf(shape) !== sizeOf(t.shape)) throw new Error(`reshape: [${t.shape}] does not fit into [${shape}]`);
  return { ...t, shape };
}
