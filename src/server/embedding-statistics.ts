// What one needs to know of a model's embedding table to start a soft prompt at its scale.

import { setImmediate as turnOfOthers } from "node:timers/promises";
import type { ComputedModel } from "../served-model.ts";

export interface EmbeddingStatistics {
  /** Over all elements of the table. */
  mean: number;
  std: number;
  /** Percentiles of the rows' Euclidean norms, by nearest rank. */
  rowNorm: {
    min: number;
    p1: number;
    p5: number;
    p25: number;
    p50: number;
    p75: number;
    p95: number;
    p99: number;
    max: number;
  };
}

const known = new WeakMap<object, Promise<EmbeddingStatistics>>();

/** The table's statistics, computed once. */
export function embeddingStatistics(model: Pick<ComputedModel, "config" | "embed">): Promise<EmbeddingStatistics> {
  let statistics = known.get(model);
  if (!statistics) {
    statistics = compute(model);
    known.set(model, statistics);
    statistics.catch(() => known.delete(model)); // the next one tries again
  }
  return statistics;
}

const chunkRows = 2048;

/** Mean and variance over chunks of rows, in doubles: each chunk's own, joined by Chan, Golub & LeVeque 1979. */
async function compute({ config, embed }: Pick<ComputedModel, "config" | "embed">): Promise<EmbeddingStatistics> {
  const { vocabSize, dModel } = config;
  const norms = new Float64Array(vocabSize);
  let count = 0;
  let mean = 0;
  let squares = 0; // Σ (x − mean)²
  for (let begin = 0; begin < vocabSize; begin += chunkRows) {
    const rows = Math.min(chunkRows, vocabSize - begin);
    const values = await embed(Array.from({ length: rows }, (_, i) => begin + i)); // [rows, dModel]
    let sum = 0;
    for (let row = 0; row < rows; row++) {
      let norm = 0;
      for (let i = row * dModel; i < (row + 1) * dModel; i++) {
        sum += values[i];
        norm += values[i] ** 2;
      }
      norms[begin + row] = Math.sqrt(norm);
    }
    const chunkMean = sum / values.length;
    let chunkSquares = 0;
    for (const value of values) chunkSquares += (value - chunkMean) ** 2;
    const difference = chunkMean - mean;
    const total = count + values.length;
    squares += chunkSquares + difference ** 2 * ((count * values.length) / total);
    mean += difference * (values.length / total);
    count = total;
    await turnOfOthers();
  }
  norms.sort();
  const at = (percent: number) => norms[Math.max(0, Math.ceil((percent / 100) * vocabSize) - 1)];
  return {
    mean,
    std: Math.sqrt(squares / count),
    rowNorm: {
      min: norms[0],
      p1: at(1),
      p5: at(5),
      p25: at(25),
      p50: at(50),
      p75: at(75),
      p95: at(95),
      p99: at(99),
      max: norms[vocabSize - 1],
    },
  };
}
