// What a checkpoint means, as lines of text: one a tensor, sorted by name, then the metadata. make-golden.py prints the same
// lines from what the reference reads, so that the two can be compared as text.

import { createHash } from "node:crypto";
import type { Checkpoint } from "../../weights/safetensors.ts";

/** Lines of JSON: [name, dtype, shape, sha256 of the data] for each tensor, then the sorted pairs of the metadata. */
export async function meaningOf(checkpoint: Checkpoint): Promise<string[]> {
  const byName = [...checkpoint.tensors.values()].sort((a, b) => compareUtf8(a.name, b.name));
  const lines: unknown[] = [];
  for (const { name, dtype, shape } of byName) {
    lines.push([
      name,
      dtype,
      shape,
      createHash("sha256")
        .update(await checkpoint.read(name))
        .digest("hex"),
    ]);
  }
  lines.push(Object.entries(checkpoint.metadata).sort(([a], [b]) => compareUtf8(a, b)));
  return lines.map((line) => JSON.stringify(line));
}

function compareUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** A safetensors file with this header, as given: nothing is checked or padded. */
export function fileOf(header: string | Uint8Array, data: Uint8Array | number = 0): Buffer {
  const bytes = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([length, bytes, typeof data === "number" ? Buffer.alloc(data) : data]);
}
