// A model that knows soft prompts by name: the same methods, each with rows put in place of the names in its input.

import type { GenerateOptions } from "./engine/generate.ts";
import { within } from "./field-error.ts";
import type { Input } from "./prompt/segments.ts";
import { type FindSoftPrompt, namesSoftPrompts, resolveSoftPrompts } from "./prompt/soft-prompts.ts";
import type { ComputedModel } from "./served-model.ts";

/** @throws in its methods, FieldError that names the segment: a malformed name, an unknown one, rows of another model. */
export function withSoftPrompts<Model extends ComputedModel>(model: Model, find: FindSoftPrompt): Model {
  const resolved = async <Options extends { input: Input }>(options: Options): Promise<Options> =>
    namesSoftPrompts(options?.input)
      ? { ...options, input: await resolveSoftPrompts(options.input, find, model.fingerprint) }
      : options; // what else is wrong with it is for the model to say
  async function* generateResolved(options: GenerateOptions) {
    yield* model.generate(await resolved(options));
  }
  return {
    ...model,
    generate: (options) => (namesSoftPrompts(options?.input) ? generateResolved(options) : model.generate(options)),
    trace: async (options) => model.trace(await resolved(options)),
    score: async (options) => model.score(await resolved(options)),
    candidateScores: async (options) => model.candidateScores(await resolved(options)),
    gradients: async (options) => model.gradients(await resolved(options)),
    candidateGradients: async (options) => model.candidateGradients(await resolved(options)),
    async batchGradients(options) {
      if (!Array.isArray(options?.examples)) return model.batchGradients(options);
      const examples = options.examples.map((example, i) =>
        resolved(example).catch((error) => {
          throw within(`examples[${i}]`, error);
        }),
      );
      return model.batchGradients({ ...options, examples: await Promise.all(examples) });
    },
  } satisfies ComputedModel as Model;
}
