// Against ajv, on values that are almost right: generated texts are parsed, changed in one place and written again, their
// keys in the schema's order. What the grammar accepts, ajv accepts; what ajv accepts and the grammar does not is one of the
// narrowings listed here, each on purpose. In the long run twenty texts for each schema instead of two.

import { Ajv2020 } from "ajv/dist/2020.js";
import ajvFormats from "ajv-formats";
import { expect, test } from "vitest";
import { compileGrammar } from "../../../src/decode/grammar/grammar.ts";
import { vocabularyOf } from "../../../src/decode/grammar/token-trie.ts";
import { defaultModel } from "../../../src/plainformer.ts";
import { loadTokenizer } from "../../../src/tokenizer/load-tokenizer.ts";
import { times } from "../../long.ts";
import { check } from "./check.ts";
import { generate, noiseSource } from "./generate.ts";
import { inOrder, namesIn } from "./key-order.ts";
import { mutator, scalars } from "./mutate.ts";
import { schemas } from "./schemas.ts";

const vocabulary = vocabularyOf(await loadTokenizer(defaultModel));
const random = noiseSource(23);
const rounds = times(2, 20);
const mutated = mutator(random);

/** Why the grammar may refuse what ajv takes. */
const narrowings: [why: string, applies: (text: string, schema: string) => boolean][] = [
  ["numbers between bounds, and whole numbers, are written without an exponent", (text) => /\de[+-]?\d/.test(text)],
  [
    "numbers between bounds have no more than the 15 digits that a double keeps apart",
    (text) => /\d{4}\.\d{9,}|\.\d{13,}/.test(text),
  ],
  [
    "multiples end where a double no longer knows its remainder",
    (text, schema) => /"multipleOf"/.test(schema) && /\d{16}/.test(text),
  ],
  ["numbers have at most 40 digits", (text) => /\d{41}/.test(text)],
  ["formats are narrower than some readers take them", (_, schema) => /"format"/.test(schema)],
  ["strings hold no half of a surrogate pair", (text) => /\\ud[89a-f]/.test(text)],
  ["a const that is an object keeps its order", (_, schema) => /"const":\{/.test(schema)],
];

test("what is accepted is valid; what is valid is accepted, or refused for a known reason", () => {
  const unexplained: string[] = [];
  const counts = { both: 0, neither: 0, narrowed: 0 };
  for (const schema of schemas) {
    const ajv = new Ajv2020({ strict: false });
    (ajvFormats as unknown as (ajv: Ajv2020) => void)(ajv);
    const isValid = ajv.compile(schema);
    const grammar = compileGrammar({ kind: "json_schema", schema });
    const order = namesIn(schema);
    for (let round = 0; round < rounds; round++) {
      const { text, finished } = generate(grammar, vocabulary, random, 60);
      let value: unknown = finished === "stop" ? JSON.parse(text) : scalars[round];
      for (let change = 0; change < 6; change++) {
        value = change === 3 && finished === "stop" ? mutated(JSON.parse(text)) : mutated(value);
        const written = JSON.stringify(inOrder(value, order));
        const valid = isValid(JSON.parse(written));
        const accepted = check(grammar, written) === "accepted";
        if (accepted && !valid)
          expect.fail(`${JSON.stringify(schema)} accepts ${written}: ${JSON.stringify(isValid.errors)}`);
        if (accepted) counts.both++;
        else if (!valid) counts.neither++;
        else if (narrowings.some(([, applies]) => applies(written, JSON.stringify(schema)))) counts.narrowed++;
        else unexplained.push(`${JSON.stringify(schema).slice(0, 200)} refuses ${written}`);
      }
    }
  }
  expect(unexplained).toEqual([]);
  // A test that never saw either side would prove nothing.
  expect(counts.both).toBeGreaterThan(140);
  expect(counts.neither).toBeGreaterThan(200);
  expect(counts.narrowed).toBeLessThan(counts.both);
});
