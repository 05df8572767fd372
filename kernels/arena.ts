// The lifetimes of tensors, and what every checked op asks of its arguments. Activations belong to the open step, or to a
// scope within it, and end with it; weights and cache pages outlive steps. Who holds a step (a recording) makes its end wait.

import type { DType } from "../weights/dtype.ts";
import type { Kernels } from "./kernels.ts";
import { sizeOf, type Tensor } from "./tensor.ts";

/** Dtypes of activations: f32, and f64 where derivatives are checked. */
export const activation: readonly DType[] = ["f32", "f64"];

export type Arena = ReturnType<typeof createArena>;

/** The arena of one kernel set, with a first step open. */
export function createArena(kernels: Kernels) {
  // Tensors know by number the step, or the scope within it, that they belong to; those that are open now:
  let open = [0];
  let opened = 1;
  let holds = 0; // recordings that still need this step's tensors
  let ended = false; // endStep was called meanwhile

  function endStep(): void {
    ended = holds > 0;
    if (ended) return;
    kernels.endStep();
    open = [opened++];
  }

  return {
    /** Room for an op's output, in the innermost open scope. */
    output(dtype: DType, shape: readonly number[]): Tensor {
      return { dtype, shape, buffer: kernels.alloc(dtype, sizeOf(shape), false), step: open.at(-1) };
    },

    /** The host's values as a tensor of this step. */
    upload(values: Float32Array | Float64Array | Int32Array, shape: readonly number[]): Tensor {
      const dtype = values instanceof Int32Array ? "i32" : values instanceof Float32Array ? "f32" : "f64";
      return { dtype, shape, buffer: kernels.upload(values), step: open.at(-1) };
    },

    /** Complains unless `t` is alive and has the given shape, where -1 is any size, and one of the dtypes. */
    expect(op: string, name: string, t: Tensor, shape: readonly number[], dtypes?: readonly DType[]): void {
      if (t.step !== undefined && !open.includes(t.step))
        throw new Error(`${op}: ${name} belongs to a step or scope that has ended`);
      if (t.shape.length !== shape.length || shape.some((dim, i) => dim !== -1 && dim !== t.shape[i]))
        throw new Error(
          `${op}: ${name} has shape [${t.shape}], expected [${shape.map((d) => (d === -1 ? "any" : d))}]`,
        );
      if (dtypes && !dtypes.includes(t.dtype))
        throw new Error(`${op}: ${name} has dtype ${t.dtype}, expected ${dtypes.join(" or ")}`);
    },

    /** The sizes of an `expertLinear` with x [rows / perRow, inDim], ids [rows], w [n, outDim, inDim]. @throws if they do not fit. */
    expertShape(op: string, x: Tensor, ids: Tensor, w: Tensor) {
      const [n, outDim, inDim] = w.shape;
      const [rows, given] = [sizeOf(ids.shape), x.shape[0]];
      this.expect(op, "w", w, [-1, -1, -1]);
      this.expect(op, "x", x, [-1, inDim], activation);
      this.expect(op, "ids", ids, ids.shape, ["i32"]);
      const perRow = given === 0 ? 1 : rows / given;
      if (!Number.isInteger(perRow)) throw new Error(`${op}: ${rows} ids for ${given} rows, expected as many for each`);
      return { rows, perRow, inDim, outDim, n };
    },

    endStep,

    /** Keeps the tensors of this step, whoever calls `endStep`, until the function returned is called. */
    hold(): () => void {
      holds++;
      let held = true;
      return () => {
        if (held && --holds === 0 && ended) endStep();
        held = false;
      };
    },

    /** Runs a whole step and ends it, also where it throws. Beside a step that is held, it frees what it allocated itself. */
    step<Result>(whole: () => Result): Result {
      const mark = kernels.mark();
      const inner = opened++;
      open.push(inner);
      try {
        return whole();
      } finally {
        if (holds > 0) {
          kernels.release(mark, null, "f32", 0);
          open.length = open.indexOf(inner);
        } else endStep();
      }
    },

    /** Runs a part of the step and frees what it allocated, except what it returns. */
    scope(part: () => Tensor): Tensor {
      const mark = kernels.mark();
      const inner = opened++;
      open.push(inner);
      const out = part();
      open.pop();
      const own = out.step === inner;
      const buffer = kernels.release(mark, own ? out.buffer : null, out.dtype, sizeOf(out.shape));
      return own && buffer ? { ...out, buffer, step: open.at(-1) } : out;
    },
  };
}
