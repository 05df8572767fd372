// Rotary positions: which angle each pair of a head is turned by at each position. The turning itself is the op `rope`.
//
// angle(position, i) = position · ropeTheta^(−2i / ropeDim), i = 0 … ropeDim/2 − 1 (Su et al. 2021, arXiv 2104.09864).
// Scalings stretch low frequencies so that more positions fit than the model was trained on. Frequencies and angles are
// rounded to f32, because that is how the checkpoints were trained and run (transformers: modeling_rope_utils.py).

import type { RopeConfig, RopeScaling } from "./config.ts";

/** How fast each pair turns, in radians per position, and what cos and sin are multiplied by. */
export interface RopeFrequencies {
  readonly perPosition: Float32Array; // [ropeDim/2]
  readonly attentionFactor: number;
}

/** The frequencies of a model, scaled as its checkpoint asks. */
export function ropeFrequencies({ ropeTheta, ropeDim, scaling }: RopeConfig): RopeFrequencies {
  const perPosition = new Float32Array(ropeDim / 2);
  for (let i = 0; i < perPosition.length; i++)
    perPosition[i] = scaled(scaling, 1 / ropeTheta ** ((2 * i) / ropeDim), i, ropeTheta, ropeDim);
  return { perPosition, attentionFactor: scaling.type === "yarn" ? scaling.attentionFactor : 1 };
}

/** cos and sin of every row's angles: each [rows, ropeDim/2]. */
export function rotations(
  frequencies: RopeFrequencies,
  positions: Int32Array,
): { cos: Float32Array; sin: Float32Array } {
  const { perPosition, attentionFactor } = frequencies;
  const half = perPosition.length;
  const cos = new Float32Array(positions.length * half);
  const sin = new Float32Array(positions.length * half);
  for (let r = 0; r < positions.length; r++) {
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(positions[r] * perPosition[i]);
      cos[r * half + i] = Math.cos(angle) * attentionFactor;
      sin[r * half + i] = Math.sin(angle) * attentionFactor;
    }
  }
  return { cos, sin };
}

/** The frequency of pair i under a scaling. */
function scaled(scaling: RopeScaling, frequency: number, i: number, ropeTheta: number, ropeDim: number): number {
  switch (scaling.type) {
    case "none":
      return frequency;

    // All positions are pressed together (Chen et al. 2023, arXiv 2306.15595).
    case "linear":
      return frequency / scaling.factor;

    case "factors":
      return frequency / scaling.factors[i];

    // Long waves are pressed together, short ones kept, between the two blended (Llama 3.1, llama_models: model.py).
    case "llama3": {
      const { factor, lowFreqFactor, highFreqFactor, originalMaxSeqLen } = scaling;
      const turns = (originalMaxSeqLen * frequency) / (2 * Math.PI); // within the original context
      const keep = clamp((turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor));
      return keep * frequency + (1 - keep) * (frequency / factor);
    }

    // As above, with the border drawn by pair index instead of frequency (Peng et al. 2023, "YaRN", arXiv 2309.00071).
    case "yarn": {
      const { factor, betaFast, betaSlow, originalMaxSeqLen, truncate } = scaling;
      const pairWithTurns = (turns: number) =>
        (ropeDim * Math.log(originalMaxSeqLen / (turns * 2 * Math.PI))) / (2 * Math.log(ropeTheta));
      let [first, last] = [pairWithTurns(betaFast), pairWithTurns(betaSlow)];
      if (truncate) [first, last] = [Math.floor(first), Math.ceil(last)];
      [first, last] = [Math.max(first, 0), Math.min(last, ropeDim - 1)];
      if (first === last) last += 0.001; // no division by zero
      const press = clamp((i - first) / (last - first));
      return press * (frequency / factor) + (1 - press) * frequency;
    }
  }
}

/** YaRN's factor on cos and sin for a context `scale` times longer: 0.1 · mscale · ln(scale) + 1. */
export function yarnMagnitude(scale: number, mscale = 1): number {
  return scale <= 1 ? 1 : 0.1 * mscale * Math.log(scale) + 1;
}

function clamp(x: number): number {
  return Math.min(1, Math.max(0, x));
}
