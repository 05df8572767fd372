// Adam: each number moves by about the learning rate, in the direction that its gradients have had lately, and by less where
// they disagree with one another. Parameters and gradients are plain arrays on the host, by name.
//
//   m = β₁·m + (1 − β₁)·g,  v = β₂·v + (1 − β₂)·g²,  p −= rate · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + eps)
//
// Kingma & Ba 2014, arXiv 1412.6980; weight decay apart from the gradient ("AdamW"): Loshchilov & Hutter 2017, arXiv 1711.05101.

import { checkNames, FieldError, type Names } from "../field-error.ts";

export type Parameters = ReadonlyMap<string, Float32Array>;

export interface AdamOptions {
  /** Default 0.9 */
  beta1?: number;
  /** Default 0.999 */
  beta2?: number;
  /** Default 1e-8 */
  eps?: number;
  /** Before each step a parameter shrinks by rate · decay of itself: one number for all, or one for each name. Default 0 */
  weightDecay?: number | ((name: string) => number);
}

const adamOptionNames = { beta1: true, beta2: true, eps: true, weightDecay: true } satisfies Names<AdamOptions>;

/** What a run must keep to go on later exactly as if it had not stopped. */
export interface AdamState {
  /** Steps done. */
  steps: number;
  readonly m: Map<string, Float32Array>;
  readonly v: Map<string, Float32Array>;
}

export function createAdamState(parameters: Parameters): AdamState {
  const zeros = () => new Map([...parameters].map(([name, { length }]) => [name, new Float32Array(length)]));
  return { steps: 0, m: zeros(), v: zeros() };
}

/**
 * One step, in place.
 * @throws if a parameter has no gradient, or one of another length; then nothing has moved.
 */
export function adamStep(
  state: AdamState,
  parameters: Parameters,
  gradients: Parameters,
  rate: number,
  options: AdamOptions = {},
): void {
  checkNames(options, adamOptionNames);
  const { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0 } = options;
  for (const [name, { length }] of parameters)
    if (gradients.get(name)?.length !== length)
      throw new FieldError(
        "gradients",
        `${name} has ${gradients.get(name)?.length ?? "no"} gradients, expected ${length}`,
      );
  state.steps++;
  const mShare = rate / (1 - beta1 ** state.steps);
  const vShare = 1 / (1 - beta2 ** state.steps);
  for (const [name, p] of parameters) {
    const g = gradients.get(name) as Float32Array;
    const m = state.m.get(name) as Float32Array;
    const v = state.v.get(name) as Float32Array;
    const keep = 1 - rate * (typeof weightDecay === "number" ? weightDecay : weightDecay(name));
    for (let i = 0; i < p.length; i++) {
      m[i] = beta1 * m[i] + (1 - beta1) * g[i];
      v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
      p[i] = keep * p[i] - (mShare * m[i]) / (Math.sqrt(v[i] * vShare) + eps);
    }
  }
}

/** Scales all gradients together, in place, so that √Σ g² is at most `maxNorm`; → that norm before. Pascanu et al. 2012, arXiv 1211.5063 */
export function clipGradients(gradients: Parameters, maxNorm: number): number {
  let squares = 0;
  for (const g of gradients.values()) for (const value of g) squares += value * value;
  const norm = Math.sqrt(squares);
  if (norm > maxNorm) for (const g of gradients.values()) for (let i = 0; i < g.length; i++) g[i] *= maxNorm / norm;
  return norm;
}

/** The learning rate of step 1, 2, …: rises in a line to `rate` over `warmupSteps`, then stays. */
export function warmup(rate: number, step: number, warmupSteps: number): number {
  return rate * Math.min(1, step / Math.max(1, warmupSteps));
}
