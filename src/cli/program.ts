// The command line: one program, one file per command. Results go to stdout, everything else to stderr; exit 0 is good,
// 1 a failure, 2 wrong use.

import { Command, CommanderError } from "commander";
import { FieldError } from "../field-error.ts";
import { sentenceOf } from "./report.ts";
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

/** The program with the command `name`, or with all of them where there is none of that name. */
export async function createProgram(name?: string): Promise<Command> {
  const program = new Command("plainformer")
    .description("A transformer in pure TypeScript. Without a command: a short tour.")
    .option("--verbose", "show where in the code an error came from")
    .showHelpAfterError("(add --help for what is possible)")
    .action(tour);
  const asked = name === undefined ? undefined : commands[name];
  for (const command of asked ? [asked] : Object.values(commands)) (await command())(program);
  for (const command of [program, ...program.commands]) command.exitOverride().allowExcessArguments(false);
  return program;
}

/** Runs the program with a user's arguments. A failure sets the process's exit code. */
export async function run(args: readonly string[]): Promise<void> {
  const program = await createProgram(args[0]);
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    process.exitCode = report(error, program, args[0]);
  }
}

/** One line for people; the exit code. */
function report(error: unknown, program: Command, name: string | undefined): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2; // it has printed its own line
  const command = program.commands.find((command) => command.name() === name);
  console.error(`plainformer: ${sentenceOf(error, command)}`);
  if (program.opts().verbose && error instanceof Error) console.error(error.stack);
  return error instanceof FieldError ? 2 : 1;
}
