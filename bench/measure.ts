// How every bench measures: candidates take turns, so that a change in the machine's speed hits all of them; medians and
// spread of several rounds; figures of peers as ratios within the same run.

import { cpus } from "node:os";

/** One thing to measure: its name, and a run that gives a figure (tokens/s, GFLOP/s …: higher is better). */
export interface Candidate {
  name: string;
  run(): Promise<number> | number;
}

export interface Figure {
  name: string;
  median: number;
  min: number;
  max: number;
}

/** Runs all candidates once unmeasured, then in turns. */
export async function alternate(candidates: readonly Candidate[], rounds: number): Promise<Figure[]> {
  const figures = candidates.map(() => [] as number[]);
  for (const candidate of candidates) await candidate.run();
  for (let round = 0; round < rounds; round++)
    for (const [i, candidate] of candidates.entries()) figures[i].push(await candidate.run());
  return candidates.map(({ name }, i) => {
    const sorted = figures[i].sort((a, b) => a - b);
    return { name, median: median(sorted), min: sorted[0], max: sorted[sorted.length - 1] };
  });
}

/** The middle of a sorted list. */
function median(sorted: readonly number[]): number {
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Processor, cores, engine: the header of every table. */
export function machine(): string {
  const [{ model }] = cpus();
  return `${model.trim()}, ${cpus().length} cores, Node ${process.version}, ${process.platform} ${process.arch}`;
}

/** A Markdown table. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
