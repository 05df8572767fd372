// What the loader needs of a checkpoint, whichever format it has: named tensors, read one by one. safetensors files are one
// as they are; GGUF files become one in from-gguf.ts.

import type { FloatDType } from "./dtype.ts";

/** One tensor: bytes `begin` to `end` of `file`, in the dtype that the format calls `dtype`. */
export interface SourceTensor {
  readonly file: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
  /** Stored as [outDim, inDim] where the checkpoints that its name comes from have [inDim, outDim]. */
  readonly turned?: boolean;
  /** Stored with the 1 added that the family adds to what the checkpoints that its name comes from have. */
  readonly plusOne?: boolean;
  /** Of numbers that are turned into f32 as they are read: a dtype that is as good as theirs. */
  readonly held?: FloatDType;
}

/** A checkpoint's tensors under their Hugging Face names. */
export interface TensorSource {
  readonly tensors: ReadonlyMap<string, SourceTensor>;
  readonly files: readonly string[];
  /** Bytes of all tensors together. */
  readonly totalBytes: number;
  /** What the file calls a tensor, where that is another name. */
  storedName?(name: string): string;
  read(name: string, into?: Uint8Array): Promise<Uint8Array>;
  /** The bytes `from` to `to` (exclusive) of one of the files, as they are stored. */
  readRange(file: string, from: number, to: number): Promise<Uint8Array>;
  close(): Promise<void>;
}
