// POST /completions: continues text, token ids or embeddings, or fills the hole between prompt and suffix (beta).
// Forms: OpenAI's completions, and DeepSeek's FIM completion where there is a suffix.

import { z } from "zod";
import { FieldError, type FieldNames } from "../../field-error.ts";
import { fimGeneration } from "../../fim.ts";
import type { Input, Segment } from "../../prompt/segments.ts";
import { checkLimit } from "../limits.ts";
import type { Call, Operation, RouteContext } from "../operation.ts";
import { answerForm, constraintBody } from "../wire/constraints.ts";
import {
  alternatives,
  decodeParametersOf,
  integer,
  logprobsOf,
  samplingFields,
  type TokenRange,
  tenantOf,
  tokensOf,
} from "../wire/parameters.ts";
import { inputSchema, promptOf } from "../wire/segments.ts";
import { tensorReader, tensorSchema } from "../wire/tensor.ts";
import { type TextPrompt, textCompletion, textCompletionSchema } from "../wire/text-completion.ts";

const tokenIds = z.array(z.int().min(0));

const bodySchema = z.looseObject({
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
  parse_special_tokens: z
    .boolean()
    .nullish()
    .describe("Take control tokens spelled out in the prompt's texts for those tokens. Default: as the server is set"),
  ...constraintBody,
  ...samplingFields,
});

const fieldNames = Object.keys(bodySchema.shape);

export type CompletionBody = z.infer<typeof bodySchema>;

export const completions: Operation<CompletionBody> = {
  method: "post",
  path: "/completions",
  summary: "Continue a text, token ids or embeddings; with suffix, fill the hole between (beta)",
  body: bodySchema,
  responses: { 200: textCompletionSchema },
  events: textCompletionSchema,
  async handle(context, body, call) {
    if (body.best_of != null && body.best_of !== (body.n ?? 1))
      throw new FieldError("best_of", "other values than that of n are not supported");
    const form = answerForm(body, fieldNames);
    const given = {
      grammar: form.grammar,
      ...decodeParametersOf(body, context.limits, rangeOf(context, body, call)),
      logprobs: logprobsOf("logprobs", body.logprobs, context.limits),
      promptLogprobs: promptLogprobsOf(body),
      tenant: tenantOf(call, body),
    };
    const { inputs, echoes, fields, endIds } = promptsOf(context, body, call);
    const prompts = inputs.map(
      (input, i): TextPrompt => ({ options: { ...given, input, endIds }, echo: body.echo ? echoes[i] : undefined }),
    );
    return textCompletion(context, call, body, prompts, { ...fields, ...form.fields });
  },
};

/** A continuation may be empty where the prompt is the answer. */
function rangeOf(context: RouteContext, body: CompletionBody, call: Call): TokenRange {
  const range = tokensOf(context, call);
  if (suffixOf(context, body, call) !== undefined) return { ...range, max: context.limits.maxTokensFim };
  return body.echo ? { ...range, min: 0 } : range;
}

/** The text after a hole. One without characters says that there is none, but where DeepSeek's FIM completion is. */
function suffixOf({ fim }: RouteContext, { suffix }: CompletionBody, { beta }: Call): string | undefined {
  return suffix === "" && !(beta && fim) ? undefined : (suffix ?? undefined);
}

function promptLogprobsOf({ echo, logprobs, max_tokens }: CompletionBody): number | undefined {
  if (!echo) return undefined;
  return logprobs ?? (max_tokens === 0 ? 0 : undefined); // with nothing to generate, the engine wants something to compute
}

interface Prompts {
  inputs: Input[];
  /** The text of each. */
  echoes: string[];
  /** Where they came from on the wire. */
  fields: FieldNames;
  /** Tokens that end the text beside the model's own. */
  endIds?: readonly number[];
}

function promptsOf(context: RouteContext, body: CompletionBody, call: Call): Prompts {
  const { prompt, prompt_embeds, input } = body;
  const { model, limits } = context;
  const { tokenizer } = model;
  const read = tensorReader(model.config.dModel, limits.maxEmbedRows);
  const suffix = suffixOf(context, body, call);
  if (suffix !== undefined) return fimPrompt(context, body, suffix, call);
  const parses = body.parse_special_tokens ?? context.parseSpecialTokens;
  if (input != null) {
    if (prompt != null) throw new FieldError("prompt", "not together with input");
    if (prompt_embeds != null) throw new FieldError("prompt_embeds", "not together with input");
    const { segments, fields } = promptOf(input, read);
    return { inputs: [segments.map(parsed)], echoes: [segments.map(textOf).join("")], fields };
  }
  const list = promptList(prompt);
  checkLimit("prompt", list.length, limits.maxPrompts, "prompts");
  if (prompt_embeds == null) {
    if (list.length === 0)
      throw new FieldError("prompt", "it is missing or empty, expected a text or token ids", "missing");
    return { inputs: list.map((segment) => [parsed(segment)]), echoes: list.map(textOf), fields: { input: "prompt" } };
  }
  if (list.length > 1) throw new FieldError("prompt", "expected one prompt together with prompt_embeds");
  const rows = read(prompt_embeds, "prompt_embeds");
  const fields = { input: "prompt", "input[0]": "prompt_embeds" };
  return { inputs: [[rows, ...list.filter(notEmpty).map(parsed)]], echoes: [list.map(textOf).join("")], fields };

  function parsed(segment: Segment): Segment {
    return parses && "text" in segment ? { ...segment, parseSpecialTokens: true } : segment;
  }

  /** As ids are told: a control token has no text. */
  function textOf(segment: Segment): string {
    if ("text" in segment && parses)
      return decoded(tokenizer.encode(segment.text, { addSpecialTokens: false, parseSpecialTokens: true }));
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

function fimPrompt(
  { fim, model, limits, capMaxTokens }: RouteContext,
  body: CompletionBody,
  suffix: string,
  call: Call,
): Prompts {
  if (!call.beta) throw new FieldError("suffix", "fill-in-the-middle is a beta feature, use the base URL …/beta");
  if (!fim) throw new FieldError("suffix", "this model has no fill-in-the-middle tokens");
  if (body.echo) throw new FieldError("echo", "not together with suffix");
  if (body.parse_special_tokens) throw new FieldError("parse_special_tokens", "not together with suffix");
  if (body.input != null) throw new FieldError("input", "not together with suffix");
  if (body.prompt_embeds != null) throw new FieldError("prompt_embeds", "not together with suffix");
  const prefix = body.prompt ?? "";
  if (typeof prefix !== "string") throw new FieldError("prompt", "expected one text together with suffix");
  const positions = Math.min(model.config.maxSeqLen, model.cacheTokens);
  const asked = body.max_tokens ?? undefined;
  const maxTokens = capMaxTokens && asked ? Math.min(asked, limits.maxTokensFim, Math.ceil(positions / 4)) : asked;
  const { input, endIds } = fimGeneration(fim, positions, { prefix, suffix, maxTokens });
  return { inputs: [input], echoes: [""], fields: { input: "prompt" }, endIds };
}
