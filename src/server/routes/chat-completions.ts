// POST /chat/completions: answers a conversation, or continues its last message (beta). As DeepSeek's route; beside its
// fields, embeddings as parts of messages or, as `input_embeds`, in place of them all. What is made of a conversation, and
// how an answer is read, is the library's (chat.ts).

import { z } from "zod";
import { FieldError } from "../../field-error.ts";
import type { Call, Operation, RouteContext } from "../operation.ts";
import { answerHead, chunksOf, streamForm } from "../wire/answer.ts";
import { chatChoice, chatChunkSchema, chatCompletionSchema, chatPieces } from "../wire/chat-answer.ts";
import { conversationFields, conversationOf } from "../wire/chat-options.ts";
import { type ChatRequest, chatWork } from "../wire/chat-work.ts";
import { constraintOf } from "../wire/constraints.ts";
import {
  alternatives,
  decodeParametersOf,
  integer,
  logprobsOf,
  maxTokensIn,
  samplingFields,
  tenantOf,
  tokensOf,
} from "../wire/parameters.ts";
import { eventStream } from "../wire/stream.ts";
import { wireUsage } from "../wire/usage.ts";

const bodySchema = z.looseObject({
  model: z.string(),
  ...conversationFields,
  max_completion_tokens: integer(1).describe("Another name of max_tokens."),
  logprobs: z.boolean().nullish(),
  top_logprobs: alternatives.describe("Needs logprobs: true."),
  functions: z.unknown().optional().describe("Not supported: use tools."),
  function_call: z.unknown().optional().describe("Not supported: use tool_choice."),
  audio: z.unknown().optional().describe("Not supported."),
  ...samplingFields,
});

const fieldNames = Object.keys(bodySchema.shape);

type Body = z.infer<typeof bodySchema>;

export const chatCompletions: Operation<Body> = {
  method: "post",
  path: "/chat/completions",
  summary: "Answer a conversation, or continue its last message (beta)",
  body: bodySchema,
  responses: { 200: chatCompletionSchema },
  events: chatChunkSchema,
  async handle(context, body, call) {
    const request = requestOf(context, body, call);
    const work = await chatWork(context, call, request);
    const { n } = request;
    const scored = body.logprobs ?? false;
    const answer = chatPieces(work.turn, work.events, { tokenizer: context.model.tokenizer, n, scored });
    const usage = () => wireUsage(work.usage(), answer.reasoningTokens());
    if (body.stream) {
      const head = answerHead(context, call, "chat.completion.chunk");
      return eventStream(chunksOf(head, answer.pieces, usage, streamForm(body.stream_options, n)), call, work.leave);
    }
    const choices = Array.from({ length: n }, (_, i) => chatChoice(i, scored));
    for await (const piece of answer.pieces) choices[piece.index].add(piece);
    const head = answerHead(context, call, "chat.completion");
    return Response.json({ ...head, choices: choices.map(({ choice }) => choice()), usage: usage() });
  },
};

/** The body as what the library is asked for. */
function requestOf(context: RouteContext, body: Body, call: Call): ChatRequest {
  refuseUnsupported(body);
  const { limits } = context;
  const max_tokens = maxTokensAsked(context, body, call);
  const decoding = decodeParametersOf({ ...body, max_tokens }, limits, tokensOf(context, call));
  const logprobs = body.logprobs ? (logprobsOf("top_logprobs", body.top_logprobs, limits) ?? 0) : undefined;
  const { options, fields } = conversationOf(context, body, constraintOf(body, fieldNames), call);
  return {
    options: { ...options, ...decoding, logprobs, tenant: tenantOf(call, body) },
    fields: { ...fields, logprobs: "top_logprobs" },
    n: body.n ?? 1,
    seed: body.seed,
  };
}

/** What was asked for and is not there, by name; nothing is dropped in silence. */
function refuseUnsupported(body: Body): void {
  const { top_logprobs } = body;
  for (const name of ["functions", "function_call", "audio"] as const)
    if (body[name] != null) throw new FieldError(name, "not supported by this server", "unsupported");
  if (top_logprobs != null && !body.logprobs) throw new FieldError("top_logprobs", "needs logprobs: true");
}

/** max_tokens by either name. */
function maxTokensAsked(context: RouteContext, body: Body, call: Call): number | undefined {
  const { max_tokens, max_completion_tokens } = body;
  maxTokensIn("max_completion_tokens", max_completion_tokens, tokensOf(context, call));
  if (max_tokens != null && max_completion_tokens != null && max_tokens !== max_completion_tokens)
    throw new FieldError("max_completion_tokens", "differs from max_tokens, expected one of them");
  return max_tokens ?? max_completion_tokens ?? undefined;
}
