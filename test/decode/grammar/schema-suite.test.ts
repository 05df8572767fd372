// The required tests of the JSON Schema Test Suite, draft 2020-12: of a schema that is supported no invalid instance is
// accepted, and every schema that is not supported is refused with a keyword and a place. What is supported is listed in
// supported.json, which may only grow.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checked, compileGrammar, type Grammar } from "../../../src/decode/grammar/grammar.ts";
import { jsonSchemaTestSuite } from "../../outside-data.ts";
import { check } from "./check.ts";
import { inOrder, namesIn } from "./key-order.ts";

interface Group {
  description: string;
  schema: unknown;
  tests: { description: string; data: unknown; valid: boolean }[];
}

/** What each group of the suite came to: how many valid instances are accepted, or why the schema is refused. */
type Verdicts = Record<string, Record<string, string>>;

const listed = new URL("supported.json", import.meta.url);
const { directory, missing } = jsonSchemaTestSuite;

describe.skipIf(missing)(`JSON Schema Test Suite${missing ? ` (${missing})` : ""}`, () => {
  const files = missing ? [] : readdirSync(directory).filter((file) => file.endsWith(".json"));
  const verdicts: Verdicts = {};

  test.each(files)("%s: no invalid instance is accepted", (file) => {
    const groups: Group[] = JSON.parse(readFileSync(join(directory, file), "utf8"));
    verdicts[file] = {};
    for (const { description, schema, tests } of groups) {
      let grammar: Grammar;
      try {
        grammar = compileGrammar({ kind: "json_schema", schema }, checked);
      } catch (error) {
        expect(error, description).toBeInstanceOf(RangeError);
        const { message } = error as Error;
        expect(message, description).toMatch(/^JSON Schema: .*(\(at #.*\)|satisfied)/s);
        verdicts[file][description] = message;
        continue;
      }
      const order = namesIn(schema);
      let accepted = 0;
      for (const { description: what, data, valid } of tests) {
        const spellings = [JSON.stringify(inOrder(data, order)), JSON.stringify(inOrder(data, order), null, 2)];
        for (const text of spellings) {
          const verdict = check(grammar, text);
          if (!valid) expect(verdict, `${description}: ${what}: ${text}`).not.toBe("accepted");
          if (valid && verdict === "accepted") accepted += 0.5;
        }
      }
      verdicts[file][description] = `${accepted} of ${tests.filter(({ valid }) => valid).length} valid`;
    }
  });

  test("what is supported has not shrunk", () => {
    const before: Verdicts = JSON.parse(readFileSync(listed, "utf8"));
    const count = (verdict: string | undefined) => Number(/^([\d.]+) of \d+ valid$/.exec(verdict ?? "")?.[1] ?? -1);
    for (const [file, groups] of Object.entries(before))
      for (const [description, verdict] of Object.entries(groups))
        expect(count(verdicts[file]?.[description]), `${file}: ${description}`).toBeGreaterThanOrEqual(count(verdict));
    // More than before: then the list is to be written anew, with the command that the message gives.
    if (process.env.PLAINFORMER_UPDATE_SUPPORTED) writeFileSync(listed, `${JSON.stringify(verdicts, null, 2)}\n`);
    else expect(verdicts, "set PLAINFORMER_UPDATE_SUPPORTED=1 to write the list anew").toEqual(before);
  });
});
