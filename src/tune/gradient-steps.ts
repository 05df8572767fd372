// Which rows the recorded steps of gradients compute, and in which pages. Within a step rows are computed once where
// sequences agree: whole pages of text before the first embeddings serve all candidates, whole pages of a prompt all of its
// targets, and targets that begin alike (up to their last token) are one sequence. What fills no page is computed again for
// each sequence.

import { pageSize } from "../../kernels/kernels.ts";
import type { BatchPart } from "../model/batch.ts";
import { pagesFor } from "../model/kv-cache.ts";
import { type Prompt, type Run, rowsOf } from "../prompt/segments.ts";

/** Most rows, and most rows with logits, of one step that holds more than one sequence: bounds memory. */
const stepRows = 512;
const stepOutputs = 128;

/** A prompt and the continuations that are judged after it. */
export interface Judged {
  readonly prompt: Prompt;
  readonly targets: readonly (readonly number[])[];
}

/** A token of a target, whose log-probability one row of logits gives. `candidate` is the place of its prompt in the list. */
interface Output {
  readonly candidate: number;
  readonly target: number;
  readonly token: number;
}

/** A prompt with one continuation that feeds all targets that begin like it. */
interface Sequence {
  readonly candidate: number;
  readonly runs: readonly Run[];
  readonly promptRows: number;
  readonly rows: number;
  /** In the order of their targets; output `token` stands at row promptRows − 1 + token. */
  readonly outputs: readonly Output[];
}

export interface Step {
  readonly candidates: readonly number[];
  readonly sequences: readonly Sequence[];
  /** Of each sequence, the rows that no sequence before it has computed. */
  readonly parts: readonly BatchPart[];
  readonly outputs: readonly Output[];
  readonly rows: number;
  readonly pages: number;
}

/** The last token of a target is never fed: targets that agree up to it, or of which one goes on where the other ends, share a sequence. */
function sequencesOf({ prompt, targets }: Judged, candidate: number): Sequence[] {
  const fed = targets.map((ids) => ids.slice(0, -1));
  const isPrefix = (a: readonly number[], b: readonly number[]) =>
    a.length <= b.length && a.every((id, i) => id === b[i]);
  const hosts = fed.map((ids, i) => {
    const longer = fed.findIndex((other, j) => isPrefix(ids, other) && (other.length > ids.length || j < i));
    return longer < 0 ? i : undefined;
  });
  return hosts.flatMap((host) => {
    if (host === undefined) return [];
    // A target may fit several hosts: it goes with the first.
    const guests = targets.flatMap((_, target) =>
      hosts.find((other) => other !== undefined && isPrefix(fed[target], fed[other])) === host ? [target] : [],
    );
    return {
      candidate,
      runs: [...prompt.runs, { ids: fed[host] }],
      promptRows: prompt.rows,
      rows: prompt.rows + fed[host].length,
      outputs: guests.flatMap((target) => targets[target].map((_, token) => ({ candidate, target, token }))),
    };
  });
}

/**
 * Packs the sequences of all prompts into steps, in order, as many as a step may have; of pages that they share, one sequence
 * computes the rows. `textPages` whole pages of text begin all of them.
 */
export function stepsOf(judged: readonly Judged[], textPages: number): Step[] {
  const steps: Step[] = [];
  let group: Sequence[] = [];
  const flush = () => {
    if (group.length > 0) steps.push(stepOf(group, textPages));
    group = [];
  };
  for (const sequence of judged.flatMap(sequencesOf)) {
    const step = stepOf([...group, sequence], textPages);
    if (step.rows > stepRows || step.outputs.length > stepOutputs) flush();
    group.push(sequence);
  }
  flush();
  return steps;
}

/** Whole pages of text before the first embeddings of prompts that differ in these alone. */
export function textPagesOf([{ prompt }]: readonly Judged[]): number {
  let rows = 0;
  for (const run of prompt.runs) {
    if ("embeds" in run) break;
    rows += rowsOf(run);
  }
  return Math.floor(rows / pageSize);
}

function stepOf(sequences: readonly Sequence[], textPages: number): Step {
  const parts: BatchPart[] = [];
  let nPages = 0;
  let text: number[] | undefined; // pages of the text that begins all sequences
  const ofPrompt = new Map<number, number[]>(); // whole pages of each candidate's prompt, the text's included
  for (const { candidate, promptRows, rows, outputs } of sequences) {
    const shared = ofPrompt.get(candidate) ?? text ?? [];
    const pages = [...shared];
    while (pages.length < pagesFor(rows)) pages.push(nPages++);
    text ??= pages.slice(0, textPages);
    // The last row of the prompt has outputs, so it is every sequence's own.
    if (!ofPrompt.has(candidate)) ofPrompt.set(candidate, pages.slice(0, Math.floor((promptRows - 1) / pageSize)));
    const start = shared.length * pageSize;
    parts.push({
      start,
      rows: rows - start,
      pages,
      outputs: outputs.map(({ token }) => promptRows - 1 + token - start),
    });
  }
  return {
    candidates: [...new Set(sequences.map(({ candidate }) => candidate))],
    sequences,
    parts,
    outputs: sequences.flatMap(({ outputs }) => outputs),
    rows: parts.reduce((sum, { rows }) => sum + rows, 0),
    pages: nPages,
  };
}
