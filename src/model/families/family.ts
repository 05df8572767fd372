// What a family has to say: which model types it reads, how config.json becomes a ModelConfig, and how tensor names become
// a Model. A family has no code that runs in a forward pass.

import type { Tensor } from "../../../kernels/tensor.ts";
import type { ModelConfig } from "../config.ts";
import type { Linear, Model } from "../model.ts";
import type { Fields } from "./config-json.ts";

export interface Family {
  /** Values of `model_type` in config.json. */
  readonly modelTypes: readonly string[];
  readonly names: TensorNames;
  /** @throws if the file asks for something that this family does not compute; the error names the field. */
  config(fields: Fields): ModelConfig;
  /** @throws (through `weights`) if a tensor is missing or has another shape. */
  model(config: ModelConfig, fields: Fields, weights: Weights): Promise<Model>;
  /** Tensors that checkpoints of this family carry and no forward pass needs. */
  ignores(name: string, fields: Fields): boolean;
}

/** Where a family's tensors are found in a checkpoint that a wrapper has named. */
export interface TensorNames {
  /** What stands in front of all names but the head's; the first is what `model` takes where a wrapper adds more. */
  readonly roots: readonly string[];
  readonly embedding: string;
  /** What stands in front of a layer's number. */
  readonly layers: string;
}

/** What is different from the tensor as it is stored. */
export interface How {
  /** Row r is row order(r) of the file's. */
  readonly order?: (row: number) => number;
  /** The dtype of the file, whatever is asked for of matrices. */
  readonly asStored?: boolean;
  /** Each number is one more than in Hugging Face's checkpoints: a norm that multiplies by 1 + weight. */
  readonly plusOne?: boolean;
}

/** A checkpoint that is being turned into a Model; what nobody takes is an error at the end. */
export interface Weights {
  has(name: string): boolean;
  /** The tensor, in the dtype of the file (vectors always as f32). @throws if it is missing or its shape differs. */
  take(name: string, shape: readonly number[], how?: How): Promise<Tensor>;
  /** `prefix`.weight and, where asked for, `prefix`.bias. */
  linear(prefix: string, outDim: number, inDim: number, bias: boolean, how?: How): Promise<Linear>;
  /** The matrices `prefix`.0.`name`.weight, `prefix`.1 … one after the other [n, outDim, inDim], or `prefix`.`name`.weight, where they are stored so. */
  stack(prefix: string, name: string, n: number, outDim: number, inDim: number): Promise<Tensor>;
  /** A matrix whose rows are, head by head, keyDim of one and valueDim of another: [heads, inDim, keyDim], which is turned round, and [heads, valueDim, inDim]. */
  headParts(name: string, heads: number, keyDim: number, valueDim: number, inDim: number): Promise<[Tensor, Tensor]>;
  /** A matrix stored as [inDim, outDim], turned round and cut along outDim into `parts` equal ones, with its bias. */
  transposed(prefix: string, inDim: number, outDim: number, parts: number): Promise<Linear[]>;
}
