// What comes out, judged by others: random weights at temperature 1.5 write under each of a hundred schemas, and JSON.parse
// and ajv judge. In the long run twenty texts for each schema (2,000 in all) instead of one.

import { Ajv2020 } from "ajv/dist/2020.js";
import ajvFormats from "ajv-formats";
import { beforeAll, describe, expect, test } from "vitest";
import { compileGrammar } from "../../../src/decode/grammar/grammar.ts";
import { type Vocabulary, vocabularyOf } from "../../../src/decode/grammar/token-trie.ts";
import { defaultModel } from "../../../src/plainformer.ts";
import { loadTokenizer } from "../../../src/tokenizer/load-tokenizer.ts";
import { times } from "../../long.ts";
import { generate, noiseSource } from "./generate.ts";
import { schemas } from "./schemas.ts";

const rounds = times(1, 20);
const addFormats = ajvFormats as unknown as (ajv: Ajv2020) => void;

let vocabulary: Vocabulary;
let stopped = 0;
beforeAll(async () => {
  vocabulary = vocabularyOf(await loadTokenizer(defaultModel));
});

describe("generated text is valid", () => {
  const random = noiseSource(5);
  test.each(schemas.map((schema, i) => [i, JSON.stringify(schema).slice(0, 80), schema] as const))(
    "%i %s",
    (_, __, schema) => {
      const ajv = new Ajv2020({ strict: false });
      addFormats(ajv);
      const isValid = ajv.compile(schema);
      const grammar = compileGrammar({ kind: "json_schema", schema });
      for (let round = 0; round < rounds; round++) {
        const { text, finished } = generate(grammar, vocabulary, random, 200);
        if (finished === "length") continue;
        stopped++;
        expect(isValid(JSON.parse(text)), `${text}: ${JSON.stringify(isValid.errors)}`).toBe(true);
      }
    },
  );

  test("most texts came to their end", () => {
    expect(stopped).toBeGreaterThan(0.7 * rounds * schemas.length);
  });
});
