// What tells a checkpoint from any other without reading all of it: what is bound to one model (a soft prompt) names it.

import { sha256 } from "./sha256.ts";

/** Bytes looked at in each tensor, around its middle. */
const sampleBytes = 256;
/** Samples that are read at a time: over a network each waits for an answer. */
const atOnce = 16;

/** A checkpoint's tensors, and the bytes of its files. */
interface Stored {
  readonly tensors: ReadonlyMap<
    string,
    { file: string; dtype: string; shape: readonly number[]; begin: number; end: number }
  >;
  readRange(file: string, from: number, to: number): Promise<Uint8Array>;
}

/**
 * SHA-256 over a model's dimensions and its tensors' names, dtypes, shapes and a sample of their bytes, in hexadecimal: the
 * same for the same files wherever they lie. @throws as `readRange`.
 */
export async function fingerprintOf(dimensions: object, { tensors, readRange }: Stored): Promise<string> {
  const lines = [JSON.stringify(dimensions)];
  const entries = [...tensors].sort(([a], [b]) => (a < b ? -1 : 1));
  for (let i = 0; i < entries.length; i += atOnce)
    lines.push(
      ...(await Promise.all(
        entries.slice(i, i + atOnce).map(async ([name, { file, dtype, shape, begin, end }]) => {
          const length = Math.min(sampleBytes, end - begin);
          const from = begin + Math.floor((end - begin - length) / 2);
          return `${name} ${dtype} [${shape}] ${sha256(await readRange(file, from, from + length))}`;
        }),
      )),
    );
  return sha256(new TextEncoder().encode(lines.join("\n")));
}
