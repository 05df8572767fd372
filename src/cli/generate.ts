// plainformer generate "text": prints the continuation as it comes, or one JSON object.

import type { Command } from "commander";
import type { GrammarSpec } from "../decode/grammar/grammar.ts";
import type { DecodeParameters } from "../decode/parameters.ts";
import {
  list,
  loadFrom,
  type ModelOptions,
  modelApart,
  number,
  readJson,
  readStdin,
  seed,
  softPrompted,
  withModel,
  withSoftPromptOption,
} from "./options.ts";

type Options = ModelOptions &
  DecodeParameters & { schema?: string; jsonObject?: true; parseSpecial?: true; softPrompt?: string; json?: true };

export function addGenerate(program: Command): void {
  const command = program
    .command("generate")
    .description("Continue a text. Prints the continuation alone.")
    .argument("[text]", "what to continue; from standard input when absent");
  withSoftPromptOption(withModel(command))
    .option("--max-tokens <n>", "most tokens to generate", number)
    .option("--temperature <t>", "0: always the most likely token (default: 1)", number)
    .option("--top-k <k>", "keep the k most likely tokens", number)
    .option("--top-p <p>", "keep the most likely tokens up to this sum of probabilities", number)
    .option("--min-p <p>", "keep tokens at least this likely relative to the most likely", number)
    .option("--frequency-penalty <x>", "per time a token was generated, -2 to 2", number)
    .option("--presence-penalty <x>", "once per token that was generated, -2 to 2", number)
    .option("--repetition-penalty <x>", "divides logits of tokens already seen", number)
    .option("--seed <n>", "seed of the random choice, an integer of 64 bits", seed)
    .option("--stop <text>", "end before this text; may be given several times", list)
    .option("--stop-repeats", "end a text that repeats itself over and over")
    .option("--logprobs <n>", "with --json: log-probabilities of each token and of the n most likely", number)
    .option("--schema <file>", "the continuation is JSON that is valid against this JSON Schema")
    .option("--json-object", "the continuation is a JSON object")
    .option("--parse-special", "take the text of special tokens for those tokens")
    .option("--json", "one object with text, ids, finish_reason, usage and timings")
    .action(generate);
}

async function generate(text: string | undefined, options: Options): Promise<void> {
  const { source, rest } = modelApart(options);
  const { json, parseSpecial, schema, jsonObject, softPrompt, ...decode } = rest;
  const input = [{ text: text ?? (await readStdin()), parseSpecialTokens: parseSpecial }];
  const grammar = await grammarFrom(schema, jsonObject);
  const loaded = await softPrompted(await loadFrom(source), softPrompt);
  const tokens: object[] = [];
  for await (const event of loaded.generate({ input, grammar, ...decode })) {
    if (event.type === "token") {
      if (!json) process.stdout.write(event.text);
      tokens.push({ id: event.id, logprob: event.logprob, top_logprobs: event.topLogprobs });
    } else if (event.type === "end" && !json) process.stdout.write("\n");
    else if (event.type === "end")
      console.log(
        JSON.stringify({
          text: event.text,
          ids: event.ids,
          finish_reason: event.finishReason,
          ...(decode.logprobs === undefined ? {} : { logprobs: tokens }),
          usage: {
            prompt_tokens: event.usage.promptTokens,
            completion_tokens: event.usage.completionTokens,
            total_tokens: event.usage.totalTokens,
          },
          timings: { first_token_ms: event.timings.firstTokenMs, decode_ms: event.timings.decodeMs },
        }),
      );
  }
  await loaded.close();
}

async function grammarFrom(schema: string | undefined, jsonObject: true | undefined): Promise<GrammarSpec | undefined> {
  if (schema !== undefined) return { kind: "json_schema", schema: await readJson(schema) };
  return jsonObject ? { kind: "json_object" } : undefined;
}
