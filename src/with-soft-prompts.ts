// A model that knows soft prompts by name: the same methods, each with rows put in place of the names in its input.

import { within } from "./field-error.ts";
import type { Input } from "./prompt/segments.ts";
import { type FindSoftPrompt, resolveSoftPrompts } from "./prompt/soft-prompts.ts";
import type { ServedModel } from "./served-model.ts";

/** @throws in its methods, FieldError that names the segment: a malformed name, an unknown one, rows of another model. */
export function withSoftPrompts<Model extends ServedModel>(model: Model, find: FindSoftPrompt): Model {
  const resolved = async <Options extends { input: Input }>(options: Options): Promise<Options> => ({
    ...options,
    input: await resolveSoftPrompts(options.input, find, model.fingerprint),
  });
  return {
    ...model,
    async *generate(options) {
      yield* model.generate(await resolved(options));
    },
    trace: async (options) => model.trace(await resolved(options)),
    score: async (options) => model.score(await resolved(options)),
    candidateScores: async (options) => model.candidateScores(await resolved(options)),
    gradients: async (options) => model.gradients(await resolved(options)),
    candidateGradients: async (options) => model.candidateGradients(await resolved(options)),
    batchGradients: async (options) =>
      model.batchGradients({
        ...options,
        examples: await Promise.all(
          options.examples.map((example, i) =>
            resolved(example).catch((error) => {
              throw within(`examples[${i}]`, error);
            }),
          ),
        ),
      }),
  } satisfies ServedModel as Model;
}
