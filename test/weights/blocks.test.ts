// Block-quantized dtypes against the Python package gguf, bit by bit, and through the reference kernels.

import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createOps } from "../../kernels/ops.ts";
import { referenceKernels } from "../../kernels/reference/reference.ts";
import { type BlockDType, blockFormats } from "../../weights/blocks.ts";
import { blockOf, byteLengthOf, decodeF32, encodeF32, recode } from "../../weights/dtype.ts";
import { openSafetensors, readF32 } from "../../weights/safetensors.ts";

const golden = await openSafetensors(fileURLToPath(new URL("golden/blocks.safetensors", import.meta.url)));
const blockDTypes = Object.keys(blockFormats) as BlockDType[];
const input = await readF32(golden, "input");

/** The bits of f32 values, every NaN alike. */
function bitsOf(values: Float32Array): number[] {
  return Array.from(new Uint32Array(values.slice().buffer), (bits, i) => (Number.isNaN(values[i]) ? 0x7fc00000 : bits));
}

describe.each(blockDTypes)("%s", (dtype) => {
  test("decodes random and extreme blocks as gguf does", async () => {
    const blocks = await golden.read(`${dtype}.blocks`);
    const expected = await readF32(golden, `${dtype}.values`);
    expect(expected.length).toBe(24 * blockOf(dtype).elements);
    expect(bitsOf(decodeF32(dtype, blocks))).toEqual(bitsOf(expected));
    const shifted = new Uint8Array(blocks.length + 1).subarray(1);
    shifted.set(blocks);
    expect(bitsOf(decodeF32(dtype, shifted, new Float32Array(expected.length)))).toEqual(bitsOf(expected));
  });

  test("reference linear and gather see the decoded values", async () => {
    const { elements, bytes } = blockOf(dtype);
    const blocks = (await golden.read(`${dtype}.blocks`)).subarray(8 * bytes, 20 * bytes); // after the extremes
    const [outDim, inDim] = [6, 2 * elements];
    const ops = createOps(referenceKernels());
    const w = await ops.load(dtype, [outDim, inDim], async (into) => into.set(blocks));
    const plain = await ops.load("f32", [outDim, inDim], async (into) => {
      into.set(encodeF32("f32", decodeF32(dtype, blocks)));
    });
    const x = ops.upload(
      Float32Array.from({ length: 3 * inDim }, (_, i) => Math.sin(i)),
      [3, inDim],
    );
    expect(await ops.read(ops.linear(x, w))).toEqual(await ops.read(ops.linear(x, plain)));
    const ids = ops.upload(Int32Array.of(5, 0, 3));
    expect(await ops.read(ops.gather(w, ids))).toEqual(await ops.read(ops.gather(plain, ids)));
    expect(await ops.read(w)).toEqual(await ops.read(plain));
  });

  test("half a block is refused", () => {
    const { elements, bytes } = blockOf(dtype);
    expect(byteLengthOf(dtype, 3 * elements)).toBe(3 * bytes);
    expect(() => byteLengthOf(dtype, elements + 1)).toThrow(`not a whole number of ${dtype} blocks of ${elements}`);
    expect(() => decodeF32(dtype, new Uint8Array(bytes - 1))).toThrow(`blocks of ${bytes} bytes`);
    expect(() => encodeF32(dtype, new Float32Array(elements - 1))).toThrow(RangeError);
  });
});

describe.each(["q8_0", "q4_0", "q4_1"] as const)("quantizing to %s", (dtype) => {
  test("rounds as gguf does", async () => {
    expect([...encodeF32(dtype, input)]).toEqual([...(await golden.read(`${dtype}.quantized`))]);
  });

  test("is off by at most half a step and the rounding of the scale", () => {
    const step = { q8_0: 1 / 127, q4_0: 1 / 8, q4_1: 2 / 15 }[dtype];
    // q4_0 has no +8: the end opposite to the largest magnitude may be a whole step off.
    const most = dtype === "q4_0" ? 1 : 0.5;
    fc.assert(
      fc.property(fc.array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: 32, maxLength: 32 }), (list) => {
        const x = Float32Array.from(list);
        const largest = x.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
        decodeF32(dtype, encodeF32(dtype, x)).forEach((value, i) => {
          expect(Math.abs(value - x[i])).toBeLessThanOrEqual(most * step * largest + largest * 2 ** -9 + 2 ** -17);
        });
      }),
      { seed: 3, numRuns: 300 },
    );
  });

  test("what has no place in a block is refused", () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => encodeF32(dtype, new Float32Array(32).fill(value, 3, 4))).toThrow(`${value} cannot be quantized`);
    }
    expect(() => encodeF32(dtype, new Float32Array(32).fill(1e30, 0, 9))).toThrow("too large for f16");
  });
});

describe.each(["q4_K", "q6_K"] as const)("quantizing to %s", (dtype) => {
  test("nearly every block is ggml's, and none is worse", async () => {
    const rows = await readF32(golden, "wide");
    const theirs = await golden.read(`${dtype}.quantized`);
    const ours = encodeF32(dtype, rows);
    const [decoded, expected] = [decodeF32(dtype, ours), decodeF32(dtype, theirs)];
    const { bytes } = blockOf(dtype);
    const blocks = theirs.length / bytes;
    let same = 0;
    for (let b = 0; b < blocks; b++) {
      const part = (data: Uint8Array) => data.subarray(b * bytes, (b + 1) * bytes);
      if (Buffer.compare(part(ours), part(theirs)) === 0) same++;
      const error = (values: Float32Array) => {
        let sum = 0;
        for (let i = 256 * b; i < 256 * (b + 1); i++) sum += (values[i] - rows[i]) ** 2;
        return sum;
      };
      expect(error(decoded), `block ${b}`).toBeLessThanOrEqual(1.1 * error(expected));
    }
    expect(same / blocks).toBeGreaterThan(0.9);
  });

  test("what has no place in a block is refused", () => {
    expect(() => encodeF32(dtype, new Float32Array(256).fill(Number.NaN, 255))).toThrow("NaN cannot be quantized");
    expect(() => encodeF32(dtype, new Float32Array(256).fill(1e30, 0, 9))).toThrow("too large for f16");
  });
});

test("recoding in pieces is decoding and encoding of the whole", () => {
  const values = Float32Array.from({ length: 2 ** 18 + 32 * 5 }, (_, i) => Math.sin(i) * 3);
  const halves = encodeF32("bf16", values);
  const into = new Uint8Array(byteLengthOf("q8_0", values.length));
  expect(recode(halves, "bf16", "q8_0", into)).toBe(into);
  expect(Buffer.compare(into, encodeF32("q8_0", decodeF32("bf16", halves)))).toBe(0);
  expect(Buffer.compare(recode(halves, "bf16", "bf16", new Uint8Array(halves.length)), halves)).toBe(0);
});
