// What tells a checkpoint from any other without reading all of it: what is bound to one model (a soft prompt) names it.

import { open } from "node:fs/promises";
import { sha256 } from "./sha256.ts";

/** Bytes looked at in each tensor, around its middle. */
const sampleBytes = 256;

/**
 * SHA-256 over a model's dimensions and its tensors' names, dtypes, shapes and a sample of their bytes, in hexadecimal: the
 * same for the same files wherever they lie.
 */
export async function fingerprintOf(
  dimensions: object,
  tensors: ReadonlyMap<string, { file: string; dtype: string; shape: readonly number[]; begin: number; end: number }>,
): Promise<string> {
  const lines = [JSON.stringify(dimensions)];
  const names = [...tensors.keys()].sort();
  const files = new Set([...tensors.values()].map(({ file }) => file));
  const handles = new Map(await Promise.all([...files].map(async (file) => [file, await open(file)] as const)));
  try {
    for (const name of names) {
      const { file, dtype, shape, begin, end } = tensors.get(name) as NonNullable<ReturnType<typeof tensors.get>>;
      const length = Math.min(sampleBytes, end - begin);
      const sample = new Uint8Array(length);
      await handles.get(file)?.read(sample, 0, length, begin + Math.floor((end - begin - length) / 2));
      lines.push(`${name} ${dtype} [${shape}] ${sha256(sample)}`);
    }
  } finally {
    for (const handle of handles.values()) await handle.close();
  }
  return sha256(new TextEncoder().encode(lines.join("\n")));
}
