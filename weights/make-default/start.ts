// The weights that training starts from: normal numbers of deviation 0.02, norms of one, from a seed.

import { seeded } from "./draw.ts";
import { shape } from "./plan.ts";

export interface NamedWeights {
  name: string;
  shape: [number] | [number, number];
  values: Float32Array;
}

/** Names and shapes of the weights, as Hugging Face names those of a Llama whose head is its embedding table. */
export function weightShapes(vocabSize: number): Record<string, [number] | [number, number]> {
  const { hidden_size: dModel, intermediate_size: dFf, num_hidden_layers: nLayers, head_dim: headDim } = shape;
  const [qDim, kvDim] = [shape.num_attention_heads * headDim, shape.num_key_value_heads * headDim];
  const shapes: Record<string, [number] | [number, number]> = { "model.embed_tokens.weight": [vocabSize, dModel] };
  for (let i = 0; i < nLayers; i++) {
    const layer = `model.layers.${i}`;
    shapes[`${layer}.input_layernorm.weight`] = [dModel];
    shapes[`${layer}.self_attn.q_proj.weight`] = [qDim, dModel];
    shapes[`${layer}.self_attn.k_proj.weight`] = [kvDim, dModel];
    shapes[`${layer}.self_attn.v_proj.weight`] = [kvDim, dModel];
    shapes[`${layer}.self_attn.o_proj.weight`] = [dModel, qDim];
    shapes[`${layer}.post_attention_layernorm.weight`] = [dModel];
    shapes[`${layer}.mlp.gate_proj.weight`] = [dFf, dModel];
    shapes[`${layer}.mlp.up_proj.weight`] = [dFf, dModel];
    shapes[`${layer}.mlp.down_proj.weight`] = [dModel, dFf];
  }
  shapes["model.norm.weight"] = [dModel];
  return shapes;
}

/** The weights before the first step. */
export function startWeights(vocabSize: number): NamedWeights[] {
  const random = seeded("start");
  // Box & Muller 1958
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Object.entries(weightShapes(vocabSize)).map(([name, dims]) => {
    const length = dims.reduce((product, dim) => product * dim, 1);
    return {
      name,
      shape: dims,
      values: Float32Array.from({ length }, () => (dims.length === 1 ? 1 : 0.02 * normal())),
    };
  });
}
