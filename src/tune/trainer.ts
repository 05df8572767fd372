// The trainer: moves all weights of a model so that given tokens become likelier. Matrices of the blocks move by Muon, the
// embedding table and the norms by Adam. What to read and how fast to learn is the caller's plan.
//
// Weights, gradients and the optimizers' memory are f32 arrays on the host, by the weight's place in the model's record; the
// kernel set computes loss, gradients and Muon's matrix products. A checkpoint is one safetensors file with all of it.

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { openSafetensors, readF32, writeSafetensors } from "../../weights/safetensors.ts";
import { FieldError } from "../field-error.ts";
import { createBatch } from "../model/batch.ts";
import { forward } from "../model/forward.ts";
import { createKvCache, type KvCache, pagesFor } from "../model/kv-cache.ts";
import { type Model, tensorsOf } from "../model/model.ts";
import { embed } from "../model/project.ts";
import { type AdamState, adamStep, clipGradients, createAdamState } from "./adam.ts";
import { type MuonOptions, muonStep } from "./muon.ts";
import { recording } from "./recording.ts";

/** Rows of tokens, and which of them count: the loss is the mean of −log p of those, each from what its row has before it. */
export interface TrainingBatch {
  readonly sequences: number;
  readonly positions: number;
  readonly ids: Uint16Array; // [sequences, positions]
  readonly learned: Uint8Array; // [sequences, positions], 0 or 1; a row's first token has nothing before it
}

export interface TrainerOptions {
  /** Of the matrices of the blocks. */
  readonly muon: MuonOptions;
  /** Of everything else. */
  readonly adam: { readonly beta1: number; readonly beta2: number; readonly eps: number };
  /** The gradients that go to Adam are scaled so that together they are no longer than this. */
  readonly clip: number;
  /** Rows that one recorded step computes: memory. Default 1024 */
  readonly stepRows?: number;
}

export interface Trainer {
  /** Steps done. */
  readonly steps: number;
  /** The weights by their place in the model's record. */
  readonly weights: ReadonlyMap<string, Float32Array>;
  /** Loss and gradients of a batch, and one step of both optimizers with their rates. → the loss before the step */
  step(batch: TrainingBatch, rates: { muon: number; adam: number }): Promise<number>;
  /** Writes all that is needed to go on exactly like this; the file is there whole or not at all. */
  save(file: string): Promise<void>;
  /** Goes on from such a file. @throws one sentence if the file is of another model. */
  restore(file: string): Promise<void>;
}

/** A trainer of a model's weights; they must be f32 and on a kernel set with derivatives. */
export async function createTrainer(ops: Ops, model: Model, options: TrainerOptions): Promise<Trainer> {
  const tensors = tensorsOf(model);
  const weights = new Map<string, Float32Array>();
  for (const [place, tensor] of tensors) {
    if (tensor.dtype !== "f32") throw new Error(`trainer: ${place} has dtype ${tensor.dtype}, expected f32`);
    weights.set(place, await ops.read(tensor));
  }
  const ofMuon = [...tensors.keys()].filter(
    (place) => place.startsWith("layers.") && tensors.get(place)?.shape.length === 2,
  );
  const rest = new Map([...weights].filter(([place]) => !ofMuon.includes(place)));
  const momentum = new Map(ofMuon.map((place) => [place, new Float32Array(weights.get(place)?.length ?? 0)]));
  const adam: AdamState = createAdamState(rest);
  const write = ops.derivatives().write;
  let steps = 0;

  const caches = new Map<number, KvCache>();
  /** Pages for some positions; every step writes them before it reads them. */
  function cacheOf(positions: number): KvCache {
    const cache = caches.get(positions) ?? createKvCache(ops, model.config, positions);
    caches.set(positions, cache);
    return cache;
  }

  /** Everything a checkpoint holds, under its name there. */
  function contents(): Map<string, Float32Array> {
    const named = (kind: string, of: ReadonlyMap<string, Float32Array>) =>
      [...of].map(([place, values]) => [`${kind}/${place}`, values] as const);
    return new Map([
      ...named("weights", weights),
      ...named("momentum", momentum),
      ...named("adam.m", adam.m),
      ...named("adam.v", adam.v),
    ]);
  }

  return {
    get steps() {
      return steps;
    },
    weights,
    async step(batch, rates) {
      const { loss, gradients } = await lossAndGradients(ops, model, tensors, batch, cacheOf, options.stepRows ?? 1024);
      const ofRest = new Map([...rest.keys()].map((place) => [place, gradients.get(place) as Float32Array]));
      clipGradients(ofRest, options.clip);
      adamStep(adam, rest, ofRest, rates.adam, options.adam);
      for (const place of ofMuon) {
        const [rows, columns] = (tensors.get(place) as Tensor).shape;
        const matrix = { values: weights.get(place) as Float32Array, rows, columns };
        await muonStep(
          ops,
          matrix,
          gradients.get(place) as Float32Array,
          momentum.get(place) as Float32Array,
          rates.muon,
          options.muon,
        );
      }
      for (const [place, tensor] of tensors) write(tensor, weights.get(place) as Float32Array);
      steps++;
      return loss;
    },
    async save(file) {
      const tensors = [...contents()].map(([name, values]) => ({
        name,
        dtype: "F32" as const,
        shape: [values.length],
        data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
      }));
      await writeSafetensors(file, tensors, { steps: String(steps) });
    },
    async restore(file) {
      const checkpoint = await openSafetensors(file);
      const done = Number(checkpoint.metadata.steps);
      const found = new Map<string, Float32Array>();
      for (const [name, { length }] of contents()) {
        const values = await readF32(checkpoint, name);
        if (values.length !== length)
          throw new Error(`${file}: ${name} has ${values.length} numbers, expected ${length}`);
        found.set(name, values);
      }
      if (!Number.isInteger(done))
        throw new Error(`${file}: no number of steps in its metadata, expected a trainer's checkpoint`);
      for (const [name, values] of contents()) values.set(found.get(name) as Float32Array);
      for (const [place, tensor] of tensors) write(tensor, weights.get(place) as Float32Array);
      steps = adam.steps = done;
    },
  };
}

/** Computes a batch a few rows at a time. → the mean loss and its gradients by all weights */
async function lossAndGradients(
  ops: Ops,
  model: Model,
  tensors: ReadonlyMap<string, Tensor>,
  { sequences, positions, ids, learned }: TrainingBatch,
  cacheOf: (positions: number) => KvCache,
  stepRows: number,
): Promise<{ loss: number; gradients: Map<string, Float32Array> }> {
  const targets = Array.from({ length: sequences }, (_, row) =>
    Array.from({ length: positions - 1 }, (_, i) => i + 1).filter((i) => learned[row * positions + i] === 1),
  ); // positions that count, by row
  const counted = targets.reduce((sum, { length }) => sum + length, 0);
  const gradients = new Map<string, Float32Array>();
  let loss = 0;
  const atOnce = Math.max(1, Math.floor(stepRows / positions));
  const pages = pagesFor(positions);
  for (let begin = 0; begin < sequences; begin += atOnce) {
    const rows = Array.from({ length: Math.min(atOnce, sequences - begin) }, (_, i) => begin + i);
    const wanted = rows.flatMap((row) => targets[row].map((i) => ids[row * positions + i]));
    if (wanted.length === 0) continue;
    const tape = recording(ops, [...tensors.values()]);
    try {
      const parts = rows.map((row, i) => ({
        start: 0,
        rows: positions,
        pages: Array.from({ length: pages }, (_, page) => i * pages + page),
        outputs: targets[row].map((at) => at - 1),
      }));
      const batch = createBatch(ops, model, cacheOf(atOnce * pages * 64), parts);
      const all = Int32Array.from(ids.subarray(begin * positions, (begin + rows.length) * positions));
      const x = embed(tape.ops, model, ops.upload(all)); // [rows, dModel]
      const logits = forward(tape.ops, model, x, batch); // [outputs, vocabSize]
      const logProbs = tape.ops.logProbs(logits, ops.upload(Int32Array.from(wanted))); // [outputs]
      const found = tape.backward([[logProbs, ops.upload(new Float32Array(wanted.length).fill(-1 / counted))]]);
      const values = tape.ops.read(logProbs);
      const pending = [...tensors].map(([place, tensor]) => [place, ops.read(found.get(tensor) as Tensor)] as const);
      tape.end(); // what `read` promised was taken when it was called
      for (const value of await values) loss -= value / counted;
      for (const [place, part] of pending) {
        const sum = gradients.get(place);
        if (sum === undefined) gradients.set(place, await part);
        else for (const [i, value] of (await part).entries()) sum[i] += value;
      }
    } finally {
      tape.end();
    }
  }
  if (counted === 0) throw new FieldError("batch", "no token of the batch counts, expected at least one");
  return { loss, gradients };
}
