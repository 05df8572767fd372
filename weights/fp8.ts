// Weights in 8-bit floats with a scale for each block of them, as DeepSeek-V3 publishes its own: e4m3 (a sign, four bits of
// exponent, three of fraction, no infinity; Micikevicius et al. 2022, arXiv 2209.05433), blocks of 128 × 128. No kernel set
// multiplies by them: they are numbers of f32 for whoever reads them here, value · scale, to the bit PyTorch's.

import { decodeF32 } from "./dtype.ts";
import type { SourceTensor, TensorSource } from "./tensor-source.ts";

/** What 256 bytes stand for: (−1)^sign · 1.fraction · 2^(exponent − 7); below 2^−6 without the 1; all ones are no number. */
const values = Float32Array.from({ length: 256 }, (_, bits) => {
  const [exponent, fraction] = [(bits >> 3) & 15, bits & 7];
  const magnitude = exponent === 0 ? fraction * 2 ** -9 : (8 + fraction) * 2 ** (exponent - 10);
  if (exponent === 15 && fraction === 7) return Number.NaN;
  return bits & 128 ? -magnitude : magnitude;
});

/** bytes [rows, columns] times the scale of their block, scales [⌈rows / blockRows⌉, ⌈columns / blockColumns⌉] → f32 */
export function decodeFp8(
  bytes: Uint8Array,
  scales: Float32Array,
  columns: number,
  [blockRows, blockColumns]: readonly number[],
): Float32Array {
  const out = new Float32Array(bytes.length);
  const across = Math.ceil(columns / blockColumns);
  for (let at = 0, row = 0; at < bytes.length; row++) {
    const first = Math.floor(row / blockRows) * across;
    for (let c = 0; c < columns; c++, at++) out[at] = values[bytes[at]] * scales[first + Math.floor(c / blockColumns)];
  }
  return out;
}

const scaleOf = (name: string) => `${name}_scale_inv`;

/**
 * The same tensors, those of e4m3 as f32 (bf16 is as good: `held`), and a note if there are any.
 * @throws one sentence with file and tensor, if one has no scales, or not one for each block.
 */
export function withoutFp8(
  source: TensorSource,
  block: readonly number[] = [128, 128],
): { source: TensorSource; notes: readonly string[] } {
  const tensors = new Map(source.tensors);
  let scaleBytes = 0;
  for (const [name, entry] of source.tensors) {
    if (entry.dtype !== "F8_E4M3") continue;
    const scales = source.tensors.get(scaleOf(name));
    if (!scales) throw new Error(`${entry.file}: tensor ${scaleOf(name)} is missing, expected the scales of ${name}`);
    const expected = entry.shape.map((size, i) => Math.ceil(size / block[i]));
    if (scales.dtype !== "F32" || entry.shape.length !== 2 || scales.shape.join() !== expected.join())
      throw new Error(
        `${scales.file}: tensor ${scaleOf(name)} is ${scales.dtype} [${scales.shape}], expected F32 [${expected}]: one for each ${block.join(" × ")} numbers of [${entry.shape}]`,
      );
    scaleBytes += scales.end - scales.begin;
    tensors.delete(scaleOf(name));
    tensors.set(name, { ...entry, dtype: "F32", held: "bf16" } satisfies SourceTensor);
  }
  const count = [...tensors.values()].filter(({ held }) => held).length;
  if (count === 0) return { source, notes: [] };
  const changed: TensorSource = {
    tensors,
    files: source.files,
    totalBytes: source.totalBytes - scaleBytes,
    readRange: source.readRange,
    close: source.close,
    async read(name, into) {
      const entry = tensors.get(name);
      if (!entry?.held) return source.read(name, into);
      const scales = decodeF32("f32", await source.read(scaleOf(name)));
      const decoded = new Uint8Array(decodeFp8(await source.read(name), scales, entry.shape[1], block).buffer);
      into?.set(decoded);
      return into ?? decoded;
    },
  };
  const what = `${count} ${count === 1 ? "tensor is" : "tensors are"} e4m3 in blocks of ${block.join(" × ")} with a scale each`;
  return { source: changed, notes: [`${what} in the files, held as bf16 where nothing else is asked for`] };
}
