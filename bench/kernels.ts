// How close each kernel of the SIMD set comes to what this machine can do: first the two limits, bytes read from memory and
// multiply-adds in registers, as the same instructions reach them; then every kernel as a share of the limit that binds it.
// Of any other set, how fast its ops are (any-kernels.ts).
//
//   npm run bench:kernels -- [--kernels simd] [--threads 2] [--rounds 7] [--only linear]
//
// Rounds go over all kernels in turn, so a disturbance of the machine hits them alike; the table has medians, and the
// limits are measured again in every round. Single rows multiply with 256 MiB of different weights and attend over 256 MiB
// of different keys and values, so that these come from memory and not from a cache, as in a model; times are for all of them.

import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { setNames } from "../kernels/select.ts";
import { simdKernels } from "../kernels/simd/host/simd.ts";
import { byteLengthOf, type DType, encodeF32 } from "../weights/dtype.ts";
import { benchSet } from "./any-kernels.ts";

const { values: options } = parseArgs({
  options: {
    threads: { type: "string", default: String(cpus().length) },
    rounds: { type: "string", default: "7" },
    only: { type: "string", default: "" },
    kernels: { type: "string", default: "simd" },
    help: { type: "boolean", default: false },
  },
});
const rounds = Number(options.rounds);
if (options.help) {
  console.log(`Usage: npm run bench:kernels -- [options]

  --kernels NAME  the set: ${setNames.join(", ")} (default: simd, each kernel as a share of what the machine can do)
  --threads N     threads of a set that has any (default: all cores)
  --rounds N      rounds, all kernels in turn; medians are printed (default: 7)
  --only WORD     kernels whose names have the word`);
  process.exit(0);
}
if (!(Number.isSafeInteger(rounds) && rounds >= 1))
  fail(`--rounds: got ${options.rounds}, expected a whole number ≥ 1`);
if (options.kernels !== "simd") {
  const threads = process.argv.some((word) => word.startsWith("--threads")) ? Number(options.threads) : undefined;
  await benchSet(options.kernels, { rounds, only: options.only, threads }).catch((error) => fail(error.message));
  process.exit(0);
}

function fail(message: string): never {
  console.error(`bench:kernels: ${message}`);
  process.exit(2);
}

const kernels = await simdKernels({ threads: Number(options.threads) });

interface Measured {
  name: string;
  /** Multiply-adds count as two. */
  operations: number;
  /** Bytes that have to come from memory, each once. */
  bytes: number;
  run(): void;
  seconds: number[];
}

const poolBytes = 2 ** 28;
const pool = await kernels.load("f32", poolBytes / 4, async (into) => {
  // Small numbers of either sign, whatever dtype they are read as: exponents near 2^-8, scales near 0.01.
  for (let i = 0; i < into.length; i++) into[i] = i & 1 ? 0x1e | ((i * 2654435761) & 0x80) : (i * 2654435761) >>> 13;
});
const numbers = Float32Array.from({ length: 2 ** 20 }, () => Math.random() - 0.5);
/** Keys and values of each dtype have memory of their own: what a step adds to them stays in that dtype. */
const caches = {
  f32: await cachePool("f32"),
  f16: await cachePool("f16"),
};
while (!kernels.ready()) await new Promise((resolve) => setTimeout(resolve, 1));

const noise = (length: number) => kernels.upload(Float32Array.from({ length }, () => Math.random() - 0.5));
const out = kernels.alloc("f32", 512 * 16384, false);
const x = noise(512 * 16384);
const y = noise(512 * 16384);

function cachePool(dtype: "f32" | "f16") {
  const bytes = encodeF32(dtype, numbers);
  return kernels.load(dtype, poolBytes / (bytes.length / numbers.length), async (into) => {
    for (let at = 0; at < into.length; at += bytes.length) into.set(bytes, at);
  });
}

/** Rows times the matrices of one layer, which lie one after the other in the pool. */
function linear(dtype: DType, rows: number, inDim: number, outDim: number): Measured {
  const bytes = byteLengthOf(dtype, inDim * outDim);
  const stride = Math.ceil(bytes / 64) * 64;
  const copies = rows >= 64 ? 1 : Math.floor(poolBytes / stride);
  return {
    name: `linear ${dtype}, ${rows} ${rows === 1 ? "row" : "rows"}, ${inDim} → ${outDim}`,
    operations: 2 * rows * inDim * outDim * copies,
    bytes: bytes * copies,
    run() {
      for (let i = 0; i < copies; i++) {
        const w = { address: pool.address + i * stride };
        kernels.linear(out, x, w, dtype, null, rows, inDim, outDim);
      }
    },
    seconds: [],
  };
}

/** Rows of one sequence that has `past` positions, or one row each of as many sequences: over the caches of many layers, in turn. */
function attention(
  dtype: "f32" | "f16",
  rows: number,
  past: number,
  nHeads: number,
  nCacheHeads: number,
  dim: number,
  apart = false,
): Measured {
  const sequences = apart ? rows : 1;
  const length = apart ? past + 1 : past + rows;
  const maxPages = Math.ceil(length / 64);
  const ints = (values: number[]) => kernels.upload(Int32Array.from(values));
  const positions = Array.from({ length: rows }, (_, r) => (apart ? past : past + r));
  const width = nCacheHeads * dim * (dtype === "f32" ? 4 : 2);
  const bytes = sequences * maxPages * 64 * width; // of the keys of a layer, and of its values
  const copies = rows >= 64 ? 1 : Math.floor(poolBytes / (2 * bytes));
  const layers = Array.from({ length: copies }, (_, i) => ({
    k: { address: caches[dtype].address + 2 * i * bytes },
    v: { address: caches[dtype].address + (2 * i + 1) * bytes },
  }));
  const where = {
    sequences: ints(positions.map((_, r) => (apart ? r : 0))),
    positions: ints(positions),
    pageTable: ints(Array.from({ length: sequences * maxPages }, (_, i) => i)),
  };
  const shape = { rows, nHeads, nCacheHeads, kDim: dim, vDim: dim, maxPages, scale: dim ** -0.5 };
  return {
    name: `attention ${dtype}, ${rows} ${rows === 1 ? "row" : "rows"}${apart ? " apart" : ""} after ${past}, ${nHeads} heads on ${nCacheHeads}`,
    operations: copies * 4 * dim * nHeads * positions.reduce((sum, position) => sum + position + 1, 0),
    bytes: copies * 2 * width * sequences * length,
    run() {
      for (const cache of layers) kernels.attention(out, x, y, y, cache, dtype, where, shape);
    },
    seconds: [],
  };
}

function simple(name: string, floatsMoved: number, run: () => void): Measured {
  return { name, operations: 0, bytes: 4 * floatsMoved, run, seconds: [] };
}

const n = 512 * 5504;
const matrices = [
  [576, 1536],
  [2048, 2048],
  [2048, 5504],
];
const measured: Measured[] = [
  ...(["f32", "bf16", "f16", "q8_0", "q4_0"] as const).flatMap((dtype) =>
    matrices.flatMap(([inDim, outDim]) => [1, 8, 512].map((rows) => linear(dtype, rows, inDim, outDim))),
  ),
  ...(["q4_1", "q4_K", "q6_K"] as const).flatMap((dtype) => [1, 8, 512].map((rows) => linear(dtype, rows, 2048, 5632))),
  ...(["f32", "f16"] as const).flatMap((dtype) => [
    attention(dtype, 1, 127, 9, 3, 64),
    attention(dtype, 1, 4095, 9, 3, 64),
    attention(dtype, 1, 4095, 16, 16, 128),
    attention(dtype, 8, 1000, 16, 16, 128, true),
    attention(dtype, 512, 0, 9, 3, 64),
    attention(dtype, 512, 0, 16, 16, 128),
  ]),
  simple("rmsNorm, 512 rows of 2048", 2 * 512 * 2048, () => kernels.rmsNorm(out, x, y, 512, 2048, 1e-5)),
  simple("layerNorm, 512 rows of 2048", 2 * 512 * 2048, () => kernels.layerNorm(out, x, y, y, 512, 2048, 1e-5)),
  simple("rope, 512 rows, 16 heads of 128", 2 * 512 * 2048, () => kernels.rope(out, x, y, y, 512, 16, 128, 128, 0)),
  simple("swiglu, 512 rows of 5504", 3 * n, () => kernels.swiglu(out, x, y, n)),
  simple("gelu, 512 rows of 5504", 2 * n, () => kernels.gelu(out, x, n)),
  simple("add, 512 rows of 2048", 3 * 512 * 2048, () => kernels.add(out, x, y, 512 * 2048)),
].filter(({ name }) => name.includes(options.only));

const read = simple("read", poolBytes / 4, () => kernels.readAll(pool, 256));
const multiply = { ...simple("multiply", 0, () => kernels.multiplyAll(256)), operations: 256 * 393216 };

for (let round = 0; round < rounds; round++)
  for (const kernel of [read, multiply, ...measured]) {
    kernel.run(); // the caches and branch predictors of this kernel, not of the one before
    const began = performance.now();
    let times = 0;
    do {
      kernel.run();
      times++;
    } while (performance.now() - began < 20);
    kernel.seconds.push((performance.now() - began) / 1000 / times);
  }

function median({ seconds }: Measured): number {
  return seconds.toSorted((a, b) => a - b)[seconds.length >> 1];
}

const bandwidth = poolBytes / median(read);
const peak = multiply.operations / median(multiply);
console.log(`${cpus()[0].model}, Node ${process.version}; ${kernels.about}; ${new Date().toISOString().slice(0, 10)}`);
console.log(
  `memory ${(bandwidth / 1e9).toFixed(1)} GB/s, arithmetic ${(peak / 1e9).toFixed(1)} GFLOP/s; medians of ${rounds} rounds\n`,
);
console.log(
  `${"kernel".padEnd(56)}${"ms".padStart(10)}${"GB/s".padStart(8)}${"GFLOP/s".padStart(9)}  share of its limit`,
);
for (const kernel of measured) {
  const seconds = median(kernel);
  const [forBytes, forOperations] = [kernel.bytes / bandwidth, kernel.operations / peak];
  const limit = forBytes > forOperations ? "memory" : "arithmetic";
  const share = Math.max(forBytes, forOperations) / seconds;
  console.log(
    kernel.name.padEnd(56) +
      (seconds * 1000).toFixed(3).padStart(10) +
      (kernel.bytes / seconds / 1e9).toFixed(1).padStart(8) +
      (kernel.operations / seconds / 1e9).toFixed(1).padStart(9) +
      `  ${(share * 100).toFixed(0).padStart(3)} % of ${limit}`,
  );
}
const counts = kernels.chunkCounts();
console.log(`\nchunks of work by thread: ${counts.join(", ")}`);
kernels.close();
