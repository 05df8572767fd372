// Rotary positions: pairs (a, b) turned by the angle of their row: a' = a·cos − b·sin, b' = b·cos + a·sin
// Su et al. 2021, "RoFormer", arXiv 2104.09864. Pairs are (i, i + ropeDim/2), the layout of Hugging Face checkpoints;
// files with neighboring pairs (Meta's own, GGUF's Llama) have their q and k rows reordered when they are read.

import type { Floats } from "./values.ts";

/** x [rows, nHeads, headDim], cos and sin [rows, ropeDim/2] → out as x; values before `offset` and after offset + ropeDim are copied */
export function rope(
  out: Floats,
  x: Floats,
  cos: Floats,
  sin: Floats,
  rows: number,
  nHeads: number,
  headDim: number,
  ropeDim: number,
  offset: number,
): void {
  const half = ropeDim / 2;
  out.set(x.subarray(0, rows * nHeads * headDim));
  for (let r = 0; r < rows; r++) {
    for (let head = 0; head < nHeads; head++) {
      const at = (r * nHeads + head) * headDim + offset;
      for (let i = 0; i < half; i++) {
        const a = x[at + i];
        const b = x[at + half + i];
        const c = cos[r * half + i];
        const s = sin[r * half + i];
        out[at + i] = a * c - b * s;
        out[at + half + i] = b * c + a * s;
      }
    }
  }
}

/** The turn is orthogonal up to the factor in cos and sin, so its derivative is the turn by the opposite angle. Shapes as `rope` */
export function ropeBackward(
  dX: Floats,
  dOut: Floats,
  cos: Floats,
  sin: Floats,
  rows: number,
  nHeads: number,
  headDim: number,
  ropeDim: number,
  offset: number,
): void {
  const opposite = sin.map((s) => -s);
  rope(dX, dOut, cos, opposite, rows, nHeads, headDim, ropeDim, offset);
}
