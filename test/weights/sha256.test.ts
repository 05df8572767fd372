// SHA-256 against Node's, and what a fingerprint depends on.

import { createHash, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { sha256 } from "../../weights/sha256.ts";

const nodes = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

test("digests of every length up to three blocks, and of a megabyte, are those of node:crypto", () => {
  for (let length = 0; length <= 200; length++) {
    const bytes = randomBytes(length);
    expect(sha256(bytes), `${length} bytes`).toBe(nodes(bytes));
  }
  const long = randomBytes(1_000_003);
  expect(sha256(long)).toBe(nodes(long));
});

test("a view into a larger buffer is hashed alone", () => {
  const bytes = randomBytes(300);
  expect(sha256(bytes.subarray(7, 130))).toBe(nodes(bytes.subarray(7, 130)));
});
