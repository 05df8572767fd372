// POST /chat/completions: answers a conversation, or continues its last message (beta). As DeepSeek's route; beside its
// fields, embeddings as parts of messages or, as `input_embeds`, in place of them all.

import { z } from "zod";
import type { GenerateOptions } from "../../engine/generate.ts";
import { FieldError, type FieldNames, renamed } from "../../field-error.ts";
import { type ChatFormat, type ChatPrompt, type ChatRequest, templateArguments } from "../../prompt/chat-format.ts";
import type { ChatMessage } from "../../prompt/chat-message.ts";
import { type ChatOutputOptions, chatOutput } from "../../prompt/chat-output.ts";
import type { Segment } from "../../prompt/segments.ts";
import { checkLimit } from "../limits.ts";
import type { Call, Operation, Service } from "../operation.ts";
import { answerHead, chunksOf, streamForm } from "../wire/answer.ts";
import { type AnswerForm, answerFormFields, answerFormOf, offeredTools } from "../wire/answer-form.ts";
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
  alternatives,
  checkMaxTokens,
  decodeParametersOf,
  integer,
  logprobsOf,
  maxTokensOf,
  samplingFields,
  tenantOf,
} from "../wire/parameters.ts";
import { eventStream } from "../wire/stream.ts";
import { tensorReader, tensorSchema } from "../wire/tensor.ts";
import { wireUsage } from "../wire/usage.ts";

const bodySchema = z.object({
  model: z.string(),
  messages: messagesSchema.nullish().describe("The conversation; may be left out only with input_embeds."),
  input_embeds: tensorSchema.nullish().describe("The whole prompt as rows: messages is then ignored."),
  continue_final_message: z.boolean().nullish().describe("The same as prefix: true on the last message (beta)."),
  max_completion_tokens: integer(1).describe("Another name of max_tokens."),
  logprobs: z.boolean().nullish(),
  top_logprobs: alternatives.describe("Needs logprobs: true."),
  ...answerFormFields,
  thinking: z.object({ type: z.enum(["enabled", "disabled"]) }).nullish(),
  reasoning_effort: z.string().max(64).nullish().describe("For templates that know it."),
  chat_template_kwargs: z
    .record(z.string(), z.unknown())
    .nullish()
    .describe(`Variables of the chat template: ${templateArguments.join(", ")}.`),
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
    const { segments, startsInReasoning, fields, form, output } = conversationOf(service, body, call);
    const options: GenerateOptions = {
      ...decodeParametersOf({ ...body, max_tokens }, limits, { min: 1, max: maxTokensOf(limits, call) }),
      input: segments,
      logprobs: body.logprobs ? (logprobsOf("top_logprobs", body.top_logprobs, limits) ?? 0) : undefined,
      grammar: form.grammar,
      specialTokens: true, // the output format tells content from tags by them
      tenant: tenantOf(call, body),
    };
    const n = body.n ?? 1;
    const work = continuations(service, call, { prompts: [options], n, seed: body.seed, fields });
    const scored = body.logprobs ?? false;
    const writers = Array.from({ length: n }, (_, i) =>
      chatWriter(served.tokenizer, i, chatOutput(output), { scored, startsInReasoning }),
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

/** What was asked for and is not there, by name; nothing is dropped in silence. */
function refuseUnsupported(body: Body): void {
  const { top_logprobs } = body;
  for (const name of ["functions", "function_call", "audio"] as const)
    if (body[name] != null) throw new FieldError(name, "not supported by this server");
  if (top_logprobs != null && !body.logprobs) throw new FieldError("top_logprobs", "needs logprobs: true");
}

/** max_tokens by either name. */
function maxTokensAsked({ limits }: Service, body: Body, call: Call): number | undefined {
  const { max_tokens, max_completion_tokens } = body;
  checkMaxTokens("max_completion_tokens", max_completion_tokens, { min: 1, max: maxTokensOf(limits, call) });
  if (max_tokens != null && max_completion_tokens != null && max_tokens !== max_completion_tokens)
    throw new FieldError("max_completion_tokens", "differs from max_tokens, expected one of them");
  return max_tokens ?? max_completion_tokens ?? undefined;
}

interface Conversation {
  segments: readonly Segment[];
  startsInReasoning: boolean;
  /** What the answer is held to, and how it is read. */
  form: AnswerForm;
  output: ChatOutputOptions;
  /** Where the options of the generation came from on the wire. */
  fields: FieldNames;
}

function conversationOf({ chat, served, limits }: Service, body: Body, call: Call): Conversation {
  const field = body.input_embeds == null ? "messages" : "input_embeds";
  if (!chat) throw new FieldError(field, "this model has no chat template; use /completions");
  const given = offeredTools(body, limits, call);
  const tools = body.tool_choice === "none" ? undefined : given; // the model is not told of tools that it may not call
  const read = tensorReader(served.config.dModel, limits.maxEmbedRows);
  const thinking = body.thinking ? body.thinking.type === "enabled" : undefined;
  if (thinking && !chat.thinkTags) call.warn("thinking: this model does not think aloud");
  const messages = body.input_embeds == null ? messagesOf() : [];
  const prompt =
    body.input_embeds == null
      ? promptOf(chat, body, { messages, tools, thinking })
      : { segments: [read(body.input_embeds, field)], startsInReasoning: false, fields: { input: field } };
  const { segments, startsInReasoning } = prompt;

  const turn = { chat, tokenizer: served.tokenizer, tools: given, messages, thinking, startsInReasoning };
  const form = answerFormOf(body, turn, call);
  const output = {
    format: readFormat(chat, form),
    startsInReasoning,
    continues: form.grammar?.prefix !== undefined,
    tools,
  };
  const fields = { ...prompt.fields, ...form.fields, logprobs: "top_logprobs" };
  return { segments, startsInReasoning, fields, form, output };

  function messagesOf(): ChatMessage[] {
    if (!body.messages) throw new FieldError(field, "missing, expected at least one message", "missing");
    checkLimit(field, body.messages.length, limits.maxMessages);
    return chatMessages(body.messages, { beta: call.beta, continueFinal: body.continue_final_message ?? false, read });
  }
}

/** How an answer is read: in JSON, texts of special tokens are text. */
function readFormat(chat: ChatFormat, { grammar }: AnswerForm): ChatOutputOptions["format"] {
  if (!grammar || grammar.kind === "tools") return chat;
  return { ...chat, specialTexts: [], thinkTags: grammar.thoughts && chat.thinkTags };
}

/** The chat format's prompt. @throws FieldError of the messages, or of a variable of the template by its name on the wire */
function promptOf(
  chat: ChatFormat,
  { chat_template_kwargs, reasoning_effort }: Body,
  request: Omit<ChatRequest, "templateArguments">,
): ChatPrompt {
  const given = chat_template_kwargs ?? {};
  const templateArguments = { ...given, ...(reasoning_effort == null ? {} : { reasoning_effort }) };
  try {
    return chat.prompt({ ...request, templateArguments });
  } catch (error) {
    const inBrackets = Object.keys(given).map((name) => `[${JSON.stringify(name)}]`);
    const names = inBrackets.map((name) => [`templateArguments${name}`, `chat_template_kwargs${name}`]);
    throw renamed(error, Object.fromEntries(names));
  }
}
