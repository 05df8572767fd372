#!/usr/bin/env node
// The command line: one program, one file per command. Results go to stdout, everything else to stderr; exit 0 is good,
// 1 a failure, 2 wrong use.

import { Command, CommanderError } from "commander";
import { FieldError } from "../field-error.ts";
import { tour } from "./tour.ts";

/** Only the file of the command that is asked for is loaded: a server's libraries take as long as a small model. */
const commands: Record<string, () => Promise<(program: Command) => void>> = {
  generate: async () => (await import("./generate.ts")).addGenerate,
  chat: async () => (await import("./chat.ts")).addChat,
  fim: async () => (await import("./fim.ts")).addFim,
  serve: async () => (await import("./serve.ts")).addServe,
  score: async () => (await import("./score.ts")).addScore,
  tune: async () => (await import("./tune.ts")).addTune,
  grammar: async () => (await import("./grammar.ts")).addGrammar,
  tokenize: async () => (await import("./tokenize.ts")).addTokenize,
  inspect: async () => (await import("./inspect.ts")).addInspect,
  convert: async () => (await import("./convert.ts")).addConvert,
  pull: async () => (await import("./pull.ts")).addPull,
  bench: async () => (await import("./bench.ts")).addBench,
};

const program = new Command("plainformer")
  .description("A transformer in pure TypeScript. Without a command: a short tour.")
  .option("--verbose", "show where in the code an error came from")
  .showHelpAfterError("(add --help for what is possible)")
  .action(tour);
const asked = commands[process.argv[2]];
for (const command of asked ? [asked] : Object.values(commands)) (await command())(program);
for (const command of [program, ...program.commands]) command.exitOverride().allowExcessArguments(false);

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0); // the reader has seen enough
  throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

/** One line for people; the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2; // it has printed its own line
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  console.error(program.opts().verbose ? stack : `plainformer: ${message}`);
  // The library's words for an argument that it refuses.
  return [FieldError, RangeError, TypeError].some((kind) => error instanceof kind) ? 2 : 1;
}
