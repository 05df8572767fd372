// Chat messages on the wire → messages of the prompt: tensors in their parts are read, the aliases of prefix are one. What
// roles and fields may stand together, and what a broken call of a turn before means, is for the prompt to say
// (prompt/chat-message.ts), in the same names: the schema lets through what clients send of such turns.

import { z } from "zod";
import { orderedText } from "../../decode/grammar/json-text.ts";
import { FieldError } from "../../field-error.ts";
import type { ChatMessage, ContentPart, ToolCall } from "../../prompt/chat-message.ts";
import { embedsPart, softPromptPart, textPart } from "./segments.ts";
import type { TensorReader } from "./tensor.ts";

const refusalPart = z.object({ type: z.literal("refusal"), refusal: z.string() });

const partSchema = z.discriminatedUnion("type", [
  textPart,
  refusalPart,
  embedsPart.omit({ candidate: true }),
  softPromptPart,
]);

const toolCallSchema = z.object({
  id: z.string().nullish().describe("Without one, results name none and follow in the order of the calls."),
  type: z.enum(["function", ""]).nullish(),
  function: z.object({
    name: z.string(),
    arguments: z
      .unknown()
      .optional()
      .describe("The text of a JSON object; what is none is read as {}, with a warning."),
  }),
});

const messageSchema = z.object({
  role: z.enum(["system", "developer", "user", "assistant", "tool"]),
  content: z.union([z.string(), z.array(partSchema).max(1024), z.null()]).optional(),
  name: z.string().max(512).nullish(),
  prefix: z
    .boolean()
    .nullish()
    .describe("On a last message of role assistant: the answer goes on from exactly here (beta)."),
  refusal: z.string().nullish().describe("What an assistant said in place of content."),
  reasoning_content: z.string().nullish().describe("What an assistant thought before its content."),
  tool_calls: z.array(toolCallSchema).nullish(),
  tool_call_id: z.string().nullish().describe("Role tool: the call that this answers."),
  function_call: z.null().optional().describe("Not supported but as null: use tool_calls."),
  audio: z.null().optional().describe("Not supported but as null."),
});

export const messagesSchema = z.array(messageSchema);

export type WireMessages = z.infer<typeof messagesSchema>;

/** @throws ApiError 400 that names the message and field: bad embeddings, a prefix outside beta. */
export function chatMessages(
  messages: WireMessages,
  { beta, continueFinal, read }: { beta: boolean; continueFinal: boolean; read: TensorReader },
): ChatMessage[] {
  return messages.map(({ name, prefix, tool_call_id, content, tool_calls, function_call, audio, ...message }, i) => {
    const continued = continueFinal && i === messages.length - 1;
    if ((prefix || continued) && !beta) {
      const field = prefix ? `messages[${i}].prefix` : "continue_final_message";
      throw new FieldError(field, "going on from a message is a beta feature, use the base URL …/beta");
    }
    return {
      ...message,
      content: Array.isArray(content) ? content.map((part, j) => partOf(part, i, j)) : content,
      tool_calls: tool_calls?.length ? tool_calls.map(callOf) : undefined,
      name: name ?? undefined,
      tool_call_id: tool_call_id ?? (message.role === "tool" ? "" : undefined),
      prefix: prefix || continued || undefined,
    };
  });

  function partOf(part: z.infer<typeof partSchema>, i: number, j: number): ContentPart {
    if (part.type !== "embeds") return part;
    return { type: "embeds", id: part.id ?? undefined, ...read(part.embeds, `messages[${i}].content[${j}].embeds`) };
  }
}

/** A call as the prompt has it. Arguments are text, whatever a client made of them. */
function callOf({ id, type, function: { name, arguments: given } }: z.infer<typeof toolCallSchema>): ToolCall {
  const text = typeof given === "string" ? given : given == null ? "" : orderedText(given);
  return { id: id ?? "", type: type ?? "function", function: { name, arguments: text } };
}
