// The name of a full cache page: a hash of its 64 rows and of every row before them, token ids and embeddings alike. Equal
// names mean equal keys and values, because a row's depend on its own and earlier rows alone. The chain of hashes is that
// of vLLM's automatic prefix caching (docs/design/prefix_caching.md).

import { pageSize } from "../../kernels/kernels.ts";
import { sha256 } from "../../weights/sha256.ts";
import type { Run } from "../prompt/segments.ts";

/** Where a tenant's chains begin; without a tenant, all share one. */
export function chainStart(tenant: string | undefined): string {
  return sha256(new TextEncoder().encode(tenant === undefined ? "shared" : `tenant ${tenant}`));
}

/** The name of the page that holds these 64 rows after the page called `before`. How the rows are cut into runs does not matter. */
export function pageKey(before: string, rows: Iterable<Run>): string {
  const kinds = new Uint8Array(pageSize); // of each row: 0 a token id, 1 an embedding; so no bytes can be read two ways
  const chunks: Uint8Array[] = [new TextEncoder().encode(before), kinds];
  let row = 0;
  for (const run of rows) {
    const values = "ids" in run ? Int32Array.from(run.ids) : run.embeds;
    chunks.push(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    const next = row + ("ids" in run ? run.ids.length : run.rows);
    if (!("ids" in run)) kinds.fill(1, row, next);
    row = next;
  }
  const message = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    message.set(chunk, at);
    at += chunk.length;
  }
  return sha256(message);
}
