// POST /chat/completions: answers a conversation, or continues its last message (beta). As DeepSeek's route; beside its
// fields, embeddings as parts of messages or, as `input_embeds`, in place of them all.

import { z } from "zod";
import { chatOutput } from "../../prompt/chat-output.ts";
import type { Segment } from "../../prompt/segments.ts";
import { ApiError } from "../errors.ts";
import type { Call, Operation, Service } from "../operation.ts";
import { answerHead, chunksOf, streamForm } from "../wire/answer.ts";
import {
  type ChatPiece,
  type ChatWriter,
  chatChoice,
  chatChunkSchema,
  chatCompletionSchema,
  chatWriter,
} from "../wire/chat-answer.ts";
import { type Continuations, continuations } from "../wire/continuations.ts";
import { chatMessages, messagesSchema } from "../wire/messages.ts";
import {
  checkMaxTokens,
  decodeParametersOf,
  integer,
  maxTokensOf,
  samplingFields,
  tenantOf,
} from "../wire/parameters.ts";
import { eventStream } from "../wire/stream.ts";
import { tensorReader, tensorSchema } from "../wire/tensor.ts";
import { wireUsage } from "../wire/usage.ts";

const functionName = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);

const toolSchema = z.object({
  type: z.literal("function"),
  function: z.object({
    name: functionName,
    description: z.string().nullish(),
    parameters: z.record(z.string(), z.unknown()).nullish().describe("A JSON schema; without one, no parameters."),
    strict: z.boolean().nullish(),
  }),
});

const bodySchema = z.object({
  model: z.string(),
  messages: messagesSchema.nullish().describe("The conversation; may be left out only with input_embeds."),
  input_embeds: tensorSchema.nullish().describe("The whole prompt as rows: messages is then ignored."),
  continue_final_message: z.boolean().nullish().describe("The same as prefix: true on the last message (beta)."),
  max_completion_tokens: integer(1).describe("Another name of max_tokens."),
  logprobs: z.boolean().nullish(),
  top_logprobs: integer(0, 20).describe("Needs logprobs: true."),
  tools: z.array(toolSchema).max(128).nullish(),
  tool_choice: z
    .union([
      z.enum(["none", "auto", "required"]),
      z.object({ type: z.literal("function"), function: z.object({ name: functionName }) }),
    ])
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  response_format: z.object({ type: z.enum(["text", "json_object", "json_schema"]) }).nullish(),
  thinking: z.object({ type: z.enum(["enabled", "disabled"]) }).nullish(),
  reasoning_effort: z.string().max(64).nullish().describe("Given to the chat template."),
  functions: z.unknown().optional().describe("Not supported: use tools."),
  function_call: z.unknown().optional().describe("Not supported: use tool_choice."),
  audio: z.unknown().optional().describe("Not supported."),
  ...samplingFields,
});

type Body = z.infer<typeof bodySchema>;

export const chatCompletions: Operation<Body> = {
  method: "post",
  path: "/chat/completions",
  summary: "Answer a conversation, or continue its last message (beta)",
  body: bodySchema,
  responses: { 200: chatCompletionSchema },
  events: chatChunkSchema,
  async handle(service, body, call) {
    refuseUnsupported(body);
    const max_tokens = maxTokensAsked(service, body, call);
    const { limits, served } = service;
    const { segments, startsInReasoning, field } = promptOf(service, body, call);
    const options = {
      ...decodeParametersOf({ ...body, max_tokens }, limits, { min: 1, max: maxTokensOf(limits, call) }),
      input: segments,
      logprobs: body.logprobs ? (body.top_logprobs ?? 0) : undefined,
      specialTokens: true,
      tenant: tenantOf(call, body),
    };
    const n = body.n ?? 1;
    const work = continuations(service, call, { prompts: [options], n, seed: body.seed, field });
    const scored = body.logprobs ?? false;
    const writers = Array.from({ length: n }, (_, i) =>
      chatWriter(served, i, chatOutput({ startsInReasoning }), { scored, startsInReasoning }),
    );
    const pieces = piecesOf(writers, work.events);
    const usage = () =>
      wireUsage(
        work.usage(),
        writers.reduce((sum, writer) => sum + writer.reasoningTokens, 0),
      );
    if (body.stream) {
      const head = answerHead(service, call, "chat.completion.chunk");
      return eventStream(chunksOf(head, pieces, usage, streamForm(body.stream_options, n)), work.leave);
    }
    const choices = writers.map((_, i) => chatChoice(i, scored));
    for await (const piece of pieces) choices[piece.index].add(piece);
    const head = answerHead(service, call, "chat.completion");
    return Response.json({ ...head, choices: choices.map(({ choice }) => choice()), usage: usage() });
  },
};

async function* piecesOf(writers: readonly ChatWriter[], events: Continuations["events"]): AsyncGenerator<ChatPiece> {
  for await (const { choice, event } of events) yield* writers[choice].pieces(event);
}

/** What was asked for and cannot be given yet, by name; nothing is dropped in silence. */
function refuseUnsupported(body: Body): void {
  const { response_format, tool_choice, tools, top_logprobs } = body;
  for (const name of ["functions", "function_call", "audio"] as const)
    if (body[name] != null) throw refused(name, `${name}: not supported by this server`);
  if (response_format && response_format.type !== "text")
    throw refused("response_format", `response_format: ${response_format.type} is not supported yet by this server`);
  if (tool_choice != null && tool_choice !== "none" && tool_choice !== "auto")
    throw refused("tool_choice", "tool_choice: only none and auto are supported yet by this server");
  if (tools?.length && body.parallel_tool_calls === false)
    throw refused("parallel_tool_calls", "parallel_tool_calls: false is not supported yet by this server");
  const strict = (tools ?? []).findIndex((tool) => tool.function.strict);
  if (strict >= 0) {
    const field = `tools[${strict}].function.strict`;
    throw refused(field, `${field}: strict tools are not supported yet by this server`);
  }
  if (top_logprobs != null && !body.logprobs) throw refused("top_logprobs", "top_logprobs: needs logprobs: true");
}

/** max_tokens by either name. */
function maxTokensAsked({ limits }: Service, body: Body, call: Call): number | undefined {
  const { max_tokens, max_completion_tokens } = body;
  checkMaxTokens("max_completion_tokens", max_completion_tokens, { min: 1, max: maxTokensOf(limits, call) });
  if (max_tokens != null && max_completion_tokens != null && max_tokens !== max_completion_tokens)
    throw refused("max_completion_tokens", "max_completion_tokens: differs from max_tokens, expected one of them");
  return max_tokens ?? max_completion_tokens ?? undefined;
}

/** The conversation as rows, and the field that it came in. */
function promptOf(
  { chat, served, limits }: Service,
  body: Body,
  { beta }: Call,
): { segments: Segment[]; startsInReasoning: boolean; field: string } {
  const read = tensorReader(served.config.dModel, limits.maxEmbedRows);
  if (body.input_embeds != null)
    return { segments: [read(body.input_embeds, "input_embeds")], startsInReasoning: false, field: "input_embeds" };
  if (!body.messages) throw refused("messages", "messages: missing, expected at least one message");
  if (!chat) throw refused("messages", "messages: this model has no chat template; use /completions");
  if (body.messages.length > limits.maxMessages)
    throw refused("messages", `messages: got ${body.messages.length}, expected at most ${limits.maxMessages}`);
  const messages = chatMessages(body.messages, { beta, continueFinal: body.continue_final_message ?? false, read });
  const prompt = chat.prompt({
    messages,
    tools: body.tools?.length && body.tool_choice !== "none" ? body.tools : undefined,
    thinking: body.thinking ? body.thinking.type === "enabled" : undefined,
    templateArguments: body.reasoning_effort ? { reasoning_effort: body.reasoning_effort } : undefined,
  });
  return { ...prompt, field: "messages" };
}

function refused(param: string, message: string): ApiError {
  return new ApiError(400, message, { param });
}
