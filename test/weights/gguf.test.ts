// Reading and writing GGUF: what the Python package gguf wrote is read alike, and each rule of the format is enforced by
// name. The hostile files follow the kinds of llama.cpp's tests/test-gguf.cpp and the lessons of its published security
// advisories, made here from their description.

import { createHash } from "node:crypto";
import { mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type GgufFile, openGguf } from "../../weights/gguf.ts";
import { GgufError, type GgufMetadata, type GgufRule, type GgufScalar, ggufLimits } from "../../weights/gguf-header.ts";
import { type GgufTensorToWrite, writeGguf } from "../../weights/gguf-write.ts";
import { times } from "../long.ts";

const golden = (name: string) => new URL(`golden/${name}`, import.meta.url).pathname;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gguf-"));
});
afterAll(() => rm(folder, { recursive: true }));

const place = async (name: string, content: Uint8Array) => {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
};

async function refusal(path: string): Promise<GgufError> {
  const error = await openGguf(path).then(
    (opened) => opened.close().then(() => expect.fail("it was opened")),
    (error) => error,
  );
  expect(error).toBeInstanceOf(GgufError);
  expect(error.message).not.toContain("\n");
  expect(error.message.length).toBeLessThan(path.length + 600);
  return error;
}

/** What a file says, in the form of reference-gguf.json. */
async function meaningOf(opened: GgufFile) {
  const plain = (value: GgufScalar, type: string) =>
    type === "f32" || type === "f64" ? (value as number) : typeof value === "number" ? String(value) : value;
  return {
    metadata: [...opened.metadata].map(([key, field]) =>
      field.type === "array"
        ? [key, ["array", field.of], Array.from(field.value, (item) => String(plain(item, field.of)))]
        : [key, [field.type], String(plain(field.value, field.type))],
    ),
    tensors: await Promise.all(
      [...opened.tensors.values()].map(async ({ name, dtype, shape }) => {
        const sha256 = createHash("sha256").update(await opened.read(name));
        return [name, dtype, shape, sha256.digest("hex")];
      }),
    ),
  };
}

/** Python's hexadecimal floats, and the rest, as text. */
function textOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(textOf);
  const float = /^(-?)0x1\.([0-9a-f]{13})p([+-]\d+)$/.exec(String(value));
  if (!float) return String(value);
  return String((float[1] ? -1 : 1) * (1 + Number.parseInt(float[2], 16) / 2 ** 52) * 2 ** Number(float[3]));
}

describe("a file that the Python package wrote", () => {
  test("means the same to both", async () => {
    const opened = await openGguf(golden("reference.gguf"));
    const expected = JSON.parse(await readFile(golden("reference-gguf.json"), "utf8"));
    const meaning = await meaningOf(opened);
    expect(meaning.tensors).toEqual(expected.tensors);
    expect(meaning.metadata).toEqual(
      expected.metadata.map(([key, types, value]: [string, string[], unknown]) => [key, types, textOf(value)]),
    );
    expect(opened.metadata.size).toBe(28);
    expect(opened.version).toBe(3);
    await opened.close();
  });

  test("written again, it means the same, and nothing else stays in the directory", async () => {
    const opened = await openGguf(golden("reference.gguf"));
    const metadata = new Map(opened.metadata);
    metadata.delete("general.alignment");
    const tensors = [...opened.tensors.values()].map(({ name, dtype, shape }) => ({
      name,
      dtype,
      shape,
      data: () => opened.read(name),
    }));
    const directory = await mkdtemp(join(folder, "again-"));
    const path = join(directory, "again.gguf");
    let last = [0, 0];
    await writeGguf(path, metadata, tensors, (...progress) => {
      last = progress;
    });
    const again = await openGguf(path);
    const { metadata: first, ...rest } = await meaningOf(opened);
    expect(await meaningOf(again)).toEqual({
      metadata: first.filter(([key]) => key !== "general.alignment"),
      ...rest,
    });
    expect(last).toEqual([(await readFile(path)).length, (await readFile(path)).length]);
    expect(await readdir(directory)).toEqual(["again.gguf"]);
    await Promise.all([opened.close(), again.close()]);
  });

  test("reads straight into the caller's memory, shared memory too", async () => {
    const opened = await openGguf(golden("reference.gguf"));
    const own = await opened.read("q4_0");
    const into = new Uint8Array(new SharedArrayBuffer(own.length));
    expect(await opened.read("q4_0", into)).toBe(into);
    expect([...into]).toEqual([...own]);
    await expect(opened.read("q4_0", new Uint8Array(5))).rejects.toMatchObject({ rule: "buffer", subject: "q4_0" });
    await expect(opened.read("constructor")).rejects.toMatchObject({ rule: "name", subject: "constructor" });
    await opened.close();
    await expect(opened.read("q4_0")).rejects.toMatchObject({ rule: "file" });
  });

  test("cut anywhere, it is refused", async () => {
    const whole = await readFile(golden("reference.gguf"));
    const path = join(folder, "cut.gguf");
    const end = whole.length - 48; // the last tensor's 16 bytes stand before its padding to 64
    for (let length = 0; length < end; length += 1 + (length >> 8)) {
      await writeFile(path, whole.subarray(0, length));
      expect((await refusal(path)).rule).toMatch(/^(length|file-size)$/);
    }
    await writeFile(path, whole.subarray(0, end));
    await openGguf(path).then((opened) => opened.close());
  });

  test("random corruptions give an error of the format, or a file", async () => {
    const whole = await readFile(golden("reference.gguf"));
    const opened = await openGguf(golden("reference.gguf"));
    const header = opened.tensors.get("f32")?.begin ?? 0;
    await opened.close();
    const path = join(folder, "corrupt.gguf");
    const rules = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(header), fc.constantFrom(0, 1, 12, 0x7f, 0x80, 0xff)), { minLength: 1, maxLength: 4 }),
        async (changes) => {
          const bytes = Buffer.from(whole);
          for (const [at, value] of changes) bytes[at] = value;
          await writeFile(path, bytes);
          try {
            const opened = await openGguf(path);
            await Promise.all([...opened.tensors.keys()].map((name) => opened.read(name))).finally(opened.close);
            rules.set("none", (rules.get("none") ?? 0) + 1);
          } catch (error) {
            expect(error).toBeInstanceOf(GgufError);
            rules.set((error as GgufError).rule, (rules.get((error as GgufError).rule) ?? 0) + 1);
          }
        },
      ),
      { seed: 11, numRuns: times(500, 2000) },
    );
    // The corruptions reach the rules, they do not all die at the same one.
    for (const rule of ["length", "utf8", "value-type", "limit", "shape", "offset"])
      expect([...rules.keys()]).toContain(rule);
  });
});

// ---- files by hand

const u32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer);
const u64 = (value: number | bigint) => Buffer.from(BigUint64Array.of(BigInt.asUintN(64, BigInt(value))).buffer);
const str = (text: string | Buffer) => Buffer.concat([u64(Buffer.from(text).length), Buffer.from(text)]);
const pair = (key: string, type: number, ...value: Buffer[]) => Buffer.concat([str(key), u32(type), ...value]);
const tensor = (name: string, dims: (number | bigint)[], type = 0, offset: number | bigint = 0) =>
  Buffer.concat([str(name), u32(dims.length), ...dims.map(u64), u32(type), u64(offset)]);

interface Parts {
  magic?: string;
  version?: number;
  tensorCount?: number | bigint;
  pairCount?: number | bigint;
  pairs?: Buffer[];
  tensors?: Buffer[];
  alignment?: number;
  data?: number;
}

function fileOf({ magic = "GGUF", version = 3, pairs = [], tensors = [], ...rest }: Parts): Buffer {
  const { tensorCount = tensors.length, pairCount = pairs.length, alignment = 32, data = 0 } = rest;
  const head = Buffer.concat([
    Buffer.from(magic),
    u32(version),
    u64(tensorCount),
    u64(pairCount),
    ...pairs,
    ...tensors,
  ]);
  const padding = Math.ceil(head.length / alignment) * alignment - head.length;
  return Buffer.concat([head, Buffer.alloc(padding + data)]);
}

describe("what the format allows", () => {
  test.each<[what: string, parts: Parts, tensors: number]>([
    ["nothing in it", {}, 0],
    ["version 2", { version: 2 }, 0],
    ["a pair and no tensor", { pairs: [pair("a", 4, u32(7))] }, 0],
    ["an empty array", { pairs: [pair("a", 9, u32(8), u64(0))] }, 0],
    ["a scalar tensor", { tensors: [tensor("s", [])], data: 4 }, 1],
    ["a tensor of no elements", { tensors: [tensor("s", [0, 5])] }, 1],
    ["two tensors, the first padded", { tensors: [tensor("a", [3]), tensor("b", [8], 0, 32)], data: 64 }, 2],
    ["no padding after the last", { tensors: [tensor("a", [3])], data: 12 }, 1],
    [
      "another alignment",
      {
        pairs: [pair("general.alignment", 4, u32(8))],
        tensors: [tensor("a", [3]), tensor("b", [2], 0, 16)],
        alignment: 8,
        data: 24,
      },
      2,
    ],
    ["names of the language", { tensors: [tensor("__proto__", [8]), tensor("constructor", [1], 0, 32)], data: 36 }, 2],
  ])("%s", async (_, parts, count) => {
    const opened = await openGguf(await place("allowed.gguf", fileOf(parts)));
    expect(opened.tensors.size).toBe(count);
    for (const name of opened.tensors.keys()) await opened.read(name);
    await opened.close();
  });
});

describe("what the format refuses", () => {
  const f32 = tensor("a", [8]);
  const cases: [what: string, content: Parts | Buffer, rule: GgufRule, message: string, subject?: string][] = [
    // Header.
    ["an empty file", Buffer.alloc(0), "length", "magic number"],
    ["another magic number", { magic: "FUGG" }, "magic", '"FUGG"'],
    ["a Git LFS pointer", Buffer.from("version https://git-lfs.github.com/spec/v1\n"), "magic", '"vers"'],
    ["version 0", { version: 0 }, "version", "0"],
    ["version 1", { version: 1 }, "version", "expected 2 or 3"],
    ["a future version", { version: 4 }, "version", "version 4"],
    ["a big-endian file", { version: 0x03000000 }, "version", "big-endian"],
    ["too many tensors", { tensorCount: -1 }, "limit", "18446744073709551615"],
    ["more tensors than the file can hold", { tensorCount: 1000 }, "length", "number of tensors is 1000"],
    ["too many pairs", { pairCount: 2n ** 63n }, "limit", "number of metadata pairs"],
    ["more pairs than the file can hold", { pairCount: 1000 }, "length", "number of metadata pairs is 1000"],
    ["a header that ends", { pairs: [str("a")], pairCount: 1, data: -32 }, "length", "left"],
    // Metadata.
    ["a key longer than allowed", { pairs: [u64(65536), Buffer.alloc(65536)], pairCount: 1 }, "limit", "65536"],
    ["a key longer than the file", { pairs: [u64(60000)], pairCount: 1, data: 32 }, "length", "60000"],
    ["a key of 2^64 - 1 bytes", { pairs: [u64(-1), Buffer.alloc(64)], pairCount: 1 }, "limit", "18446744073709551615"],
    ["an empty key", { pairs: [pair("", 4, u32(1))] }, "key", "key 0 is empty"],
    ["a key that is no UTF-8", { pairs: [str(Buffer.from([0xff])), Buffer.alloc(32)], pairCount: 1 }, "utf8", "key 0"],
    ["a key twice", { pairs: [pair("a", 4, u32(1)), pair("a", 4, u32(1))] }, "key", "twice", "a"],
    ["a value type that nobody knows", { pairs: [pair("a", 13, u32(1))] }, "value-type", "value type 13", "a"],
    ["a negative value type", { pairs: [pair("a", 0xffffffff, u32(1))] }, "value-type", "value type -1", "a"],
    ["an array of a type nobody knows", { pairs: [pair("a", 9, u32(99), u64(0))] }, "value-type", "99", "a"],
    ["an array of arrays", { pairs: [pair("a", 9, u32(9), u64(0))] }, "value-type", "array of arrays", "a"],
    ["an array above the limit", { pairs: [pair("a", 9, u32(0), u64(2 ** 24 + 1))] }, "limit", "16777217", "a"],
    ["an array of 2^63 items", { pairs: [pair("a", 9, u32(8), u64(2n ** 63n))] }, "limit", "array's length", "a"],
    ["a bad value size", { pairs: [pair("a", 9, u32(12), u64(2 ** 24))] }, "length", "16777216", "a"],
    ["an array longer than the file", { pairs: [pair("a", 9, u32(4), u64(40), u32(1))] }, "length", "is 40", "a"],
    ["strings that cannot all be there", { pairs: [pair("a", 9, u32(8), u64(9), u64(0))] }, "length", "is 9", "a"],
    ["a string above the limit", { pairs: [pair("a", 8, u64(2 ** 24 + 1))] }, "limit", "a string", "a"],
    ["a string longer than the file", { pairs: [pair("a", 8, u64(999))] }, "length", "999", "a"],
    ["a string that is no UTF-8", { pairs: [pair("a", 8, str(Buffer.from([0xc3, 0x28])))] }, "utf8", "UTF-8", "a"],
    ["half a surrogate pair", { pairs: [pair("a", 8, str(Buffer.from([0xed, 0xa0, 0x80])))] }, "utf8", "UTF-8", "a"],
    ["a bool of 2", { pairs: [pair("a", 7, Buffer.from([2]))] }, "value", "bool of 2", "a"],
    ["an alignment of 0", { pairs: [pair("general.alignment", 4, u32(0))] }, "alignment", "0 is not a power of two"],
    ["an alignment of 13", { pairs: [pair("general.alignment", 4, u32(13))] }, "alignment", "13"],
    ["an alignment of 2^31 + 1", { pairs: [pair("general.alignment", 4, u32(0x80000001))] }, "alignment", "2147483649"],
    ["an alignment that is a u64", { pairs: [pair("general.alignment", 10, u64(32))] }, "alignment", "u64"],
    // Tensors.
    ["a name longer than allowed", { tensors: [tensor("a".repeat(64), [8])], data: 32 }, "limit", "64"],
    ["an empty name", { tensors: [tensor("", [8])], data: 32 }, "name", "tensor 0"],
    ["two tensors of one name", { tensors: [f32, f32], data: 64 }, "name", "two tensors", "a"],
    ["five dimensions", { tensors: [tensor("a", [1, 1, 1, 1, 1])], data: 32 }, "shape", "5 dimensions", "a"],
    [
      "2^32 - 1 dimensions",
      { tensors: [str("a"), u32(0xffffffff)], tensorCount: 1, data: 64 },
      "shape",
      "4294967295",
      "a",
    ],
    ["a negative dimension", { tensors: [tensor("a", [-1])], data: 32 }, "shape", "dimension of 184467", "a"],
    [
      "2^32 x 2^32 elements",
      { tensors: [tensor("a", [2n ** 32n, 2n ** 32n])], data: 32 },
      "shape",
      "73786976294838206464",
      "a",
    ],
    [
      "a size that wraps to 4 MB",
      { tensors: [tensor("a", [2n ** 40n, 2n ** 22n + 1n])], data: 32 },
      "shape",
      "bytes",
      "a",
    ],
    [
      "a tensor type that nobody knows",
      { tensors: [tensor("a", [8], 99)], data: 32 },
      "tensor-type",
      "99 is unknown, expected one of F32, F16",
      "a",
    ],
    ["a tensor type that was removed", { tensors: [tensor("a", [8], 4)], data: 32 }, "tensor-type", "Q4_K", "a"],
    ["a negative tensor type", { tensors: [tensor("a", [8], 0xffffffff)], data: 32 }, "tensor-type", "-1", "a"],
    ["a row of half a block", { tensors: [tensor("a", [48], 2)], data: 32 }, "shape", "rows of 48", "a"],
    ["a first offset above 0", { tensors: [tensor("a", [8], 0, 32)], data: 64 }, "offset", "expected 0", "a"],
    ["an offset that is not aligned", { tensors: [f32, tensor("b", [8], 0, 33)], data: 96 }, "offset", "33", "b"],
    [
      "an offset inside the tensor before",
      { tensors: [tensor("a", [16]), tensor("b", [8], 0, 32)], data: 96 },
      "offset",
      "expected 64",
      "b",
    ],
    ["a gap", { tensors: [f32, tensor("b", [8], 0, 64)], data: 96 }, "offset", "expected 32", "b"],
    [
      "an offset of 2^64 - 32",
      { tensors: [f32, tensor("b", [8], 0, -32)], data: 96 },
      "offset",
      "18446744073709551584",
      "b",
    ],
    [
      "offsets of another alignment",
      {
        pairs: [pair("general.alignment", 4, u32(64))],
        tensors: [f32, tensor("b", [8], 0, 32)],
        alignment: 64,
        data: 128,
      },
      "offset",
      "aligned to 64",
      "b",
    ],
    ["not enough data", { tensors: [f32], data: 31 }, "file-size", "ends at byte", "a"],
    ["no data at all", { tensors: [tensor("a", [2 ** 20, 2 ** 20])] }, "file-size", "ends at byte", "a"],
    ["a file that ends before its padding", fileOf({ tensors: [f32] }).subarray(0, -3), "file-size", "a"],
  ];
  test.each(cases)("%s", async (_, content, rule, message, subject) => {
    const path = await place("refused.gguf", Buffer.isBuffer(content) ? content : handMade(content));
    const error = await refusal(path);
    expect(error.message).toContain(message);
    expect(error).toMatchObject({ file: path, rule });
    if (subject !== undefined) expect(error).toMatchObject({ subject });
    expect(error.message).toContain(path);
  });
  const handMade = (parts: Parts) =>
    (parts.data ?? 0) < 0 ? fileOf({ ...parts, data: 0 }).subarray(0, parts.data) : fileOf(parts);

  test("a header above the limit is not read to its end", async () => {
    const arrays = Array.from({ length: 9 }, (_, i) => pair(`a${i}`, 9, u32(0), u64(2 ** 24)));
    const path = await place("long.gguf", fileOf({ pairs: arrays.slice(0, 1), pairCount: 9 }).subarray(0, 48));
    const file = await open(path, "r+"); // holes in the file take no space
    for (const [i, array] of arrays.entries())
      await file.write(array, 0, array.length, 24 + i * (array.length + 2 ** 24));
    await file.truncate(2 ** 28);
    await file.close();
    const error = await refusal(path);
    expect(error).toMatchObject({ rule: "limit" });
    expect(error.message).toContain(`over ${ggufLimits.headerBytes} bytes`);
  });
});

describe("writing", () => {
  const metadata: GgufMetadata = new Map([["a", { type: "u32", value: 1 }]]);
  const good: GgufTensorToWrite = { name: "w", dtype: "F32", shape: [2, 4], data: new Uint8Array(32) };
  test.each<[what: string, metadata: GgufMetadata, tensors: GgufTensorToWrite[], rule: GgufRule]>([
    ["data of another length", metadata, [{ ...good, data: new Uint8Array(31) }], "buffer"],
    ["two tensors of one name", metadata, [good, good], "name"],
    ["a name that is too long", metadata, [{ ...good, name: "w".repeat(64) }], "limit"],
    ["rows that are no whole blocks", metadata, [{ ...good, dtype: "Q8_0" }], "shape"],
    ["an empty key", new Map([["", { type: "u32", value: 1 }]]), [], "key"],
    ["a directory that is not there", metadata, [good], "file"],
  ])("%s is refused and leaves nothing behind", async (what, pairs, tensors, rule) => {
    const directory = await mkdtemp(join(folder, "write-"));
    const path = join(directory, what.startsWith("a directory") ? "no/such/file.gguf" : "out.gguf");
    const error = await writeGguf(path, pairs, tensors).catch((error) => error);
    expect(error).toBeInstanceOf(GgufError);
    expect(error).toMatchObject({ file: path, rule });
    expect(await readdir(directory)).toEqual([]);
  });
});
