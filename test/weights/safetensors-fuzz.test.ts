// 2,000 seeded corruptions of a good file. Whatever happens to it, it is refused by a SafetensorsError or it means exactly
// what the reference reads from the same bytes. golden/verdicts.txt holds the reference's judgment of each (make-golden.py
// --judge, on the files that WEIGHTS_TEST_OUT=DIR keeps); its first line is a digest of the corpus.

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openSafetensors } from "../../weights/safetensors.ts";
import { SafetensorsError } from "../../weights/safetensors-header.ts";
import { fileOf, meaningOf } from "./checkpoint-meaning.ts";

const golden = (name: string) => new URL(`golden/${name}`, import.meta.url);
const good = readFileSync(golden("reference.safetensors"));
const headerLength = Number(good.readBigUInt64LE());
const dataStart = 8 + headerLength;
const header = good.subarray(8, dataStart);
const data = good.subarray(dataStart);
const names = Object.keys(JSON.parse(header.toString())).filter((name) => name !== "__metadata__");

// Edits of one entry that keep the header JSON. The text is edited, not the object: JSON.parse would lose what is repeated.
const number = fc.oneof(
  fc.nat(9),
  fc.constantFrom("-1", "2.0", "1e1", "0.5", '"2"', "null", "[]", "true", "-0", "4294967296", "9007199254740993"),
  fc.constantFrom(
    "18446744073709551614",
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775807",
    "1e400",
  ),
);
const field = fc.oneof(
  fc
    .constantFrom(
      "BOOL",
      "U8",
      "I8",
      "F8_E4M3",
      "F4",
      "F6_E2M3",
      "I16",
      "F16",
      "BF16",
      "F32",
      "I32",
      "F64",
      "C64",
      "U64",
      "f32",
    )
    .map((dtype) => ["dtype", JSON.stringify(dtype)] as const),
  fc.array(number, { maxLength: 4 }).map((shape) => ["shape", `[${shape.join(",")}]`] as const),
  fc
    .array(number, { minLength: 1, maxLength: 3 })
    .map((offsets) => ["data_offsets", `[${offsets.join(",")}]`] as const),
  fc.tuple(fc.constantFrom("dtype", "shape", "data_offsets"), fc.constantFrom("null", "{}", "[]", "7", '"x"')),
);
const entryPattern = (name: string) =>
  new RegExp(`${JSON.stringify(name).replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")}:\\{[^{}]*\\}`, "u");
const fieldPattern = (key: string) => new RegExp(`"${key}":("[^"]*"|\\[[^\\]]*\\])`);

type Edit = (text: string) => string;
const edits: fc.Arbitrary<Edit> = fc.oneof(
  // A field of one entry is replaced, repeated, dropped or renamed; an unknown one comes in.
  fc.tuple(fc.constantFrom(...names), field).map(([name, [key, value]]): Edit => {
    return (text) =>
      text.replace(entryPattern(name), (entry) => entry.replace(fieldPattern(key), () => `"${key}":${value}`));
  }),
  fc.tuple(fc.constantFrom(...names), field).map(([name, [key, value]]): Edit => {
    return (text) => text.replace(entryPattern(name), (entry) => `${entry.slice(0, -1)},"${key}":${value}}`);
  }),
  fc.tuple(fc.constantFrom(...names), fc.constantFrom("dtype", "shape", "data_offsets")).map(([name, key]): Edit => {
    return (text) => text.replace(entryPattern(name), (entry) => entry.replace(`"${key}":`, `"${key}s":`));
  }),
  fc.tuple(fc.constantFrom(...names), fc.jsonValue({ maxDepth: 3 })).map(([name, value]): Edit => {
    return (text) =>
      text.replace(entryPattern(name), (entry) => `${entry.slice(0, -1)},"new":${JSON.stringify(value)}}`);
  }),
  // Offsets of two tensors change places.
  fc.tuple(fc.constantFrom(...names), fc.constantFrom(...names)).map(([a, b]): Edit => {
    return (text) => {
      const [one, two] = [a, b].map(
        (name) => /"data_offsets":\[[^\]]*\]/.exec(entryPattern(name).exec(text)?.[0] ?? "")?.[0] ?? "",
      );
      return text
        .replace(entryPattern(a), (entry) => entry.replace(one, two))
        .replace(entryPattern(b), (entry) => (a === b ? entry : entry.replace(two, one)));
    };
  }),
  // One bound of one tensor moves.
  fc.tuple(fc.constantFrom(...names), fc.boolean(), fc.integer({ min: -16, max: 16 })).map(([name, end, by]): Edit => {
    return (text) =>
      text.replace(entryPattern(name), (entry) =>
        entry.replace(
          /\[(\d+),(\d+)\]\}$/,
          (_, from, to) => `[${Number(from) + (end ? 0 : by)},${Number(to) + (end ? by : 0)}]}`,
        ),
      );
  }),
  // A tensor is renamed, maybe to a name that is there; or it is dropped or comes twice.
  fc
    .tuple(
      fc.constantFrom(...names),
      fc.oneof(fc.constantFrom(...names, "__metadata__"), fc.string({ unit: "binary", maxLength: 4 })),
    )
    .map(
      ([name, other]): Edit =>
        (text) =>
          text.replace(entryPattern(name), (entry) => JSON.stringify(other) + entry.slice(JSON.stringify(name).length)),
    ),
  fc.tuple(fc.constantFrom(...names), fc.boolean()).map(([name, twice]): Edit => {
    return (text) => text.replace(entryPattern(name), (entry) => (twice ? `${entry},${entry}` : '"gone":1'));
  }),
  // Metadata of another kind; white space; a tensor more, of no bytes.
  fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.dictionary(fc.string(), fc.string())).map((value): Edit => {
    return (text) => text.replace('{"format":"pt"}', () => JSON.stringify(value));
  }),
  fc.tuple(fc.nat(), fc.constantFrom(" ", "\n", "\t", "\r\n", "\u00a0", "\f")).map(([at, space]): Edit => {
    return (text) => {
      const places = [...text.matchAll(/[,:{}[\]]/g)].map((match) => match.index);
      const place = places[at % places.length];
      return text.slice(0, place) + space + text.slice(place);
    };
  }),
  fc
    .tuple(
      fc.constantFrom("[0]", "[0,18446744073709551615]", "[18446744073709551615,2,0]", "[7,0,7]"),
      fc.nat(data.length),
    )
    .map(
      ([shape, at]): Edit =>
        (text) =>
          text.replace(/\}\s*$/, `,"more":{"dtype":"F32","shape":${shape},"data_offsets":[${at},${at}]}}`),
    ),
);

const inHeader = fc.nat(dataStart - 1);
const anywhere = fc.nat(good.length - 1);
const corruption: fc.Arbitrary<Buffer> = fc.oneof(
  fc.array(fc.tuple(inHeader, fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 3 }).map((flips) => {
    const bytes = Buffer.from(good);
    for (const [at, mask] of flips) bytes[at] ^= mask;
    return bytes;
  }),
  // A digit or a letter for another one keeps the header JSON more often than a random byte.
  fc.tuple(inHeader, fc.constantFrom(...'0123456789FBIU[]{},:"\\ ')).map(([at, character]) => {
    const bytes = Buffer.from(good);
    bytes.write(character, at, "latin1");
    return bytes;
  }),
  anywhere.map((length) => good.subarray(0, length)),
  fc
    .tuple(anywhere, fc.uint8Array({ minLength: 1, maxLength: 40 }))
    .map(([at, extra]) => Buffer.concat([good.subarray(0, at), extra, good.subarray(at)])),
  fc
    .tuple(anywhere, fc.integer({ min: 1, max: 40 }))
    .map(([at, length]) => Buffer.concat([good.subarray(0, at), good.subarray(at + length)])),
  fc
    .tuple(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.integer({ min: -9, max: 9 }), fc.boolean())
    .map(([any, by, near]) => {
      const bytes = Buffer.from(good);
      bytes.writeBigUInt64LE(near ? BigInt(headerLength + by) : any);
      return bytes;
    }),
  fc
    .tuple(inHeader, fc.uint8Array({ minLength: 1, maxLength: 4 }))
    .map(([at, extra]) => fileOf(Buffer.concat([header.subarray(0, at), extra, header.subarray(at)]), data)),
);
// Edits are most of it: they reach the rules behind the JSON.
const corpus = fc.sample(
  fc.oneof(
    { weight: 2, arbitrary: corruption },
    {
      weight: 3,
      arbitrary: fc.array(edits, { minLength: 1, maxLength: 2 }).map((list) =>
        fileOf(
          list.reduce((text, edit) => edit(text), header.toString()),
          data,
        ),
      ),
    },
  ),
  { seed: 20250101, numRuns: 2000 },
);

test("2,000 corruptions are refused, or mean what the reference says they mean", async () => {
  const keep = process.env.WEIGHTS_TEST_OUT;
  const folder = keep ?? (await mkdtemp(join(tmpdir(), "safetensors-fuzz-")));
  await mkdir(folder, { recursive: true });
  const results: string[] = [];
  const messages: string[] = [];
  for (const [i, bytes] of corpus.entries()) {
    const path = join(folder, `broken-${String(i).padStart(4, "0")}.safetensors`);
    await writeFile(path, bytes);
    try {
      const checkpoint = await openSafetensors(path);
      const meaning = (await meaningOf(checkpoint)).join("\n");
      await checkpoint.close();
      results.push(createHash("sha256").update(meaning).digest("hex").slice(0, 16));
      messages.push("");
    } catch (error) {
      if (!(error instanceof SafetensorsError)) throw new Error(`corruption ${i}`, { cause: error });
      results.push("refused");
      messages.push(error.message.slice(path.length + 2));
    }
  }
  if (!keep) await rm(folder, { recursive: true });

  const digest = createHash("sha256");
  for (const bytes of corpus) digest.update(createHash("sha256").update(bytes).digest());
  expect(existsSync(golden("verdicts.txt")), "no golden/verdicts.txt: make it as make-golden.py says").toBe(true);
  const [expectedDigest, ...verdicts] = (await readFile(golden("verdicts.txt"), "utf8")).trimEnd().split("\n");
  expect(digest.digest("hex"), "another corpus: make golden/verdicts.txt anew as make-golden.py says").toBe(
    expectedDigest,
  );

  const different = results.flatMap((result, i) =>
    result === verdicts[i] ? [] : [{ i, result, verdict: verdicts[i], message: messages[i] }],
  );
  // Where we are stricter on purpose, and nowhere else: names that occur twice, dimensions that no number holds.
  const stricter = /for the second time|a dimension above 2\^53/;
  expect(different.filter(({ result, message }) => result !== "refused" || !stricter.test(message))).toEqual([]);
  expect(different.length).toBeLessThan(60);
  const accepted = results.filter((result) => result !== "refused").length;
  expect(accepted).toBeGreaterThan(100); // else the corruptions are too crude to try the reading
  expect(new Set(messages.map((message) => /\(rule: (.*)\)$/.exec(message)?.[1])).size).toBeGreaterThan(10);
});

test("a flipped bit in the data changes that byte of that tensor and nothing else", async () => {
  const folder = await mkdtemp(join(tmpdir(), "safetensors-flip-"));
  const path = join(folder, "flipped.safetensors");
  const checkpoint = await openSafetensors(golden("reference.safetensors").pathname);
  for (let at = dataStart; at < good.length; at += 3) {
    const bytes = Buffer.from(good);
    bytes[at] ^= 1 << (at % 8);
    await writeFile(path, bytes);
    const flipped = await openSafetensors(path);
    for (const { name, begin, end } of checkpoint.tensors.values()) {
      const expected = await checkpoint.read(name);
      if (begin <= at && at < end) expected[at - begin] ^= 1 << (at % 8);
      expect(await flipped.read(name)).toEqual(expected);
    }
    await flipped.close();
  }
  await checkpoint.close();
  await rm(folder, { recursive: true });
});
