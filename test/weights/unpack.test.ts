// Block types that are unpacked as they are read, against the Python package gguf, bit by bit (make-unpack-golden.py).

import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { floatDTypes } from "../../src/model/families/take-weights.ts";
import { decodeF32 } from "../../weights/dtype.ts";
import { ggufBlock } from "../../weights/gguf-header.ts";
import { openSafetensors, readF32 } from "../../weights/safetensors.ts";
import { isUnpacked, type UnpackedType, unpackBlocks, unpackings } from "../../weights/unpack.ts";

const golden = await openSafetensors(fileURLToPath(new URL("golden/unpack.safetensors", import.meta.url)));
const types = Object.keys(unpackings) as UnpackedType[];

/** The bits of f32 values, every NaN alike. */
function bitsOf(values: Float32Array): number[] {
  return Array.from(new Uint32Array(values.slice().buffer), (bits, i) => (Number.isNaN(values[i]) ? 0x7fc00000 : bits));
}

test("every type of the goldens", () => {
  const named = new Set([...golden.tensors.keys()].map((name) => name.split(".")[0]));
  expect([...types].sort()).toEqual([...named].sort());
  expect(isUnpacked("Q8_0")).toBe(false);
});

describe.each(types)("%s", (type) => {
  test("random and extreme blocks have gguf's values in the dtype that they become", async () => {
    const blocks = await golden.read(`${type}.blocks`);
    const expected = bitsOf(await readF32(golden, `${type}.values`));
    const { to } = unpackings[type];
    expect(expected).toHaveLength(24 * ggufBlock(type).elements);
    const unpacked = unpackBlocks(type, blocks);
    expect(bitsOf(decodeF32(floatDTypes[to], unpacked))).toEqual(expected);
    // Into memory that holds something already, at any offset.
    const into = new Uint8Array(unpacked.length + 1).fill(0xff).subarray(1);
    expect(unpackBlocks(type, blocks, into)).toBe(into);
    expect(Buffer.compare(into, unpacked)).toBe(0);
  });
});
