// A checkpoint's tensors as a family takes them: found by name, checked, turned into the dtype that was asked for, and read
// straight into the kernel set's memory.

import { totalMemory } from "#platform";
import type { Ops } from "../../../kernels/ops.ts";
import { blockOf, byteLengthOf, decodeF32, encodeF32, type FloatDType, recode } from "../../../weights/dtype.ts";
import type { SourceTensor, TensorSource } from "../../../weights/tensor-source.ts";
import { unpackings } from "../../../weights/unpack.ts";
import type { Linear } from "../model.ts";
import type { Weights } from "./family.ts";

export interface TakeOptions {
  /** Dtype of the matrices in memory; as in the file where not given. */
  dtype?: FloatDType;
  /** Called after each tensor with the bytes read so far and in all. */
  onProgress?: (loaded: number, total: number) => void;
}

/** A tensor that is taken. */
interface Entry {
  readonly file: string;
  readonly dtype: FloatDType;
  readonly bytes: number;
  readonly turned: boolean | undefined;
  readonly entry: SourceTensor;
}

/**
 * The tensors of `source` for a family to take; their names go into `taken`.
 * @throws each taker, one sentence with file and tensor, if it is missing, has another shape or a dtype that holds no
 * weights, or cannot be cut into the blocks of the dtype that was asked for.
 */
export function weightsOf(ops: Ops, source: TensorSource, taken: Set<string>, options: TakeOptions): Weights {
  let loaded = 0;

  const shownName = (name: string) => source.storedName?.(name) ?? name;

  function entryOf(name: string, shape: readonly number[]): Entry {
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
    return { file: entry.file, dtype, bytes: entry.end - entry.begin, turned: entry.turned, entry };
  }

  function report(bytes: number): void {
    loaded += bytes;
    options.onProgress?.(loaded, source.totalBytes);
  }

  function dtypeFor(
    name: string,
    { file, dtype: fileDType, entry }: Entry,
    shape: readonly number[],
    asStored = false,
  ) {
    const dtype = dtypeInMemory(ops, entry.held ?? fileDType, shape, asStored ? undefined : options.dtype);
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

    async take(name, shape, { order, asStored, plusOne } = {}) {
      const found = entryOf(name, shape);
      const dtype = dtypeFor(name, found, shape, asStored);
      const raised = plusOne && !found.entry.plusOne;
      const tensor = await ops.load(dtype, shape, async (into) => {
        if (dtype === found.dtype && !order && !raised) return void (await source.read(name, into));
        const stored = await source.read(name);
        if (raised)
          return into.set(
            encodeF32(
              dtype,
              decodeF32(found.dtype, stored).map((value) => 1 + value),
            ),
          );
        recode(order ? inOrder(stored, shape[0], order) : stored, found.dtype, dtype, into);
      });
      report(found.bytes);
      return tensor;
    },

    async linear(prefix, outDim, inDim, bias, how) {
      const weight = await weights.take(`${prefix}.weight`, [outDim, inDim], how);
      return bias ? { weight, bias: await weights.take(`${prefix}.bias`, [outDim], how) } : { weight };
    },

    async stack(prefix, name, n, outDim, inDim) {
      const whole = `${prefix}.${name}.weight`;
      if (weights.has(whole)) return weights.take(whole, [n, outDim, inDim]);
      const names = Array.from({ length: n }, (_, i) => `${prefix}.${i}.${name}.weight`);
      const entries = names.map((name) => entryOf(name, [outDim, inDim]));
      const dtype = dtypeFor(names[0], entries[0], [outDim, inDim]);
      const bytes = byteLengthOf(dtype, outDim * inDim);
      return ops.load(dtype, [n, outDim, inDim], async (into) => {
        for (const [i, name] of names.entries()) {
          const part = into.subarray(i * bytes, (i + 1) * bytes);
          if (entries[i].dtype === dtype) await source.read(name, part);
          else recode(await source.read(name), entries[i].dtype, dtype, part);
          report(entries[i].bytes);
        }
      });
    },

    async headParts(name, heads, keyDim, valueDim, inDim) {
      const found = entryOf(name, [heads * (keyDim + valueDim), inDim]);
      const valueDType = dtypeFor(name, found, [heads * valueDim, inDim]);
      // What is turned round does not stay in its blocks.
      const { elements } = blockOf(valueDType);
      const keyDType = options.dtype && keyDim % elements === 0 ? options.dtype : elements > 1 ? "f32" : valueDType;
      const stored = await source.read(name);
      const rowBytes = stored.length / (heads * (keyDim + valueDim));
      const rows = (head: number, from: number, to: number) =>
        stored.subarray((head * (keyDim + valueDim) + from) * rowBytes, (head * (keyDim + valueDim) + to) * rowBytes);
      const headK = await ops.load(keyDType, [heads, inDim, keyDim], async (into) => {
        const bytes = into.length / heads;
        for (let head = 0; head < heads; head++) {
          const keys = decodeF32(found.dtype, rows(head, 0, keyDim)); // [keyDim, inDim]
          into.set(encodeF32(keyDType, columnsInRows(keys, keyDim, inDim, 0, inDim)), head * bytes);
        }
      });
      const headV = await ops.load(valueDType, [heads, valueDim, inDim], async (into) => {
        const bytes = into.length / heads;
        for (let head = 0; head < heads; head++) {
          const part = into.subarray(head * bytes, (head + 1) * bytes);
          recode(rows(head, keyDim, keyDim + valueDim), found.dtype, valueDType, part);
        }
      });
      report(found.bytes);
      return [headK, headV];
    },

    async transposed(prefix, inDim, outDim, parts) {
      const name = `${prefix}.weight`;
      const turned = source.tensors.get(name)?.turned ?? false;
      const matrix = entryOf(name, turned ? [outDim, inDim] : [inDim, outDim]);
      const vector = entryOf(`${prefix}.bias`, [outDim]);
      const width = outDim / parts;
      const dtype = dtypeFor(name, matrix, [width, inDim]);
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
function bytesInMemory(ops: Ops, source: TensorSource, asked: FloatDType | undefined): number {
  let bytes = 0;
  for (const { dtype, shape, begin, end, held } of source.tensors.values()) {
    const stored = held ?? floatDTypes[dtype];
    const { elements, bytes: size } = blockOf(stored ? dtypeInMemory(ops, stored, shape, asked) : "f32");
    bytes += stored ? (shape.reduce((product, dim) => product * dim, 1) / elements) * size : end - begin;
  }
  return bytes;
}

/** Complains before anything is read when the weights are more than the kernel set, or this machine, can hold. */
export function assertFits(ops: Ops, place: string, source: TensorSource, dtype: FloatDType | undefined): void {
  const { name, maxBytes } = ops.kernels;
  const needed = bytesInMemory(ops, source, dtype);
  const most = Math.min(maxBytes, totalMemory());
  const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  if (needed > most)
    throw new Error(
      `${place}: the weights need ${mebibytes(needed)} of memory, ${most === maxBytes ? `the ${name} kernels hold` : "this machine has"} ${mebibytes(most)} (dtype q8_0 or q4_0 makes them smaller)`,
    );
}

/** Columns part · width to (part + 1) · width of a matrix [inDim, outDim] as rows, f32. */
function columnsOf(matrix: Float32Array, inDim: number, outDim: number, width: number): (part: number) => Uint8Array {
  return (part) => new Uint8Array(columnsInRows(matrix, inDim, outDim, part * width, width).buffer);
}

/** So many columns of a matrix [rows, columns] from `begin` on, as rows: [width, rows] */
function columnsInRows(
  matrix: Float32Array,
  rows: number,
  columns: number,
  begin: number,
  width: number,
): Float32Array {
  const turned = new Float32Array(width * rows);
  for (let c = 0; c < width; c++) for (let r = 0; r < rows; r++) turned[c * rows + r] = matrix[r * columns + begin + c];
  return turned;
}

/** The same rows in another order: row r is row order(r) of what is stored. */
function inOrder(stored: Uint8Array, rows: number, order: (row: number) => number): Uint8Array {
  const bytes = stored.length / rows;
  const out = new Uint8Array(stored.length);
  for (let row = 0; row < rows; row++)
    out.set(stored.subarray(order(row) * bytes, (order(row) + 1) * bytes), row * bytes);
  return out;
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
