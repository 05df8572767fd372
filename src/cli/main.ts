#!/usr/bin/env node
// The command line: one program, one file per command. Results go to stdout, everything else to stderr; exit 0 is good,
// 1 a failure, 2 wrong use.

import { Command, CommanderError } from "commander";
import { addBench } from "./bench.ts";
import { addChat } from "./chat.ts";
import { addConvert } from "./convert.ts";
import { addFim } from "./fim.ts";
import { addGenerate } from "./generate.ts";
import { addGrammar } from "./grammar.ts";
import { addInspect } from "./inspect.ts";
import { addPull } from "./pull.ts";
import { addScore } from "./score.ts";
import { addServe } from "./serve.ts";
import { addTokenize } from "./tokenize.ts";
import { tour } from "./tour.ts";
import { addTune } from "./tune.ts";

const program = new Command("plainformer")
  .description("A transformer in pure TypeScript. Without a command: a short tour.")
  .option("--verbose", "show where in the code an error came from")
  .showHelpAfterError("(add --help for what is possible)")
  .action(tour);
const commands = [
  addGenerate,
  addChat,
  addFim,
  addGrammar,
  addTokenize,
  addServe,
  addScore,
  addTune,
  addInspect,
  addConvert,
  addPull,
  addBench,
];
for (const add of commands) add(program);
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
  return error instanceof RangeError || error instanceof TypeError ? 2 : 1;
}
