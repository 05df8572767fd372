// Random schemas of every keyword and random values, judged by ajv: nothing that is accepted is invalid, written or judged;
// and what is valid and refused is refused for a reason with a name. In the long run 100,000 pairs and more.

import { Ajv2020 } from "ajv/dist/2020.js";
import ajvFormats from "ajv-formats";
import { expect, test } from "vitest";
import { checked, compileGrammar, type Grammar, written } from "../../../src/decode/grammar/grammar.ts";
import { vocabularyOf } from "../../../src/decode/grammar/token-trie.ts";
import { FieldError } from "../../../src/field-error.ts";
import { defaultModel } from "../../../src/plainformer.ts";
import { loadTokenizer } from "../../../src/tokenizer/load-tokenizer.ts";
import { long, times } from "../../long.ts";
import { check } from "./check.ts";
import { generate, noiseSource } from "./generate.ts";
import { inOrder, namesIn } from "./key-order.ts";
import { mutator } from "./mutate.ts";
import { schemaSource, valueSource } from "./random-schemas.ts";

const rounds = times(150, 6000);
const vocabulary = vocabularyOf(await loadTokenizer(defaultModel));
const random = noiseSource(29);
const schemaOf = schemaSource(random);
const randomValue = valueSource(random);
const mutated = mutator(random);

/** Why a schema may be refused. */
const refusals = [
  /several "contains"/,
  /"uniqueItems" is supported only/,
  /cannot be satisfied/,
  /multiply to more than/,
];
interface Pair {
  readonly schema: string;
  readonly text: string;
  readonly judged: boolean;
  readonly grammar: Grammar;
}

/** Why a valid value may be refused: there are no other reasons. */
const narrowings: Record<string, { why: string; applies(pair: Pair): boolean }> = {
  order: {
    why: "what is written has its keys in the order of the schemas that apply; they may be several, and the test knows one",
    applies: ({ text, judged }) => !judged && /\{.*:.*:/.test(text),
  },
  constants: {
    why: "what is written as an object of enum or const has its keys in their order",
    applies: ({ schema, text, judged }) => !judged && /"(?:const|enum)":.*\{/.test(schema) && /\{/.test(text),
  },
  plainest: {
    why: "of many ways not to match a schema only the plainest are written, and a key that some key must be comes first",
    applies: ({ judged, grammar }) => !judged && grammar.narrowed.length > 0,
  },
  exponent: {
    why: "multiples, fractions, and numbers that are not some, are written without an exponent",
    applies: ({ schema, text, judged }) =>
      !judged && /"multipleOf"|"not"|oneOf|"if"|"const"|"enum"/.test(schema) && /\de[+-]?\d/.test(text),
  },
  digits: {
    why: "multiples end where a double no longer knows its remainder",
    applies: ({ schema, text }) => /"multipleOf"/.test(schema) && /\d{14}|e\+?(?:1[4-9]|[2-9]\d)/.test(text),
  },
  precision: {
    why: "numbers that are not some have at most the 15 digits with which no two are the same double",
    applies: ({ schema, text, judged }) =>
      !judged && /"not"|oneOf|"if"|"multipleOf"/.test(schema) && /\d{16}/.test(text.replaceAll(".", "")),
  },
  judged: {
    why: "of a judged object, of many ways not to match a schema only the plainest are known",
    applies: ({ judged, grammar }) => judged && grammar.narrowed.length > 0,
  },
};

test("what is accepted is valid; what is valid is accepted, or refused for a known reason", () => {
  const counts = { pairs: 0, accepted: 0, invalid: 0, narrowed: 0, schemas: 0, refused: 0 };
  const byReason: Record<string, number> = {};
  const wrong: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const schema = schemaOf(2);
    const ajv = new Ajv2020({ strict: false, allErrors: false, logger: false, multipleOfPrecision: 9 });
    (ajvFormats as unknown as (ajv: Ajv2020) => void)(ajv);
    const isValid = ajv.compile(schema as object);
    const shown = JSON.stringify(schema);
    const grammars: { grammar: Grammar; judged: boolean }[] = [];
    for (const style of [written, checked]) {
      try {
        grammars.push({ grammar: compileGrammar({ kind: "json_schema", schema }, style), judged: style.judged });
      } catch (error) {
        if (!(error instanceof FieldError)) throw new Error(shown, { cause: error });
        expect(
          refusals.some((known) => known.test(error.message)),
          `${shown}: ${error.message}`,
        ).toBe(true);
        // What cannot be satisfied has no valid value.
        if (/cannot be satisfied/.test(error.message))
          for (let i = 0; i < 20; i++) {
            const value = randomValue(2);
            if (isValid(value)) wrong.push(`${shown} has a value: ${JSON.stringify(value)}`);
          }
      }
    }
    counts.schemas++;
    if (grammars.length < 2) counts.refused++;
    const order = namesIn(schema);
    const values: unknown[] = Array.from({ length: 8 }, () => randomValue(2));
    const writing = grammars.find(({ judged }) => !judged);
    if (writing)
      for (let i = 0; i < 2; i++) {
        const { text, finished } = generate(writing.grammar, vocabulary, random, 40);
        if (finished !== "stop") continue;
        const value: unknown = JSON.parse(text);
        if (!isValid(value)) wrong.push(`${shown} writes ${text}`);
        values.push(mutated(value), mutated(JSON.parse(text)));
      }
    for (const value of values)
      for (const { grammar, judged } of grammars) {
        const text = JSON.stringify(judged ? value : inOrder(value, order));
        const valid = isValid(JSON.parse(text));
        const accepted = check(grammar, text) === "accepted";
        counts.pairs++;
        if (accepted) counts.accepted++;
        if (!valid) counts.invalid++;
        if (accepted && !valid) wrong.push(`${shown} accepts ${text}${judged ? " (judged)" : ""}`);
        if (!valid || accepted) continue;
        const reason = Object.keys(narrowings).find((name) =>
          narrowings[name].applies({ schema: shown, text, judged, grammar }),
        );
        if (reason !== undefined) {
          counts.narrowed++;
          byReason[reason] = (byReason[reason] ?? 0) + 1;
        } else wrong.push(`${shown} refuses ${text}${judged ? " (judged)" : ""}`);
      }
  }
  if (long) console.log(counts, byReason);
  expect(wrong.slice(0, 5)).toEqual([]);
  // A test that never saw either side would prove nothing.
  expect(counts.accepted).toBeGreaterThan(0.1 * counts.pairs);
  expect(counts.invalid).toBeGreaterThan(0.1 * counts.pairs);
  expect(counts.narrowed).toBeLessThan(0.1 * counts.accepted);
  expect(counts.refused).toBeLessThan(0.35 * counts.schemas);
});
