// What went wrong, as one line for people: the library's field is here the flag or argument that its value came by.

import type { Command } from "commander";
import { FieldError, outward } from "../field-error.ts";

/** Fields that no flag or argument of the same name gives: the name of the one that does. */
const givenBy: Readonly<Record<string, string>> = {
  input: "text",
  "grammar.schema": "schema",
  grammar: "jsonObject",
  names: "trace",
  room: "maxTokens",
  train: "data",
  examples: "data",
  share: "holdOut",
  warmupSteps: "warmup",
  maxNorm: "clip",
  encoder: "encoderHidden",
  fingerprint: "model",
};

/** One sentence: of a fault, with the flag or argument before it. */
export function sentenceOf(error: unknown, command: Command | undefined): string {
  if (!(error instanceof FieldError)) return error instanceof Error ? error.message : String(error);
  const { field, problem } = error;
  const given = command && flagOf(field, command);
  return given || field ? `${given ?? field}: ${problem}` : problem;
}

/** The flag or argument of a command that gives a field, or what it lies in: maxTokens → --max-tokens. */
function flagOf(field: string, command: Command): string | undefined {
  for (const within of outward(field))
    for (const name of [within, givenBy[within]]) {
      const option = command.options.find((option) => option.attributeName() === name);
      if (option) return option.long;
      if (name !== undefined && command.registeredArguments.some((argument) => argument.name() === name))
        return `${name}${field.slice(within.length)}`;
    }
  return undefined;
}
