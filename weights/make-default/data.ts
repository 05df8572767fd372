// Writes what both trainers start from: the initial weights, the plan as JSON, and the batches of some steps in order,
// 16 bits a token with the top bit for "counts in the loss". Our own trainer makes its batches itself; its twin in PyTorch reads the file.
// Usage: tsx weights/make-default/data.ts TOKENIZER_DIR OUT_DIR [FROM_STEP [TO_STEP]]

import { mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadTokenizer } from "../../src/tokenizer/load-tokenizer.ts";
import { writeSafetensors } from "../safetensors.ts";
import { batchAt, phases, rateAt, rates, shape, steps } from "./plan.ts";
import { startWeights } from "./start.ts";

const [tokenizerDirectory, out] = process.argv.slice(2);
const [from, to] = [Number(process.argv[4] ?? 0), Number(process.argv[5] ?? steps)];
const tokenizer = await loadTokenizer(tokenizerDirectory);
await mkdir(out, { recursive: true });
const plan = {
  shape: { vocab_size: tokenizer.vocabSize, ...shape },
  rates,
  phases: phases.map(({ steps, sequences, positions }) => ({ steps, sequences, positions })),
  rate: Array.from({ length: steps }, (_, step) => rateAt(step)),
  from,
  to,
};
await writeFile(join(out, "plan.json"), JSON.stringify(plan));
await writeSafetensors(
  join(out, "start.safetensors"),
  startWeights(tokenizer.vocabSize).map(({ name, shape, values }) => ({
    name,
    dtype: "F32",
    shape,
    data: new Uint8Array(values.buffer),
  })),
);
const file = await open(join(out, "batches.bin"), "w");
let tokens = 0;
let counted = 0;
for (let step = from; step < to; step++) {
  const { ids, learned } = batchAt(step, tokenizer);
  const packed = ids.map((id, i) => id | (learned[i] << 15));
  tokens += ids.length;
  counted += learned.reduce((sum, one) => sum + one, 0);
  await file.write(new Uint8Array(packed.buffer));
}
await file.close();
process.stderr.write(`${tokens} tokens, ${((100 * counted) / tokens).toFixed(1)} % of them count\n`);
