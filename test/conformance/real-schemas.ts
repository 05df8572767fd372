// Schemas that people wrote for other programs: how many compile, and whether what is then written is valid. Reads every .json
// file below the given folders (a schema, an OpenAPI document's component schemas, or a file of JSONSchemaBench's masks with
// a schema and instances) and has random text written under each; ajv judges. Where the schemas come from and how they are
// fetched: fetch-real-schemas.sh.
// Run: npx tsx test/conformance/real-schemas.ts FOLDER... [--every N] [--texts N] [--from N]

import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { Ajv, type Options } from "ajv";
import { Ajv2019 } from "ajv/dist/2019.js";
import { Ajv2020 } from "ajv/dist/2020.js";
import ajvFormats from "ajv-formats";
import { compileGrammar, type Grammar } from "../../src/decode/grammar/grammar.ts";
import { vocabularyOf } from "../../src/decode/grammar/token-trie.ts";
import { FieldError } from "../../src/field-error.ts";
import { defaultModel } from "../../src/plainformer.ts";
import { loadTokenizer } from "../../src/tokenizer/load-tokenizer.ts";
import { generate, noiseSource } from "../decode/grammar/generate.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    every: { type: "string", default: "1" },
    from: { type: "string", default: "0" },
    texts: { type: "string", default: "10" },
    tokens: { type: "string", default: "300" },
  },
});

interface Found {
  name: string;
  schema: unknown;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The schemas in a file. */
function* schemasIn(file: string, name: string): Generator<Found> {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return;
  }
  if (!isObject(json)) return;
  const { components, definitions, schema, tests } = json;
  if (typeof json.openapi === "string" && isObject(components) && isObject(components.schemas)) {
    for (const part of Object.keys(components.schemas))
      yield { name: `${name}#${part}`, schema: { $ref: `#/components/schemas/${part}`, components } };
  } else if (typeof json.swagger === "string" && isObject(definitions)) {
    for (const part of Object.keys(definitions))
      yield { name: `${name}#${part}`, schema: { $ref: `#/definitions/${part}`, definitions } };
  } else yield { name, schema: Array.isArray(tests) ? schema : json };
}

/** ajv for a schema's draft; undefined if it does not take the schema. */
function judgeOf(schema: unknown): ((value: unknown) => boolean) | undefined {
  const draft = isObject(schema) ? String(schema.$schema ?? "") : "";
  const options: Options = { strict: false, validateSchema: false, logger: false, multipleOfPrecision: 9 };
  const Judge = /2020-12/.test(draft) ? Ajv2020 : /2019-09/.test(draft) ? Ajv2019 : Ajv;
  try {
    const ajv = new Judge(options);
    (ajvFormats as unknown as (ajv: Ajv) => void)(ajv as Ajv);
    const { $schema: _, ...rest } = isObject(schema) ? schema : { $schema: undefined };
    const isValid = ajv.compile(isObject(schema) ? asDraft7(rest, /draft-04/.test(draft)) : (schema as boolean));
    return (value) => isValid(value) as boolean;
  } catch {
    return undefined;
  }
}

/** Draft 4's spelling of exclusive bounds and of `$id`, which ajv no longer reads. */
function asDraft7(schema: Record<string, unknown>, isDraft4: boolean): Record<string, unknown> {
  const made: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    if (value === null && key !== "const" && key !== "default") continue;
    const bound = { exclusiveMinimum: "minimum", exclusiveMaximum: "maximum" }[key];
    if (bound && typeof value === "boolean") {
      if (value) made[key] = schema[bound];
    } else if (!(isDraft4 && key === "id" && typeof value === "string")) {
      made[key] = Array.isArray(value)
        ? value.map((item) => (isObject(item) ? asDraft7(item, isDraft4) : item))
        : isObject(value)
          ? asDraft7(value, isDraft4)
          : value;
    }
  }
  return made;
}

const vocabulary = vocabularyOf(await loadTokenizer(defaultModel));
const random = noiseSource(17);
const counts = { schemas: 0, compiled: 0, judged: 0, texts: 0, complete: 0, invalid: 0 };
const refused = new Map<string, { count: number; example: string }>();
const compileTimes: number[] = [];
const wrong: string[] = [];

let seen = 0;
for (const folder of positionals)
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith(".json")) continue;
    const file = join(entry.parentPath, entry.name);
    for (const { name, schema } of schemasIn(file, relative(folder, file))) {
      if ((seen++ - Number(values.from)) % Number(values.every) !== 0) continue;
      tryOut(name, schema);
    }
  }

function tryOut(name: string, schema: unknown): void {
  counts.schemas++;
  const start = performance.now();
  let grammar: Grammar;
  try {
    grammar = compileGrammar({ kind: "json_schema", schema });
  } catch (error) {
    if (!(error instanceof FieldError)) throw new Error(name, { cause: error });
    const kind = error.problem.replace(/ \(at .*/, "").replace(/"[^"]{20,}"|\d+/g, "…");
    const known = refused.get(kind) ?? { count: 0, example: `${name}: ${error.message}` };
    refused.set(kind, { ...known, count: known.count + 1 });
    return;
  } finally {
    compileTimes.push(performance.now() - start);
  }
  counts.compiled++;
  const isValid = judgeOf(schema);
  if (isValid) counts.judged++;
  for (let i = 0; i < Number(values.texts); i++) {
    const { text, finished } = generate(grammar, vocabulary, random, Number(values.tokens));
    counts.texts++;
    if (finished !== "stop") continue;
    counts.complete++;
    if (!isValid || isValid(JSON.parse(text))) continue;
    counts.invalid++;
    wrong.push(`${name}: ${text.slice(0, 300)}`);
    return;
  }
}

const quantile = (q: number) => compileTimes.sort((a, b) => a - b)[Math.floor((compileTimes.length - 1) * q)];
console.log(counts, `compiled ${((100 * counts.compiled) / counts.schemas).toFixed(1)} %`);
console.log(
  `compile: median ${quantile(0.5).toFixed(2)} ms, p99 ${quantile(0.99).toFixed(1)} ms, longest ${quantile(1).toFixed(0)} ms`,
);
for (const [kind, { count, example }] of [...refused].sort(([, a], [, b]) => b.count - a.count))
  console.log(`refused ${count}: ${kind}\n    ${example}`);
for (const line of wrong) console.log(`INVALID ${line}`);
process.exitCode = counts.invalid > 0 ? 1 : 0;
