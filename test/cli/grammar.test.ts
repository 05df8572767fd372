// plainformer grammar as a user runs it: what it prints and how it exits.

import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { program } from "../program.ts";

const directory = mkdtempSync(join(tmpdir(), "plainformer-grammar-"));
const file = (name: string, text: string) => {
  writeFileSync(join(directory, name), text);
  return name;
};
const run = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, "grammar", ...args], {
    cwd: directory,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
};

const schema = file(
  "schema.json",
  '{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0}},"required":["name"],"additionalProperties":false}',
);
const unsupported = file("remote.json", '{"properties":{"a":{"$ref":"b.json"}}}');
const good = file("good.json", '{\n  "name": "Ann",\n  "age": 42\n}\n');
const bad = file("bad.json", '{"name": "Ann", "agf": 42}');
const cut = file("cut.json", '{"name": "Ann"');

test("accepted and refused, with the place and what was expected", () => {
  const { status, stdout } = run("--schema", schema, "--check", good, bad, cut);
  expect(stdout).toBe(
    'good.json: accepted\nbad.json: refused at byte 19: expected the rest of the key "age"\ncut.json: refused at byte 14: expected ",", "}" or white space\n',
  );
  expect(status).toBe(1);
  expect(run("--schema", schema, "--check", good)).toMatchObject({ status: 0, stdout: "good.json: accepted\n" });
});

test("without --check: whether the schema is supported", () => {
  expect(run("--schema", schema)).toMatchObject({ status: 0, stdout: "supported\n" });
  expect(run("--schema", unsupported)).toMatchObject({
    status: 1,
    stdout: 'not supported: "$ref" "b.json" is not supported: it leads out of the schema (at #/properties/a/$ref)\n',
  });
});

test("without --schema: any JSON value; --json: one object", () => {
  const { status, stdout } = run("--check", good, schema, "--json");
  const files = [good, schema].map((file) => ({ file, accepted: true }));
  expect([status, JSON.parse(stdout)]).toEqual([0, { supported: true, files }]);
  expect(JSON.parse(run("--schema", unsupported, "--json").stdout)).toMatchObject({ supported: false });
});

test("a file that is not there, or not JSON, is one line", () => {
  expect(run("--schema", "nowhere.json").stderr).toMatch(/^plainformer: ENOENT.*nowhere\.json'\n$/);
  expect(run("--schema", cut).stderr).toMatch(/^plainformer: cut\.json is not JSON: .*\n$/);
});
