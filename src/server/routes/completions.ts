// POST /completions: continues text, token ids or embeddings, or fills the hole between prompt and suffix (beta).
// Forms: OpenAI's completions, and DeepSeek's FIM completion where there is a suffix.

import { z } from "zod";
import { FieldError, type FieldNames, renamed } from "../../field-error.ts";
import type { Segment } from "../../prompt/segments.ts";
import { checkLimit } from "../limits.ts";
import type { Call, Operation, Service } from "../operation.ts";
import {
  alternatives,
  decodeParametersOf,
  integer,
  logprobsOf,
  maxTokensOf,
  samplingFields,
  type TokenRange,
  tenantOf,
} from "../wire/parameters.ts";
import { inputSchema, promptOf } from "../wire/segments.ts";
import { tensorReader, tensorSchema } from "../wire/tensor.ts";
import { type TextPrompt, textCompletion, textCompletionSchema } from "../wire/text-completion.ts";

const tokenIds = z.array(z.int().min(0));

const bodySchema = z.object({
  model: z.string(),
  prompt: z
    .union([z.string(), tokenIds, z.array(z.union([z.string(), tokenIds]))])
    .nullish()
    .describe("A text or a list of token ids, or a list of these: each is continued."),
  prompt_embeds: tensorSchema.nullish().describe("Rows that stand before the prompt, or alone."),
  input: inputSchema.nullish().describe("One prompt as segments, in place of prompt and prompt_embeds."),
  suffix: z.string().nullish().describe("Text after the hole that is to be filled (beta)."),
  echo: z.boolean().nullish().describe("Begin the text with the prompt; logprobs then cover it too."),
  logprobs: alternatives.describe("Log-probabilities of the tokens and of so many likeliest at each."),
  best_of: integer(1).describe("Only as many as n."),
  ...samplingFields,
});

export type CompletionBody = z.infer<typeof bodySchema>;

export const completions: Operation<CompletionBody> = {
  method: "post",
  path: "/completions",
  summary: "Continue a text, token ids or embeddings; with suffix, fill the hole between (beta)",
  body: bodySchema,
  responses: { 200: textCompletionSchema },
  events: textCompletionSchema,
  async handle(service, body, call) {
    if (body.best_of != null && body.best_of !== (body.n ?? 1))
      throw new FieldError("best_of", "other values than that of n are not supported");
    const given = {
      ...decodeParametersOf(body, service.limits, rangeOf(service, body, call)),
      logprobs: logprobsOf("logprobs", body.logprobs, service.limits),
      promptLogprobs: promptLogprobsOf(body),
      tenant: tenantOf(call, body),
    };
    const { inputs, echoes, fields, endIds } = promptsOf(service, body, call);
    const prompts = inputs.map(
      (input, i): TextPrompt => ({ options: { ...given, input, endIds }, echo: body.echo ? echoes[i] : undefined }),
    );
    return textCompletion(service, call, body, prompts, fields);
  },
};

/** A continuation may be empty where the prompt is the answer. */
function rangeOf({ limits }: Service, { echo, suffix }: CompletionBody, call: Call): TokenRange {
  if (typeof suffix === "string") return { min: 1, max: limits.maxTokensFim };
  return { min: echo ? 0 : 1, max: maxTokensOf(limits, call) };
}

function promptLogprobsOf({ echo, logprobs, max_tokens }: CompletionBody): number | undefined {
  if (!echo) return undefined;
  return logprobs ?? (max_tokens === 0 ? 0 : undefined); // with nothing to generate, the engine wants something to compute
}

interface Prompts {
  inputs: (readonly Segment[])[];
  /** The text of each. */
  echoes: string[];
  /** Where they came from on the wire. */
  fields: FieldNames;
  /** Tokens that end the text beside the model's own. */
  endIds?: readonly number[];
}

function promptsOf(service: Service, body: CompletionBody, call: Call): Prompts {
  const { prompt, prompt_embeds, input, suffix } = body;
  const { served, limits } = service;
  const { tokenizer } = served;
  const read = tensorReader(served.config.dModel, limits.maxEmbedRows);
  if (typeof suffix === "string") return fimPrompt(service, body, suffix, call);
  if (input != null) {
    if (prompt != null) throw new FieldError("prompt", "not together with input");
    if (prompt_embeds != null) throw new FieldError("prompt_embeds", "not together with input");
    const { segments, fields } = promptOf(input, read);
    return { inputs: [segments], echoes: [segments.map(textOf).join("")], fields };
  }
  const list = promptList(prompt);
  checkLimit("prompt", list.length, limits.maxPrompts, "prompts");
  if (prompt_embeds == null) {
    if (list.length === 0)
      throw new FieldError("prompt", "it is missing or empty, expected a text or token ids", "missing");
    return { inputs: list.map((segment) => [segment]), echoes: list.map(textOf), fields: { input: "prompt" } };
  }
  if (list.length > 1) throw new FieldError("prompt", "expected one prompt together with prompt_embeds");
  const rows = read(prompt_embeds, "prompt_embeds");
  const fields = { input: "prompt", "input[0]": "prompt_embeds" };
  return { inputs: [[rows, ...list.filter(notEmpty)]], echoes: [list.map(textOf).join("")], fields };

  function textOf(segment: Segment): string {
    if ("text" in segment) return segment.text;
    return "ids" in segment ? decoded(segment.ids) : "";
  }

  function decoded(ids: readonly number[]): string {
    const known = ids.filter((id) => tokenizer.tokenOf(id) !== undefined); // what is not is refused with the prompt
    return tokenizer.decode(known, { skipSpecialTokens: true });
  }
}

function promptList(prompt: CompletionBody["prompt"]): Segment[] {
  if (prompt == null) return [];
  if (typeof prompt === "string") return [{ text: prompt }];
  if (typeof prompt[0] === "number") return [{ ids: prompt as number[] }];
  return (prompt as (string | number[])[]).map((one) => (typeof one === "string" ? { text: one } : { ids: one }));
}

/** A text without characters after embeddings adds nothing, not even a token that begins a text. */
function notEmpty(segment: Segment): boolean {
  return !("text" in segment) || segment.text !== "";
}

function fimPrompt({ fim, limits, served }: Service, body: CompletionBody, suffix: string, call: Call): Prompts {
  if (!call.beta) throw new FieldError("suffix", "fill-in-the-middle is a beta feature, use the base URL …/beta");
  if (!fim) throw new FieldError("suffix", "this model has no fill-in-the-middle tokens");
  if (body.echo) throw new FieldError("echo", "not together with suffix");
  if (body.input != null) throw new FieldError("input", "not together with suffix");
  if (body.prompt_embeds != null) throw new FieldError("prompt_embeds", "not together with suffix");
  const prefix = body.prompt ?? "";
  if (typeof prefix !== "string") throw new FieldError("prompt", "expected one text together with suffix");
  const context = Math.min(served.config.maxSeqLen, served.cacheTokens);
  // Without a number of tokens asked for, a long prompt leaves at least a quarter of the context to the answer.
  const reserved = body.max_tokens ?? Math.min(limits.maxTokensFim, Math.ceil(context / 4));
  try {
    const input = fim.prompt({ prefix, suffix, room: context - reserved });
    return { inputs: [input], echoes: [""], fields: { input: "prompt" }, endIds: fim.endIds };
  } catch (error) {
    throw renamed(error, { room: "max_tokens" });
  }
}
