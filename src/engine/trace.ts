// A trace: an input is computed by itself, and what lies at some places of its forward pass is kept. It is work of the engine
// (work.ts) with steps and cache pages of its own, so nobody's rows but its own are in what it shows.

import type { Ops } from "../../kernels/ops.ts";
import { sizeOf } from "../../kernels/tensor.ts";
import { checkNames, FieldError, type Names } from "../field-error.ts";
import { type NamedPlace, placeWith } from "../hooks.ts";
import { createBatch } from "../model/batch.ts";
import { forward } from "../model/forward.ts";
import { createStepCache, pagesFor } from "../model/kv-cache.ts";
import type { Model } from "../model/model.ts";
import { embedRows, type Input, type Prompt, promptOf, roomAfter } from "../prompt/segments.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { type PlaceValue, placesNamed } from "./probe.ts";
import { slice } from "./sequence.ts";
import { type Pieces, rowCost } from "./work.ts";

export interface TraceOptions {
  input: Input;
  /** Names of places (src/model/places.ts), or patterns such as `layers.*.probs`: `*` is any one part between dots. */
  names: readonly string[];
  /** Maximum size of all values together, in bytes. Default 256 MiB */
  maxBytes?: number;
  signal?: AbortSignal;
}

/** Every name of its options. */
export const traceOptionNames = {
  input: true,
  names: true,
  maxBytes: true,
  signal: true,
} satisfies Names<TraceOptions>;

/** Values by the names of their places, in the order of the forward pass; each has all rows of the input. */
export type Trace = Record<string, PlaceValue>;

export interface TraceContext {
  readonly ops: Ops;
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  readonly cacheTokens: number;
}

/** Rows of one step, which is a piece of the work: others wait for it. */
const stepRows = 64;

/**
 * The values at the named places, for every row of the input: [rows, …]; `probs` is [rows, nHeads, rows], 0 after a row's
 * own position. Keys and values are kept in f32.
 * @throws FieldError, before anything is computed: an input that `generate` refuses too, a name that no place has (near ones
 * are listed), values beyond `maxBytes`.
 */
export function traceOf(context: TraceContext, options: TraceOptions): Pieces<Trace> {
  checkNames(options, traceOptionNames);
  const prompt = promptFor(context, options);
  return compute(context, prompt, placesFor(context, options, prompt));
}

async function* compute({ ops, model }: TraceContext, prompt: Prompt, wanted: readonly NamedPlace[]): Pieces<Trace> {
  const outputs = wanted.some(({ place }) => place === "final" || place === "logits");
  const values = new Map(
    wanted.map(({ name, facts }) => {
      const shape = [prompt.rows, ...facts.shape(model.config, prompt.rows)];
      return [name, { shape, data: new Float32Array(sizeOf(shape)) }];
    }),
  );

  let cached: Float32Array[] = []; // keys and values of the steps so far
  for (let start = 0; start < prompt.rows; start += stepRows) {
    const end = Math.min(start + stepRows, prompt.rows);
    yield (end - start) * rowCost(model);
    const { seen, kept } = ops.step(() => step(start, end));
    [cached] = await Promise.all([Promise.all(kept), Promise.all(seen)]);
  }
  return Object.fromEntries(values);

  /** Computes the rows start … end; what it promises was taken before it returns. */
  function step(start: number, end: number): { seen: Promise<void>[]; kept: Promise<Float32Array>[] } {
    const seen: Promise<void>[] = [];
    const place = placeWith(
      ops,
      model,
      wanted.map(({ name: at }) => ({
        at,
        read(x) {
          const { shape } = x;
          seen.push(ops.read(x).then((data) => putRows(values.get(at) as PlaceValue, start, { shape, data })));
        },
      })),
    );
    const rows = end - start;
    const count = (n: number) => Array.from({ length: n }, (_, i) => i);
    const cache = createStepCache(ops, model.config, pagesFor(end), cached);
    const part = { start, rows, pages: count(cache.nPages), outputs: outputs ? count(rows) : [] };
    const x = embedRows(ops, model, slice(prompt.runs, start, end)); // [rows, dModel]
    forward(ops, model, x, createBatch(ops, model, cache, [part]), place);
    const pages = end < prompt.rows ? cache.layers.flatMap(({ k, v }) => (v ? [k, v] : [k])) : [];
    return { seen, kept: pages.map((t) => ops.read(t)) };
  }
}

function promptFor({ model, tokenizer, cacheTokens }: TraceContext, { input }: TraceOptions): Prompt {
  const prompt = promptOf(input, tokenizer, model.config);
  roomAfter(prompt.rows, model.config.maxSeqLen, cacheTokens, 0);
  return prompt;
}

/** The places that were asked for, if their values are not too large. */
function placesFor(
  { model }: TraceContext,
  { names, maxBytes = 2 ** 28 }: TraceOptions,
  { rows }: Prompt,
): NamedPlace[] {
  if (!Number.isSafeInteger(maxBytes) || maxBytes < 1)
    throw new FieldError("maxBytes", `got ${maxBytes}, expected a whole number ≥ 1`);
  const wanted = placesNamed(model, names, "names");
  const numbers = wanted.reduce((sum, { facts }) => sum + rows * sizeOf(facts.shape(model.config, rows)), 0);
  if (4 * numbers > maxBytes)
    throw new FieldError(
      "names",
      `${wanted.length} places of ${rows} rows take ${4 * numbers} bytes, expected at most ${maxBytes} (option maxBytes)`,
    );
  return wanted;
}

/** Puts the rows of a step where they belong; columns for positions that no row looks at are left out. */
function putRows(into: PlaceValue, start: number, { shape, data }: PlaceValue): void {
  const [own, theirs] = [into.shape, shape].map((shape) => shape[shape.length - 1]);
  const columns = Math.min(own, theirs);
  const before = (start * into.data.length) / into.shape[0];
  for (let from = 0, to = before; from < data.length; from += theirs, to += own)
    into.data.set(data.subarray(from, from + columns), to);
}
