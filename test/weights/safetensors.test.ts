// Reading safetensors: what the reference wrote is read alike, and each rule of the format is enforced by name. The hostile
// files follow the tests of the reference (safetensors/src/tensor.rs), made here from their description.

import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, open, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openSafetensors, readF32, writeSafetensors } from "../../weights/safetensors.ts";
import { SafetensorsError, type SafetensorsRule } from "../../weights/safetensors-header.ts";
import { fileOf, meaningOf } from "./checkpoint-meaning.ts";

const golden = (name: string) => new URL(`golden/${name}`, import.meta.url).pathname;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "safetensors-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function place(name: string, content: Uint8Array | string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

async function refusal(path: string): Promise<SafetensorsError> {
  const error = await openSafetensors(path).then(
    (checkpoint) => checkpoint.close().then(() => expect.fail("it was opened")),
    (error) => error,
  );
  expect(error).toBeInstanceOf(SafetensorsError);
  expect(error.message).not.toContain("\n");
  return error;
}

describe("a file that the reference wrote", () => {
  test("means the same to both", async () => {
    const checkpoint = await openSafetensors(golden("reference.safetensors"));
    const expected = (await readFile(golden("reference.txt"), "utf8")).trimEnd().split("\n");
    expect(await meaningOf(checkpoint)).toEqual(expected);
    expect(checkpoint.totalBytes).toBe([...checkpoint.tensors.values()].reduce((sum, t) => sum + t.end - t.begin, 0));
    expect(Object.keys(checkpoint.metadata)).toEqual(["format"]);
    await checkpoint.close();
  });

  test("decodes to PyTorch's f32, bit by bit", async () => {
    const checkpoint = await openSafetensors(golden("reference.safetensors"));
    for (const line of (await readFile(golden("reference-f32.txt"), "utf8")).split("\n").filter(Boolean)) {
      const [name, hex] = line.split(" ");
      const expected = new Float32Array(new Uint8Array(Buffer.from(hex, "hex")).buffer);
      const values = await readF32(checkpoint, name);
      expect(values.length).toBe(expected.length);
      expected.forEach((value, i) => {
        expect(Object.is(values[i], value), `${name}[${i}] is ${values[i]}, PyTorch has ${value}`).toBe(true);
      });
    }
    await checkpoint.close();
  });

  test("a dtype without f32 values is refused by name", async () => {
    const checkpoint = await openSafetensors(golden("reference.safetensors"));
    for (const [name, dtype] of [
      ["10", "I32"],
      ["2", "I64"],
      ["f8", "F8_E4M3"],
      ["c64", "C64"],
      ["__proto__", "U8"],
    ]) {
      await expect(readF32(checkpoint, name)).rejects.toMatchObject({ rule: "dtype", tensor: name });
      await expect(readF32(checkpoint, name)).rejects.toThrow(dtype);
    }
    await checkpoint.close();
  });

  test("reads straight into the caller's memory, shared memory too", async () => {
    const checkpoint = await openSafetensors(golden("reference.safetensors"));
    const own = await checkpoint.read("f32");
    const memory = new Uint8Array(new SharedArrayBuffer(64));
    const into = memory.subarray(8, 8 + own.length);
    expect(await checkpoint.read("f32", into)).toBe(into);
    expect([...into]).toEqual([...own]);
    expect([...memory.subarray(0, 8), ...memory.subarray(8 + own.length)].every((byte) => byte === 0)).toBe(true);
    await expect(checkpoint.read("f32", memory)).rejects.toMatchObject({ rule: "buffer", tensor: "f32" });
    await expect(checkpoint.read("f33")).rejects.toMatchObject({ rule: "name", tensor: "f33" });
    await expect(readF32(checkpoint, "constructor")).rejects.toMatchObject({ rule: "name", tensor: "constructor" });
    await checkpoint.close();
    await expect(checkpoint.read("f32")).rejects.toMatchObject({ rule: "file" });
  });

  test("cut anywhere, it is refused", async () => {
    const whole = await readFile(golden("reference.safetensors"));
    const path = join(folder, "cut.safetensors");
    for (let length = 0; length < whole.length; length++) {
      await writeFile(path, whole.subarray(0, length));
      expect((await refusal(path)).rule).toMatch(/^(header-length|file-size)$/);
    }
  });
});

const entry = (shape: string, offsets: string, dtype = '"I32"') =>
  `{"test":{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}}`;
const good = entry("[2,2]", "[0,16]");
const sixteen = '{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}';

describe("what the reference allows", () => {
  test.each([
    ["no tensors", fileOf("{}"), 0],
    ["white space after the header", fileOf("{}\r \t\n"), 0],
    ["white space before the header", fileOf("\t\n{}\r "), 0],
    ["a null for the metadata", fileOf('{"__metadata__":null}'), 0],
    ["a scalar", fileOf(entry("[]", "[0,4]"), 4), 1],
    ["a dimension of zero", fileOf(entry("[2,0]", "[0, 0]")), 1],
    ["a field that it does not know", fileOf(good.replace("}}", ',"new":[{"x":1.5}]}}'), 16), 1],
    ["two halves of a byte", fileOf(entry("[2,2]", "[0,2]", '"F4"'), 2), 1],
    ["four times six bits", fileOf(entry("[4]", "[0,3]", '"F6_E2M3"'), 3), 1],
    ["entries in any order", fileOf(`{"b":${sixteen.replace("0,16", "16,32")},"a":${sixteen}}`, 32), 2],
    ["an empty name", fileOf(`{"":${sixteen}}`, 16), 1],
    [
      "names of the language",
      fileOf(`{"__proto__":${sixteen},"constructor":${sixteen.replace("0,16", "16,32")}}`, 32),
      2,
    ],
  ])("%s", async (_, content, count) => {
    const checkpoint = await openSafetensors(await place("allowed.safetensors", content));
    expect(checkpoint.tensors.size).toBe(count);
    await checkpoint.close();
  });
});

describe("what the reference refuses", () => {
  const many = Array.from({ length: 10 }, (_, i) => `"weight_${i}":${sixteen}`).join(",");
  const lengthOf = (bytes: number[]) => Buffer.concat([Buffer.from(bytes), Buffer.from(good), Buffer.alloc(16)]);
  const cases: [what: string, content: Uint8Array, rule: SafetensorsRule, tensor?: string, message?: string][] = [
    // Its hostile files.
    ["a bogus tail", Buffer.concat([fileOf(good, 16), Buffer.from("extra_bogus_data_for_polyglot_file")]), "file-size"],
    ["two bytes missing", fileOf(good, 14), "file-size", undefined, "describes 16 bytes of data, the file holds 14"],
    ["a giant length", lengthOf([60, 0, 0, 0, 0, 255, 255, 255]), "header-length", undefined, "18446742974197923900"],
    ["the largest length", lengthOf([255, 255, 255, 255, 255, 255, 255, 255]), "header-length"],
    ["an empty file", Buffer.alloc(0), "header-length"],
    ["a length alone", Buffer.from([60, 0, 0, 0, 0, 0, 0, 0]), "header-length"],
    ["a header that is no UTF-8", fileOf(Buffer.from([0xff])), "utf8"],
    ["a header of one brace", fileOf("{"), "json"],
    ["offsets that do not fit the shape", fileOf(entry("[2,2]", "[0, 4]"), 4), "size", "test", "4 bytes"],
    ["2 x (2^64 - 2) elements", fileOf(entry("[2,18446744073709551614]", "[0,16]"), 16), "overflow", "test"],
    ["2 x (2^63 - 1) elements of 32 bits", fileOf(entry("[2,9223372036854775807]", "[0,16]"), 16), "overflow", "test"],
    ["ten tensors on the same bytes", fileOf(`{${many}}`, 16), "offsets", "weight_1", "inside the tensor before it"],
    // The rest of its rules.
    ["7 bytes", Buffer.alloc(7), "header-length", undefined, "7 bytes"],
    ["one byte more than allowed", fileOf("x".repeat(100_000_001)), "header-length", undefined, "100000001"],
    ["a header longer than the file", lengthOf([255, 255, 0, 0, 0, 0, 0, 0]), "header-length"],
    ["an empty header", fileOf(""), "json"],
    ["a byte order mark", fileOf("\ufeff{}"), "json"],
    ["an array", fileOf("[]"), "json", undefined, "not an object"],
    ["a second object", fileOf("{}{}"), "json"],
    ["a NUL as padding", fileOf("{}\0"), "json"],
    [
      "a key twice",
      fileOf(`{"w":${sixteen},"w":${sixteen}}`, 16),
      "json",
      undefined,
      'the key "w" for the second time',
    ],
    ["a field twice", fileOf(good.replace('"shape"', '"dtype":"F32","shape"'), 16), "json"],
    ["metadata twice", fileOf('{"__metadata__":{},"__metadata__":{}}'), "json"],
    ["half a surrogate pair", fileOf(`{"\\ud800":${sixteen}}`, 16), "json"],
    ["metadata that is no object", fileOf('{"__metadata__":"x"}'), "metadata"],
    ["metadata with a number", fileOf('{"__metadata__":{"a":"b","n":1}}'), "metadata", undefined, '"n" is 1'],
    ["metadata with an object", fileOf('{"__metadata__":{"n":{}}}'), "metadata", undefined, '"n" is an object'],
    ["metadata with a null", fileOf('{"__metadata__":{"n":null}}'), "metadata", undefined, '"n" is null'],
    ["an entry that is no object", fileOf('{"w":3}'), "entry", "w"],
    ["a null entry", fileOf('{"w":null}'), "entry", "w"],
    ["no dtype", fileOf('{"w":{"shape":[],"data_offsets":[0,4]}}', 4), "dtype", "w", "missing"],
    ["a dtype that nobody knows", fileOf(entry("[2,2]", "[0,16]", '"F128"'), 16), "dtype", "test", '"F128"'],
    ["a dtype in lower case", fileOf(entry("[2,2]", "[0,16]", '"f32"'), 16), "dtype", "test"],
    ["a dtype of the language", fileOf(entry("[2,2]", "[0,16]", '"constructor"'), 16), "dtype", "test"],
    ["no shape", fileOf('{"w":{"dtype":"F32","data_offsets":[0,4]}}', 4), "shape", "w"],
    ["a shape that is no array", fileOf(entry('"2"', "[0,8]"), 8), "shape", "test"],
    ["a negative dimension", fileOf(entry("[-2,-2]", "[0,16]"), 16), "shape", "test", "[-2, -2]"],
    ["a dimension of 2.0", fileOf(entry("[2.0,2]", "[0,16]"), 16), "shape", "test"],
    ["a dimension of 2e0", fileOf(entry("[2e0,2]", "[0,16]"), 16), "shape", "test"],
    ["a dimension as text", fileOf(entry('["2",2]', "[0,16]"), 16), "shape", "test"],
    ["a dimension above 64 bits", fileOf(entry("[18446744073709551616]", "[0,16]"), 16), "shape", "test"],
    ["a dimension that no number holds", fileOf(entry("[0,9007199254740993]", "[0,0]")), "shape", "test", "2^53"],
    ["4 bits", fileOf(entry("[1]", "[0,1]", '"F4"'), 1), "size", "test", "4 bits"],
    ["18 bits", fileOf(entry("[3]", "[0,3]", '"F6_E3M2"'), 3), "size", "test", "18 bits"],
    ["no offsets", fileOf('{"w":{"dtype":"F32","shape":[]}}'), "offsets", "w", "missing"],
    ["one offset", fileOf(entry("[2,2]", "[16]"), 16), "offsets", "test"],
    ["three offsets", fileOf(entry("[2,2]", "[0,16,16]"), 16), "offsets", "test"],
    ["a negative offset", fileOf(entry("[2,2]", "[-16,0]"), 16), "offsets", "test"],
    ["a fractional offset", fileOf(entry("[2,2]", "[0,16.5]"), 16), "offsets", "test"],
    ["offsets backwards", fileOf(entry("[2,2]", "[16,0]"), 16), "offsets", "test", "before they begin"],
    ["a first offset above 0", fileOf(entry("[2,2]", "[4,20]"), 20), "offsets", "test"],
    ["a hole", fileOf(`{"a":${sixteen},"b":${sixteen.replace("0,16", "20,36")}}`, 36), "offsets", "b", "past the end"],
    ["an overlap", fileOf(`{"a":${sixteen},"b":${sixteen.replace("0,16", "12,28")}}`, 28), "offsets", "b", "inside"],
    ["offsets that wrap round", fileOf(entry("[2,2]", "[18446744073709551600,18446744073709551616]"), 16), "offsets"],
    ["offsets past 2^53", fileOf(entry("[2,2]", "[9007199254740992,9007199254741008]"), 16), "offsets", "test"],
    ["data without tensors", fileOf("{}", 8), "file-size"],
    [
      "a Git LFS pointer",
      Buffer.from("version https://git-lfs.github.com/spec/v1\noid sha256:0"),
      "header-length",
      undefined,
      "LFS",
    ],
  ];
  test.each(cases)("%s", async (_, content, rule, tensor, message = "") => {
    const path = await place("refused.safetensors", content);
    const error = await refusal(path);
    expect(error).toMatchObject({ file: path, rule });
    if (tensor !== undefined) expect(error).toMatchObject({ tensor });
    expect(error.message).toContain(path);
    expect(error.message).toContain(message);
    expect(error.message.length).toBeLessThan(path.length + 400);
  });
});

// The reference opens these: it keeps the last of two keys, and serde takes arrays and one-key objects for what they stand for.
describe("what the reference lets pass and we refuse", () => {
  test.each<[what: string, header: string, rule: SafetensorsRule]>([
    ["a name twice", `{"w":${sixteen},"w":${sixteen}}`, "json"],
    ["a key of the metadata twice", `{"w":${sixteen},"__metadata__":{"a":"1","a":"2"}}`, "json"],
    ["an entry as an array", '{"w":["F32",[4],[0,16]]}', "entry"],
    ["a dtype as an object", '{"w":{"dtype":{"F32":null},"shape":[4],"data_offsets":[0,16]}}', "dtype"],
  ])("%s", async (_, header, rule) => {
    expect((await refusal(await place("stricter.safetensors", fileOf(header, 16)))).rule).toBe(rule);
  });
});

describe("files", () => {
  test("what is missing, a pipe, or an empty directory is named", async () => {
    expect((await refusal(join(folder, "nothing.safetensors"))).message).toContain("ENOENT");
    const empty = join(folder, "empty");
    await mkdir(empty);
    expect((await refusal(empty)).message).toContain("no model.safetensors nor model.safetensors.index.json");
  });

  test.skipIf(process.platform === "win32")(
    "a named pipe is refused without waiting (no such thing on Windows)",
    async () => {
      const pipe = join(folder, "pipe.safetensors");
      execFileSync("mkfifo", [pipe]);
      expect((await refusal(pipe)).message).toContain("not a regular file");
    },
  );

  test("a file that shrinks while it is open gives an error, not zeros", async () => {
    const path = await place("shrinks.safetensors", fileOf(good, 16));
    const checkpoint = await openSafetensors(path);
    await truncate(path, 8 + good.length + 12);
    await expect(checkpoint.read("test")).rejects.toMatchObject({ rule: "file", file: path });
    await checkpoint.close();
  });

  test("tensors beyond 4 GiB are read at their place", async () => {
    const gib = 2 ** 30;
    const big = `{"dtype":"F32","shape":[5,268435456],"data_offsets":[0,${5 * gib}]}`;
    const small = `{"dtype":"U8","shape":[3],"data_offsets":[${5 * gib},${5 * gib + 3}]}`;
    const header = fileOf(`{"big":${big},"small":${small}}`);
    const path = await place("large.safetensors", header);
    await truncate(path, header.length + 5 * gib + 3); // a hole in the file: it takes no space
    const handle = await open(path, "r+");
    await handle.write(Buffer.from([7, 8, 9]), 0, 3, header.length + 5 * gib);
    await handle.close();
    const checkpoint = await openSafetensors(path);
    expect([...(await checkpoint.read("small"))]).toEqual([7, 8, 9]);
    expect(checkpoint.totalBytes).toBe(5 * gib + 3);
    await checkpoint.close();
    await rm(path);
  });
});

describe("shards", () => {
  const one = { name: "one", dtype: "U8", shape: [2], data: Uint8Array.of(1, 2) } as const;
  const two = { name: "two", dtype: "U8", shape: [1], data: Uint8Array.of(3) } as const;
  const weightMap = { one: "a.safetensors", two: "b.safetensors" };
  let model: string;
  beforeAll(async () => {
    model = join(folder, "sharded");
    await mkdir(model);
    await writeSafetensors(join(model, "a.safetensors"), [one], { format: "pt", a: "1" });
    await writeSafetensors(join(model, "b.safetensors"), [two], { format: "np" });
    await writeSafetensors(join(model, "both.safetensors"), [one, two]);
  });
  const index = async (content: unknown) => {
    const path = join(model, "model.safetensors.index.json");
    await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
    return path;
  };

  test("an index reads as one checkpoint, by file or by directory", async () => {
    const path = await index({ metadata: { total_size: 3.0 }, weight_map: weightMap });
    for (const from of [path, model]) {
      const checkpoint = await openSafetensors(from);
      expect([...checkpoint.tensors.keys()].sort()).toEqual(["one", "two"]);
      expect([...(await checkpoint.read("one")), ...(await checkpoint.read("two"))]).toEqual([1, 2, 3]);
      expect(checkpoint.metadata).toEqual({ format: "pt", a: "1" });
      expect(checkpoint.files).toEqual([join(model, "a.safetensors"), join(model, "b.safetensors")]);
      expect(checkpoint.totalBytes).toBe(3);
      await checkpoint.close();
    }
  });

  test("a directory with a single file uses that, as transformers does", async () => {
    await index({ weight_map: { one: "missing.safetensors" } });
    await writeSafetensors(join(model, "model.safetensors"), [two]);
    const checkpoint = await openSafetensors(model);
    expect([...checkpoint.tensors.keys()]).toEqual(["two"]);
    await checkpoint.close();
    await rm(join(model, "model.safetensors"));
  });

  test.each<[what: string, content: unknown, rule: SafetensorsRule, message: string]>([
    ["a missing shard", { weight_map: { ...weightMap, three: "c.safetensors" } }, "shard", "c.safetensors is missing"],
    ["a tensor that its shard lacks", { weight_map: { ...weightMap, x: "a.safetensors" } }, "shard", 'tensor "x"'],
    ["a tensor that the index lacks", { weight_map: { one: "both.safetensors" } }, "shard", 'tensor "two"'],
    [
      "a tensor in two shards",
      { weight_map: { one: "a.safetensors", two: "both.safetensors" } },
      "shard",
      'tensor "one"',
    ],
    ["no weight_map", { metadata: {} }, "index", "weight_map must be an object"],
    ["an empty weight_map", { weight_map: {} }, "index", "weight_map must be an object"],
    ["a weight_map that is a list", { weight_map: ["a.safetensors"] }, "index", "weight_map must be an object"],
    ["a list", [], "index", "weight_map must be an object"],
    ["a number for a file", { weight_map: { one: 1 } }, "index", 'tensor "one": 1 is not'],
    ["a tensor twice", '{"weight_map":{"one":"a.safetensors","one":"b.safetensors"}}', "json", "second time"],
    ["malformed JSON", '{"weight_map":{}', "json", "the text ends"],
    ...[
      "../a.safetensors",
      "/etc/a.safetensors",
      "sub/a.safetensors",
      "sub\\a.safetensors",
      "C:a.safetensors",
      "..",
      "",
      "a\u0000.safetensors",
      "pytorch_model.bin",
    ].map((name): [string, unknown, SafetensorsRule, string] => [
      `a shard called ${JSON.stringify(name)}`,
      { weight_map: { one: name } },
      "index",
      "is not the plain name of a .safetensors file",
    ]),
  ])("%s is refused", async (_, content, rule, message) => {
    const error = await refusal(await index(content));
    expect(error.rule).toBe(rule);
    expect(error.message).toContain(message);
  });

  test("a shard cut short is refused when the index is opened", async () => {
    const whole = await readFile(join(model, "b.safetensors"));
    await writeFile(join(model, "cut.safetensors"), whole.subarray(0, -1));
    const error = await refusal(await index({ weight_map: { one: "a.safetensors", two: "cut.safetensors" } }));
    expect(error).toMatchObject({ rule: "file-size", file: join(model, "cut.safetensors") });
  });
});
