// Who is right: values that are valid or almost valid under the schemas of the tests, judged by ajv, by our grammar and by
// @mlc-ai/web-xgrammar (in a child process, because it can crash). Prints how often each accepts what ajv refuses, and the
// other way round. Keys stand in the schema's order, which both grammars fix.
// Run: npm --prefix bench install && npx tsx bench/grammar-differential.ts

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import ajvFormats from "ajv-formats";
import { compileGrammar, type Grammar } from "../src/decode/grammar/grammar.ts";
import { vocabularyOf } from "../src/decode/grammar/token-trie.ts";
import { defaultModel } from "../src/plainformer.ts";
import { loadTokenizer } from "../src/tokenizer/load-tokenizer.ts";
import { check } from "../test/decode/grammar/check.ts";
import { generate, noiseSource } from "../test/decode/grammar/generate.ts";
import { inOrder, namesIn } from "../test/decode/grammar/key-order.ts";
import { mutator } from "../test/decode/grammar/mutate.ts";
import { schemas } from "../test/decode/grammar/schemas.ts";
import { table } from "./measure.ts";

interface XGrammar {
  Grammar: {
    fromJSONSchema(
      schema: string,
      anySpace: boolean,
      indent: undefined,
      separators: undefined,
      strict: boolean,
    ): Promise<unknown>;
  };
  Testings: { isGrammarAcceptString(grammar: unknown, text: string): Promise<boolean> };
}

interface Case {
  schema: unknown;
  texts: string[];
}

/** In the child: one verdict a line, so that what came before a crash is not lost. */
async function judge(file: string, from: number): Promise<void> {
  const name = "@mlc-ai/web-xgrammar";
  Object.assign(globalThis, { require: createRequire(import.meta.url), __dirname: ".", __filename: "x" }); // it expects them
  await import(name);
  const { xgrammar } = globalThis as unknown as { xgrammar: XGrammar };
  const cases: Case[] = JSON.parse(readFileSync(file, "utf8"));
  for (const [i, { schema, texts }] of cases.entries()) {
    if (i < from) continue;
    console.log(`case ${i}`);
    try {
      const grammar = await xgrammar.Grammar.fromJSONSchema(JSON.stringify(schema), true, undefined, undefined, false);
      for (const text of texts)
        console.log(`verdict ${i} ${await xgrammar.Testings.isGrammarAcceptString(grammar, text)}`);
    } catch {
      // Refused: its verdicts are missing.
    }
  }
}

/** Their verdicts, by case; a new child goes on behind the case at which the last one died. */
function theirVerdicts(file: string, count: number): boolean[][] {
  const verdicts: boolean[][] = Array.from({ length: count }, () => []);
  for (let from = 0; from < count; ) {
    const child = spawnSync(
      process.execPath,
      [...process.execArgv, fileURLToPath(import.meta.url), file, String(from)],
      {
        encoding: "utf8",
        timeout: 60_000,
        maxBuffer: 2 ** 26,
      },
    );
    for (const [, i, verdict] of child.stdout.matchAll(/^verdict (\d+) (\w+)$/gm))
      verdicts[Number(i)].push(verdict === "true");
    const last = [...child.stdout.matchAll(/^case (\d+)$/gm)].at(-1)?.[1];
    if (last === undefined) throw new Error(child.stderr);
    from = Number(last) + 1;
  }
  return verdicts;
}

async function compare(): Promise<void> {
  const vocabulary = vocabularyOf(await loadTokenizer(defaultModel));
  const random = noiseSource(41);
  const mutated = mutator(random);
  const counts = {
    values: 0,
    valid: 0,
    oursWrong: 0,
    oursNarrow: 0,
    theirs: 0,
    theirsValid: 0,
    theirsWrong: 0,
    theirsNarrow: 0,
    refused: 0,
  };
  const wrong: string[] = [];
  const cases: Case[] = [];
  const judges: { isValid(value: unknown): boolean; grammar: Grammar }[] = [];
  for (const schema of schemas) {
    const ajv = new Ajv2020({ strict: false });
    (ajvFormats as unknown as (ajv: Ajv2020) => void)(ajv);
    const isValid = ajv.compile(schema);
    const grammar = compileGrammar({ kind: "json_schema", schema });
    const order = namesIn(schema);
    const texts: string[] = [];
    for (let round = 0; round < 6; round++) {
      const { text, finished } = generate(grammar, vocabulary, random, 60);
      let value: unknown = finished === "stop" ? JSON.parse(text) : 1;
      for (let change = 0; change < 4; change++) {
        texts.push(JSON.stringify(inOrder(value, order)));
        value = mutated(value);
      }
    }
    cases.push({ schema, texts });
    judges.push({ isValid, grammar });
  }
  const file = join(mkdtempSync(join(tmpdir(), "differential-")), "cases.json");
  writeFileSync(file, JSON.stringify(cases));
  const all = theirVerdicts(file, cases.length);
  for (const [i, { schema, texts }] of cases.entries()) {
    const { isValid, grammar } = judges[i];
    const verdicts = all[i];
    if (verdicts.length < texts.length) counts.refused++;
    for (const [at, text] of texts.entries()) {
      const valid = isValid(JSON.parse(text));
      const ours = check(grammar, text) === "accepted";
      counts.values++;
      if (valid) counts.valid++;
      if (ours && !valid) counts.oursWrong++;
      if (!ours && valid) counts.oursNarrow++;
      if (at >= verdicts.length) continue;
      counts.theirs++;
      if (valid) counts.theirsValid++;
      if (verdicts[at] && !valid) {
        counts.theirsWrong++;
        if (wrong.length < 12 && !wrong.some((line) => line.startsWith(`${i}:`)))
          wrong.push(`${i}: ${JSON.stringify(schema).slice(0, 90)} accepts ${text.slice(0, 60)}`);
      }
      if (!verdicts[at] && valid) counts.theirsNarrow++;
    }
  }
  const row = (who: string, values: number, valid: number, wrong: number, narrow: number, refused: number) =>
    [who, values, valid, wrong, narrow, refused].map(String);
  console.log(
    table(
      [
        "",
        "values judged",
        "valid (ajv)",
        "invalid, accepted",
        "valid, refused",
        `schemas refused or crashed of ${schemas.length}`,
      ],
      [
        row("plainformer", counts.values, counts.valid, counts.oursWrong, counts.oursNarrow, 0),
        row("web-xgrammar", counts.theirs, counts.theirsValid, counts.theirsWrong, counts.theirsNarrow, counts.refused),
      ],
    ),
  );
  console.log(`\nweb-xgrammar accepts, for example:\n${wrong.join("\n")}`);
}

const [, , file, from] = process.argv;
await (file === undefined ? compare() : judge(file, Number(from)));
