// What a soft prompt has to do with the model's own table of embeddings: it starts as rows of it or at its scale, and people
// look at which tokens its learned rows are near. Lester et al. 2021, arXiv 2104.08691, sections 3.2 and 7.

import { randomSource } from "../../decode/random.ts";
import { FieldError } from "../../field-error.ts";
import type { ServedModel } from "../../served-model.ts";

type TableModel = Pick<ServedModel, "config" | "tokenizer" | "embed">;

/** How the rows start: at random with the table's mean and deviation, as random tokens, as a text's tokens, or as given. */
export type StartRows = "random" | "vocabulary" | { readonly text: string } | { readonly rows: Float32Array };

/**
 * The first rows, [n, dModel]. A text is repeated or cut to n tokens, as PEFT does.
 * @throws FieldError for a text without tokens, or rows of another length.
 */
export async function startRows(model: TableModel, n: number, start: StartRows, seed: number): Promise<Float32Array> {
  const { dModel, vocabSize } = model.config;
  const random = randomSource(seed);
  if (start === "vocabulary") return model.embed(Array.from({ length: n }, () => Math.floor(random() * vocabSize)));
  if (start === "random") {
    const { mean, std } = await scaleOf(model);
    return Float32Array.from({ length: n * dModel }, () => mean + std * normal(random));
  }
  if ("text" in start) {
    const ids = model.tokenizer.encode(start.text, { addSpecialTokens: false });
    if (ids.length === 0) throw new FieldError("start", "the text has no tokens, expected at least one");
    return model.embed(Array.from({ length: n }, (_, i) => ids[i % ids.length]));
  }
  if (start.rows.length !== n * dModel)
    throw new FieldError("start", `got ${start.rows.length} values, expected ${n} · ${dModel}`);
  return start.rows.slice();
}

/** One number with mean 0 and deviation 1. Box & Muller 1958 */
export function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** A token near a learned row, and the cosine of the angle between them. */
export interface NearToken {
  readonly id: number;
  readonly token: string;
  readonly cosine: number;
}

/** The k tokens nearest to each row, nearest first. rows [n, dModel] */
export async function nearestTokens(model: TableModel, rows: Float32Array, k: number): Promise<NearToken[][]> {
  const { dModel } = model.config;
  const n = rows.length / dModel;
  const norm = (values: Float32Array, at: number) => {
    let squares = 0;
    for (let i = at * dModel; i < (at + 1) * dModel; i++) squares += values[i] * values[i];
    return Math.sqrt(squares) || 1;
  };
  const norms = Array.from({ length: n }, (_, row) => norm(rows, row));
  const near: { id: number; cosine: number }[][] = norms.map(() => []);
  for await (const { first, table } of tablePieces(model))
    for (let t = 0; t * dModel < table.length; t++) {
      const length = norm(table, t);
      for (const [row, best] of near.entries()) {
        let dot = 0;
        for (let i = 0; i < dModel; i++) dot += rows[row * dModel + i] * table[t * dModel + i];
        const cosine = dot / (length * norms[row]);
        if (best.length === k && cosine <= best[k - 1].cosine) continue;
        best.push({ id: first + t, cosine });
        best.sort((a, b) => b.cosine - a.cosine);
        best.length = Math.min(k, best.length);
      }
    }
  return near.map((best) => best.map(({ id, cosine }) => ({ id, cosine, token: model.tokenizer.decode([id]) })));
}

/** Mean and deviation of all numbers of the table. */
async function scaleOf(model: TableModel): Promise<{ mean: number; std: number }> {
  let [count, sum, squares] = [0, 0, 0];
  for await (const { table } of tablePieces(model)) {
    count += table.length;
    for (const value of table) {
      sum += value;
      squares += value * value;
    }
  }
  const mean = sum / count;
  return { mean, std: Math.sqrt(Math.max(0, squares / count - mean * mean)) };
}

/** The table, a few thousand rows at a time. */
async function* tablePieces(model: TableModel): AsyncGenerator<{ first: number; table: Float32Array }> {
  const { vocabSize } = model.config;
  for (let first = 0; first < vocabSize; first += 4096) {
    const ids = Array.from({ length: Math.min(4096, vocabSize - first) }, (_, i) => first + i);
    yield { first, table: await model.embed(ids) };
  }
}
