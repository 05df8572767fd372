// A checkpoint's tensors as a family takes them: found by name, checked, turned into the dtype that was asked for, and read
// straight into the kernel set's memory.

import type { Ops } from "../../../kernels/ops.ts";
import { blockOf, decodeF32, encodeF32, type FloatDType, recode } from "../../../weights/dtype.ts";
import { unpackings } from "../../../weights/unpack.ts";
import type { Linear } from "../model.ts";
import type { TensorSource } from "../tensor-source.ts";
import type { Weights } from "./family.ts";

export interface TakeOptions {
  /** Dtype of the matrices in memory; as in the file where not given. */
  dtype?: FloatDType;
  /** Called after each tensor with the bytes read so far and in all. */
  onProgress?: (loaded: number, total: number) => void;
}

/**
 * The tensors of `source` for a family to take; their names go into `taken`.
 * @throws each taker, one sentence with file and tensor, if it is missing, has another shape or a dtype that holds no
 * weights, or cannot be cut into the blocks of the dtype that was asked for.
 */
export function weightsOf(ops: Ops, source: TensorSource, taken: Set<string>, options: TakeOptions): Weights {
  let loaded = 0;

  const shownName = (name: string) => source.storedName?.(name) ?? name;

  function entryOf(name: string, shape: readonly number[]) {
    const entry = source.tensors.get(name);
    const shown = shownName(name);
    if (!entry) throw new Error(`${source.files[0]}: tensor ${shown} is missing, expected shape [${shape}]`);
    if (entry.shape.length !== shape.length || shape.some((dim, i) => dim !== entry.shape[i]))
      throw new Error(`${entry.file}: tensor ${shown} has shape [${entry.shape}], expected [${shape}]`);
    const dtype = floatDTypes[entry.dtype];
    if (!dtype)
      throw new Error(
        `${entry.file}: tensor ${shown} has dtype ${entry.dtype}, expected ${[...Object.keys(floatDTypes), ...Object.keys(unpackings)].join(", ")}`,
      );
    taken.add(name);
    return { file: entry.file, dtype, bytes: entry.end - entry.begin, turned: entry.turned };
  }

  function report(bytes: number): void {
    loaded += bytes;
    options.onProgress?.(loaded, source.totalBytes);
  }

  function dtypeFor(name: string, file: string, fileDType: FloatDType, shape: readonly number[]): FloatDType {
    const dtype = dtypeInMemory(ops, fileDType, shape, options.dtype);
    const { elements } = blockOf(dtype);
    const width = shape[shape.length - 1];
    if (width % elements !== 0)
      throw new Error(
        `${file}: tensor ${shownName(name)} cannot be ${dtype}: its rows of ${width} are not whole blocks of ${elements}`,
      );
    return dtype;
  }

  const weights: Weights = {
    has: (name) => source.tensors.has(name),

    async take(name, shape) {
      const { file, dtype: fileDType, bytes } = entryOf(name, shape);
      const dtype = dtypeFor(name, file, fileDType, shape);
      const tensor = await ops.load(dtype, shape, async (into) => {
        if (dtype === fileDType) await source.read(name, into);
        else recode(await source.read(name), fileDType, dtype, into);
      });
      report(bytes);
      return tensor;
    },

    async linear(prefix, outDim, inDim, bias) {
      const weight = await weights.take(`${prefix}.weight`, [outDim, inDim]);
      return bias ? { weight, bias: await weights.take(`${prefix}.bias`, [outDim]) } : { weight };
    },

    async transposed(prefix, inDim, outDim, parts) {
      const name = `${prefix}.weight`;
      const turned = source.tensors.get(name)?.turned ?? false;
      const matrix = entryOf(name, turned ? [outDim, inDim] : [inDim, outDim]);
      const vector = entryOf(`${prefix}.bias`, [outDim]);
      const width = outDim / parts;
      const dtype = dtypeFor(name, matrix.file, matrix.dtype, [width, inDim]);
      const stored = await source.read(name);
      // Rows of the result, in the dtype of the file: cut out where they are stored so, else put together.
      const rowsOf = turned
        ? (part: number) => stored.subarray((part * stored.length) / parts, ((part + 1) * stored.length) / parts)
        : columnsOf(decodeF32(matrix.dtype, stored), inDim, outDim, width);
      const biases = decodeF32(vector.dtype, await source.read(`${prefix}.bias`)); // [outDim]
      const linears: Linear[] = [];
      for (let part = 0; part < parts; part++) {
        const weight = await ops.load(dtype, [width, inDim], async (into) => {
          recode(rowsOf(part), turned ? matrix.dtype : "f32", dtype, into);
        });
        const bias = await ops.load("f32", [width], async (into) =>
          into.set(encodeF32("f32", biases.slice(part * width, (part + 1) * width))),
        );
        linears.push({ weight, bias });
      }
      report(matrix.bytes + vector.bytes);
      return linears;
    },
  };
  return weights;
}

/** What a tensor is in memory. Norms and biases are few and small: f32 saves every kernel a case. */
function dtypeInMemory(
  ops: Ops,
  fileDType: FloatDType,
  shape: readonly number[],
  asked: FloatDType | undefined,
): FloatDType {
  if (shape.length === 1) return "f32";
  const readable = fileDType !== "f64" && ops.kernels.weightDTypes.includes(fileDType);
  return asked ?? (readable ? fileDType : "f32");
}

/** Bytes that the tensors of `source` will take in memory; those of a dtype that holds no weights count as they are. */
export function bytesInMemory(ops: Ops, source: TensorSource, asked: FloatDType | undefined): number {
  let bytes = 0;
  for (const { dtype, shape, begin, end } of source.tensors.values()) {
    const stored = floatDTypes[dtype];
    const { elements, bytes: size } = blockOf(stored ? dtypeInMemory(ops, stored, shape, asked) : "f32");
    bytes += stored ? (shape.reduce((product, dim) => product * dim, 1) / elements) * size : end - begin;
  }
  return bytes;
}

/** Columns part · width to (part + 1) · width of a matrix [inDim, outDim] as rows, f32. */
function columnsOf(matrix: Float32Array, inDim: number, outDim: number, width: number): (part: number) => Uint8Array {
  return (part) => {
    const columns = new Float32Array(width * inDim); // [width, inDim]
    for (let o = 0; o < width; o++)
      for (let i = 0; i < inDim; i++) columns[o * inDim + i] = matrix[i * outDim + part * width + o];
    return new Uint8Array(columns.buffer);
  };
}

/** The names that safetensors and GGUF give to dtypes that hold weights, and ours. */
export const floatDTypes: Readonly<Record<string, FloatDType>> = {
  F64: "f64",
  F32: "f32",
  BF16: "bf16",
  F16: "f16",
  Q8_0: "q8_0",
  Q4_0: "q4_0",
  Q4_1: "q4_1",
  Q4_K: "q4_K",
  Q6_K: "q6_K",
};
