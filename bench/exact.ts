// What it costs in accuracy that a kernel set rounds activations to 8 bits before they meet quantized weights, and what `exact`
// costs in memory: mean difference of a token's natural log-probability from the reference kernels, which sum in double.
//
//   npm run bench:exact -- [MODEL] [--file TEXT] [--tokens 256] [--dtypes q8_0,q4_0,q4_1,q4_K]

import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { defaultModel, type LoadOptions, load, tensorsOf } from "../src/index.ts";
import type { WeightDType } from "../src/model/load.ts";
import { byteLengthOf } from "../weights/dtype.ts";
import { machine, table } from "./measure.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    file: { type: "string", default: new URL("../README.md", import.meta.url).pathname },
    tokens: { type: "string", default: "256" },
    dtypes: { type: "string", default: "q8_0,q4_0,q4_1,q4_K" },
  },
});
const source = positionals[0] ?? defaultModel;
const text = await readFile(values.file, "utf8");

interface Told {
  logprobs: number[];
  bytes: number;
}

/** Log-probabilities of the text's tokens after the first 16, and the bytes of the weights in memory. */
async function tell(options: LoadOptions): Promise<Told> {
  const model = await load(source, options);
  try {
    const ids = model.tokenizer.encode(text).slice(0, 16 + Number(values.tokens));
    const [{ logprobs }] = await model.score({ input: [{ ids: ids.slice(0, 16) }], targets: [ids.slice(16)] });
    const lengths = [...tensorsOf(model.model).values()].map(({ dtype, shape }) =>
      byteLengthOf(
        dtype,
        shape.reduce((length, n) => length * n, 1),
      ),
    );
    return { logprobs, bytes: lengths.reduce((sum, n) => sum + n, 0) };
  } finally {
    await model.close();
  }
}

/** Mean of |a − b|. */
function distance(a: Told, b: Told): string {
  const sum = a.logprobs.reduce((sum, logprob, i) => sum + Math.abs(logprob - b.logprobs[i]), 0);
  return (sum / a.logprobs.length).toPrecision(2);
}

const rows: string[][] = [];
for (const dtype of values.dtypes.split(",") as WeightDType[]) {
  let truth: Told;
  try {
    truth = await tell({ dtype, kernels: "reference" });
  } catch (error) {
    rows.push([dtype, (error as Error).message.replace(/^.*: /, ""), "", "", ""]); // rows that are no whole blocks
    continue;
  }
  const rounded = await tell({ dtype, kernels: "simd" });
  const exact = await tell({ dtype, kernels: "simd", exact: true });
  const unpacked = await tell({ dtype: "f32", kernels: "simd" });
  const megabytes = ({ bytes }: Told) => `${(bytes / 1e6).toFixed(1)} MB`;
  rows.push([dtype, distance(rounded, truth), distance(exact, truth), megabytes(exact), megabytes(unpacked)]);
}
console.log(`${machine()}; ${source}, ${values.tokens} tokens of ${values.file}\n`);
console.log(table(["weights", "rounded", "exact", "weights in memory, both", "as f32"], rows));
