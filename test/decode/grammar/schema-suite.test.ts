// The required tests of the JSON Schema Test Suite, drafts 4 to 2020-12: of a schema that is supported no invalid instance is
// accepted, neither as a text that is judged nor as one that is written, and every schema that is not supported is refused
// with a keyword and a place. What is not accepted in full is listed in suite.json, which may only shrink.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checked, compileGrammar, type Grammar, written } from "../../../src/decode/grammar/grammar.ts";
import { FieldError } from "../../../src/field-error.ts";
import { jsonSchemaTestSuite } from "../../outside-data.ts";
import { check } from "./check.ts";
import { inOrder, namesIn } from "./key-order.ts";

interface Group {
  description: string;
  schema: unknown;
  tests: { description: string; data: unknown; valid: boolean }[];
}

/** By file and group: why the schema is refused, or how many of its valid instances are accepted. */
type Verdicts = Record<string, Record<string, string>>;

const drafts: Record<string, string> = {
  draft4: "http://json-schema.org/draft-04/schema#",
  draft6: "http://json-schema.org/draft-06/schema#",
  draft7: "http://json-schema.org/draft-07/schema#",
  "draft2019-09": "https://json-schema.org/draft/2019-09/schema",
  "draft2020-12": "https://json-schema.org/draft/2020-12/schema",
};
/** Groups whose instances are all treated right, and the groups there are. */
const inFull: Record<string, [full: number, all: number]> = {};

const listed = new URL("suite.json", import.meta.url);
const { directory, missing } = jsonSchemaTestSuite;

describe.skipIf(missing)(`JSON Schema Test Suite${missing ? ` (${missing})` : ""}`, () => {
  const verdicts: Verdicts = {};

  test.each(Object.keys(drafts))("%s: no invalid instance is accepted", (draft) => {
    const files = readdirSync(join(directory, draft)).filter((file) => file.endsWith(".json"));
    const counts: [number, number] = [0, 0];
    for (const file of files) {
      const groups: Group[] = JSON.parse(readFileSync(join(directory, draft, file), "utf8"));
      for (const group of groups) {
        const { description } = group;
        const { schema: own } = group;
        const schema = typeof own === "object" ? { $schema: drafts[draft], ...own } : own;
        const verdict = judge({ ...group, schema });
        counts[1]++;
        if (verdict === undefined) counts[0]++;
        else {
          verdicts[`${draft}/${file}`] ??= {};
          verdicts[`${draft}/${file}`][description] = verdict;
        }
      }
    }
    inFull[draft] = counts;
  });

  test("what is supported has not shrunk", () => {
    const now = { inFull, verdicts };
    // More than before: then the list is to be written anew, with the command that the message gives.
    if (process.env.PLAINFORMER_UPDATE_SUPPORTED) writeFileSync(listed, `${JSON.stringify(now, null, 2)}\n`);
    const before: typeof now = JSON.parse(readFileSync(listed, "utf8"));
    for (const [draft, [full]] of Object.entries(before.inFull))
      expect(inFull[draft][0], draft).toBeGreaterThanOrEqual(full);
    expect(now, "set PLAINFORMER_UPDATE_SUPPORTED=1 to write the list anew").toEqual(before);
  });
});

/** What is not right with a group; undefined: nothing. */
function judge({ description, schema, tests }: Group): string | undefined {
  const order = namesIn(schema);
  let verdict: string | undefined;
  for (const style of [written, checked]) {
    let grammar: Grammar;
    try {
      grammar = compileGrammar({ kind: "json_schema", schema }, style);
    } catch (error) {
      expect(error, description).toBeInstanceOf(FieldError);
      const { field, problem } = error as FieldError;
      expect(field, description).toMatch(/^schema/);
      if (problem.startsWith("it cannot be satisfied") && tests.every(({ valid }) => !valid)) continue;
      expect(problem, description).toMatch(/\(at #.*\)$|satisfied/s);
      verdict = problem;
      continue;
    }
    let accepted = 0;
    for (const { description: what, data, valid } of tests) {
      const text = JSON.stringify(inOrder(data, order));
      const isAccepted = check(grammar, text) === "accepted";
      if (!valid) expect(isAccepted, `${description}: ${what}: ${text}`).toBe(false);
      else if (isAccepted) accepted++;
    }
    const valid = tests.filter(({ valid }) => valid).length;
    if (style === checked) verdict = accepted < valid ? `${accepted} of ${valid} valid` : undefined;
  }
  return verdict;
}
