// A model with a soft prompt before everything: the same methods, each with its rows in front of whatever it is given.

import { FieldError } from "./field-error.ts";
import type { Input, Segment } from "./prompt/segments.ts";
import { checkFingerprint, type SoftPrompt } from "./prompt/soft-prompts.ts";
import type { ComputedModel, ServedModel } from "./served-model.ts";
import { withChat } from "./with-chat.ts";

/**
 * Text behind the rows gets special tokens as it did when they were trained.
 * @throws FieldError of `softPrompt`, if the rows are as wide as another model's, or were made for another.
 */
export function withSoftPrompt<Model extends ComputedModel>(model: Model, prompt: SoftPrompt): Model & ServedModel {
  const { embeds, shape, specialTokens } = prompt;
  const { dModel } = model.config;
  if (shape[1] !== dModel)
    throw new FieldError("softPrompt", `its rows are ${shape[1]} wide, expected ${dModel}, as this model's are`);
  checkFingerprint(prompt, model.fingerprint, "softPrompt");
  const rows: Segment[] = [{ embeds, shape, frozen: true }, ...(specialTokens === false ? [{ ids: [] }] : [])];
  const behind = (input: Input): Input => [...rows, ...(typeof input === "string" ? [{ text: input }] : input)];
  const given = <Options extends { input: Input }>(options: Options): Options =>
    typeof options?.input === "string" || Array.isArray(options?.input)
      ? { ...options, input: behind(options.input) }
      : options; // what is wrong with it is for the model to say
  return withChat({
    ...model,
    generate: (options) => model.generate(given(options)),
    trace: async (options) => model.trace(given(options)),
    score: async (options) => model.score(given(options)),
    candidateScores: async (options) => model.candidateScores(given(options)),
    gradients: async (options) => model.gradients(given(options)),
    candidateGradients: async (options) => model.candidateGradients(given(options)),
    batchGradients: async (options) =>
      model.batchGradients({ ...options, examples: options.examples.map((example) => given(example)) }),
  } satisfies ComputedModel as Model);
}
