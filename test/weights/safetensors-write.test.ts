// Writing safetensors: byte for byte what the reference writes, whole or not at all. With WEIGHTS_TEST_OUT=DIR the files
// stay in DIR, and `make-golden.py --verify DIR` has the reference read them.

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openSafetensors, type TensorToWrite, writeSafetensors } from "../../weights/safetensors.ts";
import { SafetensorsError } from "../../weights/safetensors-header.ts";
import { meaningOf } from "./checkpoint-meaning.ts";

const golden = new URL("golden/reference.safetensors", import.meta.url).pathname;
const keep = process.env.WEIGHTS_TEST_OUT;
let folder: string;
beforeAll(async () => {
  folder = keep ?? (await mkdtemp(join(tmpdir(), "safetensors-write-")));
  await mkdir(folder, { recursive: true });
});
afterAll(() => (keep ? undefined : rm(folder, { recursive: true })));

test("what the reference wrote is written again byte for byte, in whatever order the tensors come", async () => {
  const checkpoint = await openSafetensors(golden);
  const tensors = [...checkpoint.tensors.values()].map((entry) => ({
    ...entry,
    data: () => checkpoint.read(entry.name),
  }));
  for (const order of [tensors, tensors.toReversed(), tensors.toSorted((a, b) => a.shape.length - b.shape.length)]) {
    const path = join(folder, "again.safetensors");
    await writeSafetensors(path, order, checkpoint.metadata);
    expect(await readFile(path)).toEqual(await readFile(golden));
  }
  await checkpoint.close();
});

const bits = { U8: 8, BOOL: 8, F8_E4M3: 8, F16: 16, BF16: 16, I32: 32, F32: 32, F64: 64, U64: 64, C64: 64, F4: 4 };
const tensor = fc
  .record({
    name: fc.string({ unit: "grapheme", maxLength: 12 }).filter((name) => name !== "__metadata__"),
    dtype: fc.constantFrom(...(Object.keys(bits) as (keyof typeof bits)[])),
    shape: fc.array(fc.nat(4), { maxLength: 3 }),
    seed: fc.nat(255),
  })
  .map(({ name, dtype, shape, seed }): TensorToWrite & { data: Uint8Array } => {
    const whole = dtype === "F4" ? [...shape, 2] : shape;
    const length = whole.reduce((product, dimension) => product * dimension, bits[dtype] / 8);
    return { name, dtype, shape: whole, data: Uint8Array.from({ length }, (_, i) => (seed * 31 + i * 7) & 255) };
  });

test("300 random checkpoints come back as they went in", async () => {
  let count = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(tensor, { selector: (t) => t.name, maxLength: 8 }),
      fc.option(fc.dictionary(fc.string({ unit: "grapheme", maxLength: 5 }), fc.string({ unit: "grapheme" })), {
        nil: undefined,
      }),
      async (tensors, metadata) => {
        const path = join(folder, `written-${count++}.safetensors`);
        await writeSafetensors(path, tensors, metadata);
        const checkpoint = await openSafetensors(path);
        expect(checkpoint.metadata).toEqual({ ...metadata });
        expect(checkpoint.tensors.size).toBe(tensors.length);
        for (const { name, dtype, shape, data } of tensors) {
          expect(checkpoint.tensors.get(name)).toMatchObject({ dtype, shape });
          expect(await checkpoint.read(name)).toEqual(data);
        }
        if (keep) await writeFile(path.replace(/\.safetensors$/, ".txt"), (await meaningOf(checkpoint)).join("\n"));
        await checkpoint.close();
        if (!keep) await rm(path);
      },
    ),
    { seed: 3, numRuns: 300 },
  );
});

test("what would break a rule is refused, and the old file stays", async () => {
  const place = join(folder, "atomic");
  await mkdir(place, { recursive: true });
  const path = join(place, "model.safetensors");
  const good: TensorToWrite = { name: "w", dtype: "U8", shape: [2], data: Uint8Array.of(1, 2) };
  await writeSafetensors(path, [good]);
  const before = await readFile(path);
  const cases: [TensorToWrite[], rule: string, message: string][] = [
    [[good, good], "json", 'the key "w" for the second time'],
    [[{ ...good, name: "__metadata__" }], "metadata", "__metadata__"],
    [[{ ...good, name: "\ud800" }], "json", "half a surrogate pair"],
    [[{ ...good, dtype: "F3" as "F4" }], "dtype", '"F3"'],
    [[{ ...good, shape: [-2] }], "shape", "[-2]"],
    [[{ ...good, shape: [0.5] }], "shape", "[0.5]"],
    [[{ ...good, shape: [Number.NaN] }], "shape", "[null]"],
    [[{ ...good, shape: [2 ** 53, 2 ** 53] }], "overflow", "elements"],
    [[{ ...good, dtype: "F4", shape: [1] }], "size", "4 bits"],
    [[{ ...good, shape: [3] }], "size", "2 bytes of data, but its shape takes 3"],
    [[{ ...good, data: () => Promise.reject(new Error("the disk is gone")) }], "file", "the disk is gone"],
  ];
  for (const [tensors, rule, message] of cases) {
    const error = await writeSafetensors(path, tensors).catch((error) => error);
    expect(error).toBeInstanceOf(SafetensorsError);
    expect(error.message).toContain(message);
    expect(error.rule).toBe(rule);
    expect(await readdir(place)).toEqual(["model.safetensors"]);
    expect(await readFile(path)).toEqual(before);
  }
  const metadata = { n: 1 } as unknown as Record<string, string>;
  await expect(writeSafetensors(path, [good], metadata)).rejects.toMatchObject({ rule: "metadata" });
  await expect(writeSafetensors(path, [good], { a: "a".repeat(100_000_000) })).rejects.toMatchObject({
    rule: "header-length",
  });
  await expect(writeSafetensors(join(place, "no", "such.safetensors"), [good])).rejects.toMatchObject({ rule: "file" });
  await rm(place, { recursive: true });
});
