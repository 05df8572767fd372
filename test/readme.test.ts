// What the README says of files is true.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const root = new URL("../", import.meta.url);
const readme = readFileSync(new URL("README.md", root), "utf8");
const lines = (path: string) => readFileSync(new URL(path, root), "utf8").trimEnd().split("\n").length;

test("every link leads to a file", () => {
  const links = [...readme.matchAll(/\]\(([^)#]+)\)/g)].map((match) => match[1]);
  expect(links.length).toBeGreaterThan(15);
  for (const link of links) expect(existsSync(new URL(link, root)), link).toBe(true);
});

test("line counts of the reading order are right to a tenth", () => {
  const rows = [...readme.matchAll(/^\| (\[.+?) \| (\d+) \|/gm)];
  expect(rows.length).toBeGreaterThan(10);
  for (const [, files, count] of rows) {
    const actual = [...files.matchAll(/\]\(([^)]+)\)/g)].reduce((sum, [, path]) => sum + lines(path), 0);
    expect(Math.abs(actual - Number(count)), `${files}: ${actual} lines, the README says ${count}`).toBeLessThanOrEqual(
      actual / 10,
    );
  }
});

test("the forward pass fits one screen, and model/ without families is short", () => {
  expect(lines("src/model/forward.ts")).toBeLessThanOrEqual(60);
  const files = readdirSync(new URL("src/model", root)).filter((name) => name.endsWith(".ts"));
  expect(files.reduce((sum, file) => sum + lines(`src/model/${file}`), 0)).toBeLessThanOrEqual(1000);
});
