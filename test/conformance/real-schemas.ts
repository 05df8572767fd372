// Schemas that people wrote for other programs: how many compile, and whether what is then written is valid. Reads the folders
// of fetch-real-schemas.sh, one for each source: every .json file in them is a schema, or an OpenAPI document, of which some
// component schemas are taken. Random text is written under each; ajv judges.
// Run: npx tsx test/conformance/real-schemas.ts FOLDER [--every N] [--from N] [--texts N] [--source WORD]

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Ajv, type Options } from "ajv";
import { Ajv2019 } from "ajv/dist/2019.js";
import { Ajv2020 } from "ajv/dist/2020.js";
import ajvFormats from "ajv-formats";
import { table } from "../../bench/measure.ts";
import { compileGrammar, type Grammar } from "../../src/decode/grammar/grammar.ts";
import { createConstraint } from "../../src/decode/grammar/matcher.ts";
import { vocabularyOf } from "../../src/decode/grammar/token-trie.ts";
import { FieldError } from "../../src/field-error.ts";
import { defaultModel } from "../../src/plainformer.ts";
import { loadTokenizer } from "../../src/tokenizer/load-tokenizer.ts";
import { noiseSource } from "../decode/grammar/generate.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    every: { type: "string", default: "1" },
    from: { type: "string", default: "0" },
    texts: { type: "string", default: "10" },
    tokens: { type: "string", default: "300" },
    source: { type: "string", default: "" },
    file: { type: "string", default: "" },
    slowest: { type: "string", default: "3" },
  },
});
/** Schemas taken of one OpenAPI document. */
const ofDocument = 3;

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
  const { components, definitions, openapi, swagger, tests } = json;
  if (typeof openapi === "string" && isObject(components) && isObject(components.schemas))
    yield* partsOf(components.schemas, "#/components/schemas/", name, (schemas) => ({ components: { schemas } }));
  else if (typeof swagger === "string" && isObject(definitions))
    yield* partsOf(definitions, "#/definitions/", name, (definitions) => ({ definitions }));
  else if (typeof openapi !== "string" && typeof swagger !== "string" && !Array.isArray(tests))
    yield { name, schema: json };
}

/** Some of the schemas of an OpenAPI document, each with those that it refers to. */
function* partsOf(
  parts: Record<string, unknown>,
  prefix: string,
  name: string,
  placed: (parts: Record<string, unknown>) => Record<string, unknown>,
): Generator<Found> {
  const names = Object.keys(parts);
  const step = Math.max(1, Math.floor(names.length / ofDocument));
  for (let i = 0; i < names.length && i < ofDocument * step; i += step) {
    const needed = new Set([names[i]]);
    for (const part of needed)
      for (const [, text] of JSON.stringify(parts[part] ?? null).matchAll(/"\$ref":"([^"]*)"/g))
        if (text.startsWith(prefix)) {
          const other = decodeURIComponent(text.slice(prefix.length)).replaceAll("~1", "/").replaceAll("~0", "~");
          if (Object.hasOwn(parts, other)) needed.add(other);
        }
    const kept = Object.fromEntries([...needed].map((part) => [part, parts[part]]));
    const pointer = encodeURI(names[i].replaceAll("~", "~0").replaceAll("/", "~1"));
    yield { name: `${name}#${names[i]}`, schema: { $ref: `${prefix}${pointer}`, ...placed(kept) } };
  }
}

/** Whether a number is a multiple, by its decimals: ajv divides doubles, which from 10^13 on has no right answer to cents. */
function isMultiple(value: number, of: number): boolean {
  const decimal = (number: number): [digits: bigint, decimals: number] => {
    const [mantissa, exponent = "0"] = String(number).split("e");
    const [whole, fraction = ""] = mantissa.split(".");
    return [BigInt(whole + fraction), fraction.length - Number(exponent)];
  };
  const [[a, behindA], [b, behindB]] = [decimal(value), decimal(of)];
  const scale = Math.max(behindA, behindB);
  return (a * 10n ** BigInt(scale - behindA)) % (b * 10n ** BigInt(scale - behindB)) === 0n;
}

/** ajv for a schema's draft, which gives what is wrong with a value; undefined if it does not take the schema. */
function judgeOf(schema: unknown): ((value: unknown) => string | undefined) | undefined {
  const draft = isObject(schema) ? String(schema.$schema ?? "") : "";
  const options: Options = { strict: false, validateSchema: false, logger: false };
  const Judge = /2020-12/.test(draft) ? Ajv2020 : /2019-09/.test(draft) ? Ajv2019 : Ajv;
  try {
    const ajv = new Judge(options);
    (ajvFormats as unknown as (ajv: Ajv) => void)(ajv as Ajv);
    // Its formats of numbers are its own: JSON Schema has formats of strings alone.
    ajv.removeKeyword("multipleOf");
    ajv.addKeyword({
      keyword: "multipleOf",
      type: "number",
      validate: (of: number, value: number) => isMultiple(value, of),
    });
    for (const name of ["int32", "int64", "float", "double"]) ajv.addFormat(name, true);
    const { $schema: _, ...rest } = isObject(schema) ? schema : { $schema: undefined };
    const isValid = ajv.compile(isObject(schema) ? asRead(rest, draft) : (schema as boolean));
    return (value) => (isValid(value) ? undefined : ajv.errorsText(isValid.errors));
  } catch {
    return undefined;
  }
}

/** What ajv no longer reads as its draft has it: exclusive bounds and `id` of draft 4, and, up to draft 7, `$ref` alone. */
function asRead(schema: Record<string, unknown>, draft: string): Record<string, unknown> {
  if (typeof schema.$ref === "string" && /draft-0[467]/.test(draft)) {
    const { $ref, definitions, $defs } = schema;
    schema = { $ref, ...(definitions ? { definitions } : {}), ...($defs ? { $defs } : {}) };
  }
  const made: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    if (value === null && key !== "const" && key !== "default") continue;
    const bound = { exclusiveMinimum: "minimum", exclusiveMaximum: "maximum" }[key];
    if (bound && typeof value === "boolean") {
      if (value) made[key] = schema[bound];
    } else if (!(/draft-04/.test(draft) && key === "id" && typeof value === "string")) {
      const part = (item: unknown) => (isObject(item) ? asRead(item, draft) : item);
      made[key] = Array.isArray(value) ? value.map(part) : part(value);
    }
  }
  return made;
}

const vocabulary = vocabularyOf(await loadTokenizer(defaultModel));
const random = noiseSource(17);
const logits = new Float32Array(vocabulary.size);
/** Whether a token closes something: what is written at random alone hardly ever ends. */
const closes = Uint8Array.from({ length: vocabulary.size }, (_, id) =>
  vocabulary.tokenizer.tokenOf(id) !== undefined && /^[^[{]*["}\]]$/.test(vocabulary.tokenizer.tokenOf(id) ?? "")
    ? 1
    : 0,
);

/** Random text that a grammar admits; undefined if it has no end within the tokens there are. */
function written(grammar: Grammar): string | undefined {
  const constraint = createConstraint(grammar, vocabulary);
  const most = Number(values.tokens);
  const ids: number[] = [];
  while (ids.length < most && !constraint.finished) {
    const forced = constraint.forced();
    if (forced.length > 0) {
      for (const id of forced) constraint.accept(id);
      ids.push(...forced);
      continue;
    }
    const mayEnd = constraint.complete;
    if (mayEnd && random() < 0.3) break;
    logits.fill(0);
    constraint.mask(logits);
    const all: number[] = [];
    for (let id = 0; id < logits.length; id++) if (logits[id] === 0) all.push(id);
    const closing = all.filter((id) => closes[id] === 1);
    const isHasty = random() < (ids.length < most / 3 ? 0.2 : 0.9);
    const list = closing.length > 0 && isHasty ? closing : all;
    if (list.length === 0) {
      if (mayEnd) break;
      throw new Error("no token may come and the text is not complete");
    }
    const id = list[Math.floor(random() * list.length)];
    constraint.accept(id);
    ids.push(id);
  }
  if (!constraint.complete) return undefined;
  return new TextDecoder().decode(Buffer.concat(ids.map((id) => vocabulary.tokenizer.bytes(id))));
}

const newCounts = () => ({ schemas: 0, compiled: 0, judged: 0, texts: 0, invalid: 0 });
const counts = new Map<string, ReturnType<typeof newCounts>>();
const refused = new Map<string, { count: number; example: string }>();
const compileTimes: { name: string; time: number }[] = [];
const wrong: string[] = [];
const known = new Set<string>();

function tryOut(source: string, name: string, schema: unknown): void {
  const count = counts.get(source) ?? newCounts();
  counts.set(source, count);
  count.schemas++;
  const start = performance.now();
  let grammar: Grammar;
  try {
    grammar = compileGrammar({ kind: "json_schema", schema });
  } catch (error) {
    if (!(error instanceof FieldError)) throw new Error(name, { cause: error });
    const keyword = /\(at #(.*)\)$/.exec(error.problem)?.[1].split("/").pop() ?? "";
    const kind = `${/^\d*$/.test(keyword) ? "" : `${keyword}: `}${error.problem.replace(/ \(at .*/, "").replace(/"[^"]{12,}"|\d+/g, "…")}`;
    const before = refused.get(kind) ?? { count: 0, example: `${source} ${name}: ${error.message}` };
    refused.set(kind, { ...before, count: before.count + 1 });
    return;
  } finally {
    compileTimes.push({ name: `${source} ${name}`, time: performance.now() - start });
  }
  count.compiled++;
  const faultOf = judgeOf(schema);
  if (!faultOf) return;
  count.judged++;
  for (let i = 0; i < Number(values.texts); i++) {
    const text = written(grammar);
    if (text === undefined) continue;
    count.texts++;
    const fault = faultOf(JSON.parse(text));
    if (fault === undefined) continue;
    count.invalid++;
    wrong.push(`${source} ${name}: ${fault}: ${text.slice(0, 300)}`);
    return;
  }
}

const [root] = positionals;
let seen = 0;
for (const { name: source } of readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
  if (!source.includes(values.source)) continue;
  const files = readdirSync(join(root, source), { recursive: true, encoding: "utf8" });
  for (const file of files
    .filter((file) => file.endsWith(".json") && file.includes(values.file) && !/package\.json$/.test(file))
    .sort())
    for (const { name, schema } of schemasIn(join(root, source, file), file)) {
      if ((seen++ - Number(values.from)) % Number(values.every) !== 0) continue;
      const text = JSON.stringify(schema);
      if (known.has(text)) continue;
      known.add(text);
      tryOut(source, name, schema);
    }
}

compileTimes.sort((a, b) => a.time - b.time);
const quantile = (q: number) => compileTimes[Math.floor((compileTimes.length - 1) * q)].time;
const all = newCounts();
for (const count of counts.values()) for (const key of Object.keys(all) as (keyof typeof all)[]) all[key] += count[key];
const rows = [...counts, ["all", all] as const].map(([source, { schemas, compiled, judged, texts, invalid }]) => [
  ...[source, String(schemas), `${((100 * compiled) / schemas).toFixed(1)} %`, String(judged), String(texts)],
  String(invalid),
]);
console.log(table(["source", "schemas", "compile", "judged by ajv", "texts", "invalid"], rows));
console.log(
  `compile: median ${quantile(0.5).toFixed(2)} ms, p99 ${quantile(0.99).toFixed(1)} ms, longest ${quantile(1).toFixed(0)} ms`,
);
for (const { name, time } of compileTimes.slice(-Number(values.slowest))) console.log(`${time.toFixed(0)} ms ${name}`);
for (const [kind, { count, example }] of [...refused].sort(([, a], [, b]) => b.count - a.count))
  console.log(`refused ${count}: ${kind}\n    ${example.slice(0, 300)}`);
for (const line of wrong) console.log(`INVALID ${line}`);
process.exitCode = wrong.length > 0 ? 1 : 0;
