// Decoding and encoding of f16 and bf16 against PyTorch: every pattern one way, every rounding boundary the other.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeF32, encodeF32 } from "../../weights/dtype.ts";
import { f16ToNumber } from "../../weights/half.ts";

const golden = readFileSync(new URL("golden/conversions.txt", import.meta.url), "utf8")
  .trim()
  .split("\n");
const hashOf = (what: string) => golden.find((line) => line.startsWith(`${what} `))?.split(" ")[2];
const sha256 = (data: Uint16Array | Uint32Array) => createHash("sha256").update(data).digest("hex");

describe.each(["f16", "bf16"] as const)("%s", (dtype) => {
  const quiet = dtype === "f16" ? 0x7e00 : 0x7fc0;
  const isNaNPattern = (half: number) => (half & 0x7fff) > (dtype === "f16" ? 0x7c00 : 0x7f80);

  test("decodes all 65,536 patterns as PyTorch does", () => {
    const patterns = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const decoded = decodeF32(dtype, new Uint8Array(patterns.buffer));
    const bits = new Uint32Array(decoded.slice().buffer);
    patterns.forEach((i) => {
      if (Number.isNaN(decoded[i]) !== isNaNPattern(i)) expect.fail(`pattern ${i} decodes to ${decoded[i]}`);
      if (dtype === "f16" && !Object.is(f16ToNumber(i), decoded[i]))
        expect.fail(`pattern ${i}: ${f16ToNumber(i)} alone, ${decoded[i]} in an array`);
      if (isNaNPattern(i)) bits[i] = 0x7fc00000;
    });
    expect(sha256(bits)).toBe(hashOf(`decode ${dtype}`));
  });

  test("encodes around every rounding boundary, 3,145,728 values, as PyTorch does", () => {
    const bits = new Uint32Array(3 * 2 ** 20);
    for (let k = 0; k < 2 ** 20; k++) bits.set([(k << 12) - 1, k << 12, (k << 12) + 1], 3 * k);
    const encoded = new Uint16Array(encodeF32(dtype, new Float32Array(bits.buffer)).buffer);
    for (let i = 0; i < encoded.length; i++) if (isNaNPattern(encoded[i])) encoded[i] = quiet;
    expect(sha256(encoded)).toBe(hashOf(`encode ${dtype}`));
  });

  test.each(golden.filter((line) => line.startsWith(`sample ${dtype}`)))("%s", (line) => {
    const [bits, half] = line
      .split(" ")
      .slice(2)
      .map((hex) => Number.parseInt(hex, 16));
    const encoded = encodeF32(dtype, new Float32Array(Uint32Array.of(bits).buffer));
    expect(new Uint16Array(encoded.buffer)[0].toString(16)).toBe(half.toString(16));
  });

  test("a pattern survives decoding and encoding", () => {
    const patterns = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((half) => !isNaNPattern(half));
    const bytes = new Uint8Array(patterns.buffer);
    expect(encodeF32(dtype, decodeF32(dtype, bytes))).toEqual(bytes);
  });
});

test("f32 and f64 round-trip, f64 rounds to nearest", () => {
  fc.assert(
    fc.property(fc.float32Array(), (values) => {
      expect(decodeF32("f32", encodeF32("f32", values))).toEqual(values);
      expect(decodeF32("f64", encodeF32("f64", values))).toEqual(values);
    }),
    { seed: 1 },
  );
  const tie = Float64Array.of(1 + 2 ** -24, 1 + 3 * 2 ** -24, 1e39, -1e-46);
  expect([...decodeF32("f64", new Uint8Array(tie.buffer))]).toEqual([1, 1 + 2 ** -22, Number.POSITIVE_INFINITY, -0]);
});

test("bytes at any offset decode alike; only aligned f32 is a view", () => {
  for (const dtype of ["f64", "f32", "bf16", "f16"] as const) {
    const bytes = encodeF32(dtype, Float32Array.of(1.5, -2, 0.25));
    for (let offset = 0; offset < 8; offset++) {
      const shifted = Buffer.alloc(offset + bytes.length).subarray(offset);
      shifted.set(bytes);
      expect([...decodeF32(dtype, shifted)]).toEqual([1.5, -2, 0.25]);
      expect([...decodeF32(dtype, shifted, new Float32Array(3))]).toEqual([1.5, -2, 0.25]);
    }
  }
  const aligned = new Uint8Array(8);
  expect(decodeF32("f32", aligned).buffer).toBe(aligned.buffer);
  expect(decodeF32("f32", aligned, new Float32Array(2)).buffer).not.toBe(aligned.buffer);
});

test("lengths that do not fit are refused", () => {
  expect(() => decodeF32("f32", new Uint8Array(6))).toThrow(
    "6 bytes are not a whole number of f32 elements of 4 bytes",
  );
  expect(() => decodeF32("f16", new Uint8Array(6), new Float32Array(4))).toThrow("3 f16 elements do not fit");
});
