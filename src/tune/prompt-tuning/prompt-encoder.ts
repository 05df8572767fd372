// Where the rows of a soft prompt come from while it is trained: they are the parameters themselves, or an encoder makes them
// out of its own: P-tuning's, an embedding of n virtual tokens and a network on each. Only the rows are kept in the end.
//
//   rows = W₃ · relu(W₂ · relu(W₁ · e + b₁) + b₂) + b₃          for each virtual token's e
//
// Prompt tuning: Lester et al. 2021, arXiv 2104.08691. P-tuning: Liu et al. 2021, arXiv 2103.10385; the network is PEFT's
// PromptEncoder with reparameterization MLP (huggingface/peft, src/peft/tuners/p_tuning/model.py).

import { randomSource } from "../../decode/random.ts";
import { FieldError } from "../../field-error.ts";
import { normal } from "./table.ts";

export interface PromptEncoder {
  /** What is trained, by name; changed in place. */
  readonly parameters: ReadonlyMap<string, Float32Array>;
  /** The rows that the parameters make now. [n, dModel] */
  rows(): Float32Array;
  /** ∂loss/∂parameters out of ∂loss/∂rows, for the parameters as they are. */
  backward(dRows: Float32Array): Map<string, Float32Array>;
}

/** The rows themselves. */
export function plainRows(start: Float32Array): PromptEncoder {
  const name = "prompt_embeddings";
  const parameters = new Map([[name, start.slice()]]);
  return {
    parameters,
    rows: () => (parameters.get(name) as Float32Array).slice(),
    backward: (dRows) => new Map([[name, dRows]]),
  };
}

/** P-tuning's encoder with parameters as PyTorch starts them, under PyTorch's names; or with those given. */
export function mlpEncoder(
  n: number,
  dModel: number,
  hidden: number,
  start: number | ReadonlyMap<string, Float32Array>,
): PromptEncoder {
  const widths = [dModel, hidden, hidden, dModel];
  const layers = [0, 1, 2].map((i) => ({ inDim: widths[i], outDim: widths[i + 1], name: `mlp_head.${2 * i}` }));
  const parameters = typeof start === "number" ? randomParameters() : copied(start);
  const get = (name: string) => parameters.get(name) as Float32Array;

  /** What enters each layer, and the rows at last. */
  function activations(): Float32Array[] {
    const found = [get("embedding.weight")];
    for (const [i, { name, inDim, outDim }] of layers.entries()) {
      const x = found[i];
      const [w, b] = [get(`${name}.weight`), get(`${name}.bias`)];
      const y = new Float32Array(n * outDim);
      for (let r = 0; r < n; r++)
        for (let o = 0; o < outDim; o++) {
          let sum = b[o];
          for (let k = 0; k < inDim; k++) sum += x[r * inDim + k] * w[o * inDim + k];
          y[r * outDim + o] = i < 2 ? Math.max(0, sum) : sum;
        }
      found.push(y);
    }
    return found;
  }

  return {
    parameters,
    rows: () => activations()[3],
    backward(dRows) {
      const inputs = activations();
      const gradients = new Map<string, Float32Array>();
      let dOut = dRows;
      for (const [i, { name, inDim, outDim }] of [...layers.entries()].reverse()) {
        const [x, w] = [inputs[i], get(`${name}.weight`)];
        const [dX, dW, dB] = [new Float32Array(x.length), new Float32Array(w.length), new Float32Array(outDim)];
        for (let r = 0; r < n; r++)
          for (let o = 0; o < outDim; o++) {
            const d = dOut[r * outDim + o];
            if (d === 0) continue;
            dB[o] += d;
            for (let k = 0; k < inDim; k++) {
              dX[r * inDim + k] += d * w[o * inDim + k];
              dW[o * inDim + k] += d * x[r * inDim + k];
            }
          }
        if (i > 0) for (let at = 0; at < dX.length; at++) if (x[at] <= 0) dX[at] = 0; // relu
        gradients.set(`${name}.weight`, dW);
        gradients.set(`${name}.bias`, dB);
        dOut = dX;
      }
      gradients.set("embedding.weight", dOut);
      return gradients;
    },
  };

  function randomParameters(): Map<string, Float32Array> {
    const random = randomSource(start as number);
    const made = new Map([["embedding.weight", Float32Array.from({ length: n * dModel }, () => normal(random))]]);
    for (const { name, inDim, outDim } of layers) {
      const uniform = () => (2 * random() - 1) / Math.sqrt(inDim);
      made.set(`${name}.weight`, Float32Array.from({ length: inDim * outDim }, uniform));
      made.set(`${name}.bias`, Float32Array.from({ length: outDim }, uniform));
    }
    return made;
  }

  function copied(given: ReadonlyMap<string, Float32Array>): Map<string, Float32Array> {
    const sizes = new Map([["embedding.weight", n * dModel]]);
    for (const { name, inDim, outDim } of layers)
      sizes.set(`${name}.weight`, inDim * outDim).set(`${name}.bias`, outDim);
    return new Map(
      [...sizes].map(([name, size]) => {
        const values = given.get(name);
        if (values?.length !== size)
          throw new FieldError("encoder", `${name} has ${values?.length ?? "no"} numbers, expected ${size}`);
        return [name, values.slice()];
      }),
    );
  }
}
