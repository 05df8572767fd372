// Runs a model over whole sequences without an engine: one step per chunk, every row's logits.

import type { Kernels } from "../../kernels/kernels.ts";
import type { Ops } from "../../kernels/ops.ts";
import { selectKernels } from "../../kernels/select.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { placeWith } from "../../src/hooks.ts";
import { createBatch } from "../../src/model/batch.ts";
import { forward } from "../../src/model/forward.ts";
import { createKvCache, type KvDType, pagesFor, takePages } from "../../src/model/kv-cache.ts";
import type { Model } from "../../src/model/model.ts";
import type { Place } from "../../src/model/places.ts";
import { embed } from "../../src/model/project.ts";
import { gpuRun, noSoftwareGpu } from "../software-gpu.ts";

/** The kernel sets that every statement about models is tested with; one that does not work here fails its tests. */
export const kernelSets = !gpuRun ? ["reference", "simd"] : noSoftwareGpu ? [] : ["webgpu"];

let webgpu: Promise<Kernels> | undefined;

/** A kernel set by its name: a new one, but for webgpu, which takes as long to open as many tests. */
export async function kernelsNamed(name: string): Promise<Kernels> {
  if (name !== "webgpu") return (await selectKernels(name)).kernels;
  webgpu ??= selectKernels(name).then(({ kernels }) => kernels);
  return webgpu;
}

/** Reads what lies at every place, or at those that `names` names. */
export function collect(ops: Ops, model: Model, names = ["residual.*", "layers.*.*", "final", "logits"]) {
  const seen = new Map<string, { shape: readonly number[]; values: Promise<Float32Array> }>();
  const read = (x: Tensor, name: string) => seen.set(name, { shape: x.shape, values: ops.read(x) });
  const hooks = names.map((at) => ({ at, read }));
  return { place: placeWith(ops, model, hooks), seen };
}

/** Logits [rows, vocabSize] of rows given as ids or as embeddings, computed in steps of `chunk` rows. */
export async function logitsOf(
  ops: Ops,
  model: Model,
  rows: readonly number[] | { embeds: Float32Array; rows: number },
  { chunk = Number.POSITIVE_INFINITY, place, kv }: { chunk?: number; place?: Place; kv?: KvDType } = {},
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
        : embed(ops, model, ops.upload(Int32Array.from(rows.slice(start, end))));
    const outputs = Array.from({ length: end - start }, (_, i) => i);
    const batch = createBatch(ops, model, cache, [{ start, rows: end - start, pages, outputs }]);
    const pending = ops.read(forward(ops, model, x, batch, place));
    ops.endStep();
    logits.set(await pending, start * vocabSize);
  }
  return logits;
}
