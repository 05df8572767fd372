// What of the JSON Schema Test Suite is not accepted in full: the groups by draft, and what is refused, by keyword and reason.
// It reads the list that test/decode/grammar/schema-suite.test.ts holds the grammars to.
// Run: npx tsx test/conformance/schema-suite.ts

import { readFileSync } from "node:fs";
import { table } from "../../bench/measure.ts";

const {
  inFull,
  verdicts,
}: { inFull: Record<string, [number, number]>; verdicts: Record<string, Record<string, string>> } = JSON.parse(
  readFileSync(new URL("../decode/grammar/suite.json", import.meta.url), "utf8"),
);

const counts = new Map<string, number>();
const add = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1);
for (const [file, groups] of Object.entries(verdicts))
  for (const verdict of Object.values(groups)) {
    if (/^\d+ of \d+ valid/.test(verdict)) add(`not all valid instances accepted: ${file.replace(/.*\/|\.json/g, "")}`);
    else {
      const keyword = /\(at #.*?([^/]*)\)$/.exec(verdict)?.[1] ?? "";
      const why = verdict
        .replace(/ \(at .*/, "")
        .replace(/^"\$\w+" /, "")
        .replace(/"[^ ]*[:#/.][^ ]* /, "");
      add(`${/^\d*$/.test(keyword) ? "" : `${keyword}: `}${why.trim()}`);
    }
  }
console.log(
  table(
    ["draft", "groups in full", "groups"],
    Object.entries(inFull).map(([draft, [full, all]]) => [draft, String(full), String(all)]),
  ),
);
console.log();
const rows = [...counts].sort(([, a], [, b]) => b - a).map(([what, count]) => [what, String(count)]);
console.log(table(["not in full", "groups"], rows));
