// A fault names the flag or argument that its value came by, and exits with 2; anything else is a failure, with 1.

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import { sentenceOf } from "../../src/cli/report.ts";
import { decodeParameterNames } from "../../src/decode/parameters.ts";
import { FieldError } from "../../src/field-error.ts";
import { loadOptionNames } from "../../src/served-model.ts";
import { runHere } from "./in-process.ts";

const program = await createProgram();
const command = (name: string) => program.commands.find((command) => command.name() === name);

test.each([
  ["generate", "maxTokens", "--max-tokens"],
  ["generate", "stop[1]", "--stop"],
  ["generate", "input[0]", "text[0]"],
  ["generate", "input", "text"],
  ["generate", "grammar.schema", "--schema"],
  ["generate", "grammar", "--json-object"],
  ["score", "input", "input"],
  ["score", "targets[1]", "targets[1]"],
  ["fim", "room", "--max-tokens"],
  ["tune", "warmupSteps", "--warmup"],
  ["tune", "maxNorm", "--clip"],
  ["tune", "train", "--data"],
  ["tune", "share", "--hold-out"],
  ["serve", "rateLimit", "--rate-limit"],
  ["serve", "maxRunning", "--max-running"],
  ["inspect", "names[0]", "--trace"],
  ["inspect", "nothing.of.the.kind", "nothing.of.the.kind"],
])("%s: %s is %s", (name, field, flag) => {
  expect(sentenceOf(new FieldError(field, "no"), command(name))).toBe(`${flag}: no`);
});

test("every flag that gives a parameter or an option of loading is found by that name", () => {
  const library = { ...decodeParameterNames, ...loadOptionNames };
  for (const { name, options } of program.commands.map((command) => ({
    name: command.name(),
    options: command.options,
  })))
    for (const option of options)
      if (Object.hasOwn(library, option.attributeName()))
        expect(sentenceOf(new FieldError(option.attributeName(), "no"), command(name))).toBe(`${option.long}: no`);
});

const folder = mkdtempSync(join(tmpdir(), "plainformer-report-"));
const schema = join(folder, "schema.json");
writeFileSync(schema, '{"type":"object","properties":{"a":{"$ref":"https://example.com/a.json"}}}');
const one = join(folder, "one.jsonl");
writeFileSync(one, '{"prompt":"a","completion":"b"}\n{"prompt":"a"}\n');

test.each<[string[], number, string | RegExp]>([
  [["generate", "a", "--top-p", "1.5"], 2, "--top-p: got 1.5, expected a number from 0 to 1"],
  [["generate", "a", "--stop", ""], 2, "--stop: it is empty, expected at least one character"],
  [["generate", "a", "--schema", schema], 2, /^--schema: .*"\$ref".* is not supported/],
  [["score", "a", "b", ""], 2, "targets[1]: it is empty, expected at least one token"],
  [["bench", "--rounds", "0"], 2, "--rounds: got 0, expected a whole number ≥ 1"],
  [["fim", "--prefix", "a", "--max-tokens", "99999"], 2, /^--max-tokens: /],
  [["tune", "--data", one, "--out", folder], 2, `${one}, line 2: completion is missing, expected a text`],
  [["serve", "--model", "hf:a/b"], 2, /^--model: got hf:a\/b, and the server downloads nothing/],
  [
    ["serve", "--model", "http://127.0.0.1/m"],
    2,
    "--model: got http://127.0.0.1/m, and the server downloads nothing; give a path",
  ],
  [["serve", "--cache-tokens", "0"], 2, "--cache-tokens: got 0, expected a whole number ≥ 1"],
  [["generate", "a", "--model", "/nowhere"], 1, /^\/nowhere/],
])("%j", async (args, code, line) => {
  const outcome = await runHere(args);
  expect({ code: outcome.code, out: outcome.out, lines: outcome.err.split("\n").length }).toEqual({
    code,
    out: "",
    lines: 2,
  });
  const said = outcome.err.replace(/^plainformer: /, "").trimEnd();
  if (typeof line === "string") expect(said).toBe(line);
  else expect(said).toMatch(line);
});
