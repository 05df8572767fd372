// plainformer inspect --trace: what lies at places of the forward pass over a prompt.

import type { PlaceValue } from "../engine/probe.ts";
import type { Trace } from "../engine/trace.ts";

/** A line for each place: its shape, the range and the mean of its values, and the first of them. */
export function describeTrace(trace: Trace): string {
  const lines = Object.entries(trace).map(([name, { shape, data }]) => [
    name,
    `[${shape}]`,
    statistics(data),
    first(data),
  ]);
  const widths = [0, 1, 2].map((column) => Math.max(...lines.map((line) => line[column].length)));
  return lines.map((line) => line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")).join("\n");
}

/** The trace as plain numbers. */
export function traceJson(trace: Trace): string {
  const plain = ([name, { shape, data }]: [string, PlaceValue]) => [name, { shape, data: [...data] }];
  return JSON.stringify(Object.fromEntries(Object.entries(trace).map(plain)));
}

function statistics(data: Float32Array): string {
  let [least, largest, sum] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  for (const value of data) {
    least = Math.min(least, value);
    largest = Math.max(largest, value);
    sum += value;
  }
  return `min ${rounded(least)}  max ${rounded(largest)}  mean ${rounded(sum / data.length)}`;
}

function first(data: Float32Array): string {
  return Array.from(data.subarray(0, 5), rounded).join(" ") + (data.length > 5 ? " …" : "");
}

function rounded(value: number): string {
  return value.toPrecision(4).padStart(10);
}
