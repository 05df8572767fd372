// Runs a model over whole sequences without an engine: one step per chunk, every row's logits.

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { createBatch } from "../../src/model/batch.ts";
import { forward } from "../../src/model/forward.ts";
import { createKvCache, type KvDType, pagesFor, takePages } from "../../src/model/kv-cache.ts";
import type { Model } from "../../src/model/model.ts";
import type { Probe } from "../../src/model/probe.ts";

/** The kernel sets that every statement about models is tested with; one that does not work here fails its tests. */
export const kernelSets = ["reference", "simd"];

/** A probe that reads everything it is offered, or only what `wanted` names. */
export function collect(ops: Ops, wanted: (name: string) => boolean = () => true) {
  const pending = new Map<string, { shape: readonly number[]; values: Promise<Float32Array> }>();
  const probe: Probe = {
    wants: wanted,
    see: (name, tensor) => pending.set(name, { shape: tensor.shape, values: ops.read(tensor) }),
  };
  return { probe, seen: pending };
}

/** Logits [rows, vocabSize] of rows given as ids or as embeddings, computed in steps of `chunk` rows. */
export async function logitsOf(
  ops: Ops,
  model: Model,
  rows: readonly number[] | { embeds: Float32Array; rows: number },
  { chunk = Number.POSITIVE_INFINITY, probe, kv }: { chunk?: number; probe?: Probe; kv?: KvDType } = {},
): Promise<Float32Array> {
  const { dModel, vocabSize } = model.config;
  const n = "embeds" in rows ? rows.rows : rows.length;
  const cache = createKvCache(ops, model.config, n, kv);
  const pages = takePages(cache, pagesFor(n)) ?? [];
  const logits = new Float32Array(n * vocabSize);
  for (let start = 0; start < n; start += chunk) {
    const end = Math.min(n, start + chunk);
    const x: Tensor =
      "embeds" in rows
        ? ops.upload(rows.embeds.slice(start * dModel, end * dModel), [end - start, dModel])
        : ops.gather(model.embedding, ops.upload(Int32Array.from(rows.slice(start, end))));
    const outputs = Array.from({ length: end - start }, (_, i) => i);
    const batch = createBatch(ops, model, cache, [{ start, rows: end - start, pages, outputs }]);
    const pending = ops.read(forward(ops, model, x, batch, probe));
    ops.endStep();
    logits.set(await pending, start * vocabSize);
  }
  return logits;
}
