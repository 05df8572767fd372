// Reads what the Python scripts beside this file wrote.

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { decodeF32 } from "../../weights/dtype.ts";
import { openSafetensors } from "../../weights/safetensors.ts";

const root = fileURLToPath(new URL(".", import.meta.url));

export interface GoldenPrompt {
  ids: number[];
  greedy: number[];
  margin: number;
  /** What the ids were tokenized from, in the goldens of a real model. */
  text?: string;
}

export interface Golden {
  name: string;
  directory: string;
  note: string;
  prompts: GoldenPrompt[];
  /** Extras of some cases. */
  score?: { ids: number[]; targets: number[]; logprobs: number[] };
  has(tensor: string): boolean;
  tensor(name: string): { shape: readonly number[]; values: Float32Array };
}

/** Directories with a golden.json, in order of name. */
export function goldenCases(): string[] {
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && readdirSync(root + entry.name).includes("golden.json"))
    .map((entry) => entry.name)
    .sort();
}

/** One case, by the name of its directory beside this file or by a path. */
export async function readGolden(name: string, directory = root + name): Promise<Golden> {
  const json = JSON.parse(readFileSync(`${directory}/golden.json`, "utf8"));
  const file = await openSafetensors(`${directory}/golden.safetensors`);
  const tensors = new Map<string, { shape: readonly number[]; values: Float32Array }>();
  for (const [tensor, { shape }] of file.tensors)
    tensors.set(tensor, { shape, values: decodeF32("f32", await file.read(tensor)) });
  await file.close();
  return {
    name,
    directory,
    note: json.note,
    prompts: Object.keys(json)
      .filter((key) => /^prompt\d+$/.test(key))
      .map((key) => json[key]),
    score: json.score,
    has: (tensor) => tensors.has(tensor),
    tensor(tensor) {
      const found = tensors.get(tensor);
      if (!found) throw new Error(`${directory}/golden.safetensors has no tensor ${tensor}`);
      return found;
    },
  };
}
