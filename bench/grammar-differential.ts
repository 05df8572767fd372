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
import { compileGrammar } from "../src/decode/grammar/grammar.ts";
import { vocabularyOf } from "../src/decode/grammar/token-trie.ts";
import { defaultModel } from "../src/plainformer.ts";
import { loadTokenizer } from "../src/tokenizer/tokenizer.ts";
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

/** In the child: one verdict a line, so that what came before a crash is not lost. */
async function judge(file: string): Promise<void> {
  const name = "@mlc-ai/web-xgrammar";
  Object.assign(globalThis, { require: createRequire(import.meta.url), __dirname: ".", __filename: "x" }); // it expects them
  await import(name);
  const { xgrammar } = globalThis as unknown as { xgrammar: XGrammar };
  const { schema, texts }: { schema: unknown; texts: string[] } = JSON.parse(readFileSync(file, "utf8"));
  const grammar = await xgrammar.Grammar.fromJSONSchema(JSON.stringify(schema), true, undefined, undefined, false);
  for (const text of texts) console.log(`verdict ${await xgrammar.Testings.isGrammarAcceptString(grammar, text)}`);
}

async function compare(): Promise<void> {
  const vocabulary = vocabularyOf(await loadTokenizer(defaultModel));
  const random = noiseSource(41);
  const mutated = mutator(random);
  const directory = mkdtempSync(join(tmpdir(), "differential-"));
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
  for (const [i, schema] of schemas.entries()) {
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
    const file = join(directory, `${i}.json`);
    writeFileSync(file, JSON.stringify({ schema, texts }));
    const child = spawnSync(process.execPath, [...process.execArgv, fileURLToPath(import.meta.url), file], {
      encoding: "utf8",
      timeout: 20_000,
    });
    const verdicts = [...child.stdout.matchAll(/^verdict (\w+)$/gm)].map(([, verdict]) => verdict === "true");
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

const file = process.argv[2];
await (file === undefined ? compare() : judge(file));
