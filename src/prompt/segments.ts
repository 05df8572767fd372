// A prompt as people give it → rows for the model. Text becomes ids, ids become rows of the embedding table, embeddings are
// rows already; they join before layer 0, in any order and number, and from there on nothing knows which was which.

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { FieldError, inField } from "../field-error.ts";
import type { Model } from "../model/model.ts";
import { embed } from "../model/project.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** One stretch of a prompt. */
export type Segment =
  | {
      readonly text: string;
      /** Take the text of control tokens for those tokens: for text that the program wrote, never for a user's. Default false */
      readonly parseSpecialTokens?: boolean;
    }
  | { readonly ids: readonly number[] }
  | {
      /** A name, for gradients to come back under. */
      readonly id?: string;
      readonly embeds: Float32Array; // [n, dModel], row-major
      readonly shape: readonly [n: number, dModel: number];
      /** No gradient is wanted by these rows. Default false */
      readonly frozen?: boolean;
    }
  | {
      /** The name of embeddings that are kept elsewhere: soft-prompts.ts puts them in its place. */
      readonly softPrompt: string;
    };

/** Text alone, or segments in order. */
export type Input = string | readonly Segment[];

/** A run of rows of one kind. */
export type Run = { readonly ids: readonly number[] } | { readonly embeds: Float32Array; readonly rows: number };

export interface Prompt {
  readonly runs: readonly Run[];
  /** Rows of all runs: what counts as prompt tokens, embeddings included. */
  readonly rows: number;
  /** Of these, rows that came as embeddings. */
  readonly embedRows: number;
}

/** The dimensions that a prompt is checked against. */
export interface PromptLimits {
  readonly dModel: number;
  readonly vocabSize: number;
}

/**
 * Turns an input into rows. Neighboring texts are one text: tokens may reach across the border, so it does not matter how
 * a text was cut. The tokenizer's own special tokens (a beginning-of-sequence token) are added to text that is first or has
 * only embeddings before it; text after ids gets none, so a caller who writes ids, even none, decides alone. Control tokens
 * spelled out in text stay text, unless the segment says otherwise and holds the whole of it.
 * @throws FieldError that names the segment and field: an id outside the vocabulary, embeddings of another width, of
 * another length than their shape, or not finite, no rows at all.
 */
export function promptOf(input: Input, tokenizer: Tokenizer, limits: PromptLimits): Prompt {
  const { dModel, vocabSize } = limits;
  const segments: readonly Segment[] = typeof input === "string" ? [{ text: input }] : input;
  if (!Array.isArray(segments))
    throw new FieldError("input", `got ${typeof input}, expected a string or a list of segments`, "invalid_type");
  const runs: Run[] = [];
  let onlyEmbeds = true;
  let text = ""; // of the neighboring texts so far
  let parsed: [start: number, end: number][] = []; // where control tokens may be in it
  let textAt = -1; // the segment that it began with
  const closeText = () => {
    if (textAt < 0) return;
    const ids = tokenizer.encode(text, { addSpecialTokens: onlyEmbeds, parseSpecialTokens: parsed });
    runs.push({ ids: checkIds(ids, vocabSize, placeOf(textAt)) });
    onlyEmbeds = false;
    text = "";
    parsed = [];
    textAt = -1;
  };
  const placeOf = (i: number) => (typeof input === "string" ? "input" : `input[${i}]`);
  for (const [i, segment] of segments.entries()) {
    const where = placeOf(i);
    if (typeof segment !== "object" || segment === null)
      throw new FieldError(where, `expected an object, got ${segment}`, "invalid_type");
    if ("text" in segment) {
      if (typeof segment.text !== "string")
        throw new FieldError(`${where}.text`, `got ${typeof segment.text}, expected a string`, "invalid_type");
      if (segment.parseSpecialTokens) addRange(parsed, text.length, text.length + segment.text.length);
      text += segment.text;
      if (textAt < 0) textAt = i;
      continue;
    }
    closeText();
    if ("ids" in segment) {
      runs.push({ ids: checkIds(segment.ids, vocabSize, `${where}.ids`) });
      onlyEmbeds = false;
    } else if ("embeds" in segment) {
      inField(where, () => checkRows(segment, dModel));
      runs.push({ embeds: segment.embeds, rows: segment.shape[0] });
    } else if ("softPrompt" in segment) {
      throw new FieldError(
        `${where}.softPrompt`,
        `there is none named ${JSON.stringify(segment.softPrompt)}`,
        "unknown",
      );
    } else
      throw new FieldError(
        where,
        `got fields ${Object.keys(segment).join(", ") || "none"}, expected text, ids, embeds or softPrompt`,
        "invalid_type",
      );
  }
  closeText();
  const filled = runs.filter((run) => rowsOf(run) > 0);
  const rows = filled.reduce((sum, run) => sum + rowsOf(run), 0);
  if (rows === 0) throw new FieldError("input", "it has no rows, expected at least one token or embedding", "missing");
  const embedRows = filled.reduce((sum, run) => sum + ("embeds" in run ? run.rows : 0), 0);
  return { runs: filled, rows, embedRows };
}

/** Adds a range behind the others, as one with the last where they touch. */
function addRange(ranges: [start: number, end: number][], start: number, end: number): void {
  const last = ranges.at(-1);
  if (last && last[1] === start) last[1] = end;
  else ranges.push([start, end]);
}

/** How many rows a run has. */
export function rowsOf(run: Run): number {
  return "ids" in run ? run.ids.length : run.rows;
}

/** All token ids of a prompt, in order. */
export function idsOf(prompt: Prompt): number[] {
  return prompt.runs.flatMap((run) => ("ids" in run ? run.ids : []));
}

/** @throws FieldError of `where`, if an id is not a whole number from 0 to vocabSize − 1. */
export function checkIds(ids: readonly number[], vocabSize: number, where: string): readonly number[] {
  if (!Array.isArray(ids))
    throw new FieldError(where, `got ${typeof ids}, expected a list of token ids`, "invalid_type");
  const bad = ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (bad >= 0)
    throw new FieldError(where, `token ${bad} is ${ids[bad]}, expected a whole number from 0 to ${vocabSize - 1}`);
  return ids;
}

/**
 * @throws FieldError of `embeds` or `shape`, if they are not finite rows of the model's width, as many as the shape says.
 */
export function checkRows(
  rows: { readonly embeds: Float32Array; readonly shape: readonly number[] },
  dModel: number,
): void {
  if (typeof rows !== "object" || rows === null)
    throw new FieldError("", `got ${rows}, expected { embeds, shape }`, "invalid_type");
  const { embeds, shape } = rows;
  if (!(embeds instanceof Float32Array))
    throw new FieldError("embeds", "expected a Float32Array of rows", "invalid_type");
  if (!Array.isArray(shape) || shape.length !== 2 || !shape.every((dim) => Number.isInteger(dim) && dim >= 0))
    throw new FieldError("shape", `got ${JSON.stringify(shape)}, expected [rows, ${dModel}]`, "invalid_type");
  if (shape[1] !== dModel)
    throw new FieldError("shape", `rows are ${shape[1]} wide, expected the model's width of ${dModel}`);
  if (embeds.length !== shape[0] * dModel)
    throw new FieldError(
      "embeds",
      `got ${embeds.length} values, expected ${shape[0]} · ${dModel} = ${shape[0] * dModel}`,
    );
  inField("embeds", () => checkFinite(embeds, dModel));
}

/** @throws FieldError that names row and column of the first number that is not finite; `rows` are as wide as `width`. */
export function checkFinite(rows: Float32Array, width: number): void {
  const bad = rows.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new FieldError(
      "",
      `row ${Math.floor(bad / width)}, column ${bad % width} is ${rows[bad]} in f32, expected finite numbers`,
    );
}

/**
 * Tokens that can come after a prompt of so many rows. The last of them is not fed back, so the cache has room for one more
 * than it has positions.
 * @param least tokens that must come
 * @throws FieldError of the code "context_length_exceeded", if fewer than `least` can
 */
export function roomAfter(rows: number, maxSeqLen: number, cacheTokens = maxSeqLen, least = 1): number {
  const most = Math.min(maxSeqLen - least, cacheTokens);
  if (rows > most)
    throw new FieldError(
      "input",
      `got ${rows} tokens, expected at most ${most}: the maximum context length is ${Math.min(maxSeqLen, cacheTokens)} tokens${cacheTokens < maxSeqLen ? " (option cacheTokens)" : ""}`,
      "context_length_exceeded",
    );
  return Math.min(maxSeqLen - rows, cacheTokens - rows + 1);
}

/** The rows of all runs, in order: [rows, dModel] */
export function embedRows(ops: Ops, model: Model, runs: Iterable<Run>): Tensor {
  const { dModel } = model.config;
  const tensors: Tensor[] = [];
  let ids: number[] = [];
  const flush = () => {
    if (ids.length > 0) tensors.push(embed(ops, model, ops.upload(Int32Array.from(ids)))); // [ids, dModel]
    ids = [];
  };
  for (const run of runs) {
    if ("ids" in run) ids.push(...run.ids);
    else {
      flush();
      tensors.push(ops.upload(run.embeds, [run.rows, dModel]));
    }
  }
  flush();
  return tensors.length === 1 ? tensors[0] : ops.concat(tensors); // [rows, dModel]
}
