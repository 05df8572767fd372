// What crosses between a program and the worker thread that holds its model: plain data only. A signal becomes an "abort"
// message, and an error its name and sentence, from which the other side makes one of the same class.

import { KernelsFailedError } from "../../kernels/failed.ts";
import type { DroppedKeyword, GrammarSpec } from "../decode/grammar/grammar.ts";
import { EngineBusyError, EngineClosedError } from "../engine/errors.ts";
import type { GenerateEvent, GenerateOptions } from "../engine/generate.ts";
import type { PlaceValue, Probe } from "../engine/probe.ts";
import type { CandidateScoreOptions, Score, ScoreOptions } from "../engine/score.ts";
import type { Trace, TraceOptions } from "../engine/trace.ts";
import { FieldError } from "../field-error.ts";
import type { EngineLoad, LoadOptions, ServedModel } from "../served-model.ts";
import type {
  BatchGradientsOptions,
  CandidateGradientsOptions,
  Gradients,
  GradientsOptions,
  GradientsUsage,
} from "../tune/gradients.ts";

/** What the thread is started with: `load`'s arguments, functions left out. */
export interface Start {
  source: string | undefined;
  options: Omit<LoadOptions, "onProgress" | "probe" | "kernels"> & { kernels?: string };
  wantsProgress: boolean;
  /** A probe without the function, which is called in the program. */
  probe: Pick<Probe, "names"> | undefined;
}

/** The methods that are called through, each with its argument and what it answers at the end. */
export interface Calls {
  generate: { argument: Omit<GenerateOptions, "signal">; answer: undefined };
  score: { argument: Omit<ScoreOptions, "signal">; answer: Score[] };
  candidateScores: { argument: Omit<CandidateScoreOptions, "signal">; answer: Score[][] };
  gradients: { argument: Omit<GradientsOptions, "signal">; answer: Gradients & { usage: GradientsUsage } };
  candidateGradients: {
    argument: Omit<CandidateGradientsOptions, "signal">;
    answer: { candidates: Gradients[]; usage: GradientsUsage };
  };
  batchGradients: {
    argument: Omit<BatchGradientsOptions, "signal">;
    answer: { examples: Gradients[]; usage: GradientsUsage };
  };
  trace: { argument: Omit<TraceOptions, "signal">; answer: Trace };
  droppedOf: { argument: GrammarSpec; answer: readonly DroppedKeyword[] };
  embed: { argument: readonly number[]; answer: Float32Array };
  load: { argument: undefined; answer: EngineLoad };
}

export type Call = { [M in keyof Calls]: { method: M; argument: Calls[M]["argument"] } }[keyof Calls];

/** From the program to the thread. `id` tells calls apart. */
export type Request =
  | ({ type: "call"; id: number } & Call)
  | { type: "abort"; id: number }
  /** Nobody takes the events of a generation for now; or somebody does again. */
  | { type: "pause"; id: number }
  | { type: "resume"; id: number }
  | { type: "close"; drainMs: number };

/** What the program needs to know of a loaded model; it reads the tokenizer itself. */
export type Facts = Pick<
  ServedModel,
  | "config"
  | "kernels"
  | "endIds"
  | "cacheTokens"
  | "maxRunning"
  | "directory"
  | "files"
  | "fingerprint"
  | "chatTemplate"
>;

/** From the thread to the program, in lists: everything of one turn together. */
export type Reply =
  | { type: "progress"; progress: Parameters<NonNullable<LoadOptions["onProgress"]>>[0] }
  | { type: "ready"; facts: Facts }
  | { type: "seen"; name: string; value: PlaceValue }
  | { type: "event"; id: number; event: GenerateEvent }
  | { type: "answer"; id: number; answer: unknown }
  | { type: "error"; id: number | undefined; error: SentError }
  | { type: "closed" };

export interface SentError {
  name: string;
  message: string;
  stack?: string;
  /** Of a FieldError, which is data. */
  fault?: Pick<FieldError, "field" | "problem" | "code">;
}

const classes: Record<string, new (message: string) => Error> = {
  EngineBusyError,
  EngineClosedError,
  KernelsFailedError,
};

/** An error as data. */
export function sentError(error: unknown): SentError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const { name, message, stack } = error;
  if (!(error instanceof FieldError)) return { name, message, stack };
  const { field, problem, code } = error;
  return { name, message, stack, fault: { field, problem, code } };
}

/** The error again: of its class, where callers tell that class from others. */
export function receivedError({ name, message, stack, fault }: SentError): Error {
  if (fault) return Object.assign(new FieldError(fault.field, fault.problem, fault.code), { stack });
  const error = new (classes[name] ?? Error)(message);
  return Object.assign(error, { stack }, name in classes ? {} : { name });
}
