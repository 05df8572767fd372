// Where the weights are that do not ship with the project. A test that needs them skips itself and says so.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Karpathy's trained 260-thousand-parameter Llama with llama2.c's own output, beside the checkout. */
export const stories260k = realModel(
  process.env.PLAINFORMER_STORIES260K ?? fileURLToPath(new URL("../../shared/models/stories260k", import.meta.url)),
  "set PLAINFORMER_STORIES260K to a directory with stories260K in Hugging Face layout and greedy-200.txt",
);

/** SmolLM2-135M-Instruct with PyTorch's goldens, as test/golden/make-smollm2.py writes them. */
export const smollm2 = realModel(
  process.env.PLAINFORMER_SMOLLM2,
  "set PLAINFORMER_SMOLLM2 to a directory made by test/golden/make-smollm2.py",
);

function realModel(directory: string | undefined, how: string) {
  const found = directory !== undefined && existsSync(directory);
  return {
    directory: directory ?? "",
    missing: found ? undefined : `no model${directory ? ` in ${directory}` : ""}: ${how}`,
  };
}
