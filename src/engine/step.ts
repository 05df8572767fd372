// One step on the kernels: rows of any number of sequences go in, what the wanted ones say comes out.

import type { Ops } from "../../kernels/ops.ts";
import { type Output, readOutputs } from "../decode/outputs.ts";
import { createBatch } from "../model/batch.ts";
import { forward } from "../model/forward.ts";
import type { KvCache } from "../model/kv-cache.ts";
import type { Model } from "../model/model.ts";
import type { Place } from "../model/places.ts";
import type { Run } from "../prompt/segments.ts";
import { embedRows } from "./embed-rows.ts";
import type { Part } from "./plan-step.ts";
import { slice } from "./sequence.ts";

/** Computes the parts' rows and writes their keys and values. → for each part, what its wanted rows and its guesses say */
export async function computeStep(
  ops: Ops,
  model: Model,
  cache: KvCache,
  parts: readonly Part[],
  place?: Place,
): Promise<Output[][]> {
  const wanted = parts.map(({ rows, outputs, guesses }) => [...outputs, ...guesses.map((_, i) => rows + i)]);
  const wants = parts.flatMap(({ sequence }, part) => wanted[part].map(() => sequence.task.wants));
  const said = await ops.step(() => {
    const batch = createBatch(
      ops,
      model,
      cache,
      parts.map(({ sequence, start, rows, guesses }, part) => ({
        start,
        rows: rows + guesses.length,
        pages: sequence.pages,
        outputs: wanted[part],
      })),
    );
    const x = embedRows(ops, model, runsOf(parts)); // [rows, dModel]
    const logits = forward(ops, model, x, batch, place); // [outputs, vocabSize]
    return readOutputs(ops, logits, wants);
  });
  return wanted.map(({ length }) => said.splice(0, length));
}

function* runsOf(parts: readonly Part[]): Generator<Run> {
  for (const { sequence, start, rows, guesses } of parts) {
    yield* slice(sequence.runs, start, start + rows);
    yield { ids: guesses };
  }
}
