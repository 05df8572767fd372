// plainformer grammar: is a JSON Schema supported, and which files does it accept? The grammar is the one that constrains
// generation, read with more white space.

import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { expectedAfter } from "../decode/grammar/expected.ts";
import { checked, compileGrammar, type GrammarSpec } from "../decode/grammar/grammar.ts";
import { read } from "../decode/grammar/matcher.ts";
import { mayEnd } from "../decode/grammar/recognizer.ts";
import { FieldError } from "../field-error.ts";
import { readJson } from "./options.ts";

interface Options {
  schema?: string;
  check?: string[];
  json?: true;
}

interface Verdict {
  file: string;
  accepted: boolean;
  /** The first byte that cannot stand where it stands; the size of the file if that is incomplete. */
  byte?: number;
  expected?: string;
}

export function addGrammar(program: Command): void {
  program
    .command("grammar")
    .description("Whether a JSON Schema is supported, and whether it accepts files. Exit code 0: yes to all.")
    .option("--schema <file>", "a JSON Schema; any JSON value without it")
    .option("--check <file...>", "the texts to judge")
    .option("--json", "one JSON object")
    .action(grammar);
}

async function grammar({ schema, check = [], json }: Options): Promise<void> {
  const spec: GrammarSpec =
    schema === undefined ? { kind: "json" } : { kind: "json_schema", schema: await readJson(schema) };
  let recognizer: ReturnType<typeof compileGrammar>["recognizer"];
  try {
    ({ recognizer } = compileGrammar(spec, checked));
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    console.log(json ? JSON.stringify({ supported: false, error: error.problem }) : `not supported: ${error.problem}`);
    process.exitCode = 1;
    return;
  }

  const verdicts: Verdict[] = [];
  for (const file of check) {
    const bytes = await readFile(file);
    const after = read(recognizer, recognizer.start, bytes);
    if (after.read === bytes.length && after.frames.some(mayEnd)) verdicts.push({ file, accepted: true });
    else verdicts.push({ file, accepted: false, byte: after.read, expected: expectedAfter(recognizer, after.frames) });
  }
  if (json) console.log(JSON.stringify({ supported: true, files: verdicts }));
  else if (check.length === 0) console.log("supported");
  for (const { file, accepted, byte, expected } of json ? [] : verdicts)
    console.log(`${file}: ${accepted ? "accepted" : `refused at byte ${byte}: expected ${expected}`}`);
  if (verdicts.some(({ accepted }) => !accepted)) process.exitCode = 1;
}
