// Chat messages on the wire → messages of the prompt: parts of a content are read, and what only beta offers is refused
// elsewhere by name.

import { z } from "zod";
import type { ChatMessage, ContentPart } from "../../prompt/chat-message.ts";
import { ApiError } from "../errors.ts";
import { embedsPart, softPromptPart, textPart } from "./segments.ts";
import type { TensorReader } from "./tensor.ts";

const partSchema = z.discriminatedUnion("type", [textPart, embedsPart.omit({ candidate: true }), softPromptPart]);

const toolCallSchema = z.object({
  id: z.string().nullish(),
  type: z.literal("function").nullish(),
  function: z.object({ name: z.string(), arguments: z.string() }),
});

const messageSchema = z.object({
  role: z.enum(["system", "developer", "user", "assistant", "tool"]),
  content: z.union([z.string(), z.array(partSchema).max(1024), z.null()]).optional(),
  name: z.string().max(512).nullish(),
  prefix: z.boolean().nullish().describe("Last message, role assistant: the answer continues exactly its content (beta)."),
  reasoning_content: z.string().nullish().describe("What an assistant message thought before its content."),
  tool_calls: z.array(toolCallSchema).max(128).nullish(),
  tool_call_id: z.string().nullish().describe("Role tool: the call that this answers."),
});

export const messagesSchema = z.array(messageSchema).min(1).max(4096);

export type WireMessages = z.infer<typeof messagesSchema>;

/**
 * Messages as the chat format takes them.
 * @throws ApiError 400 that names the message and field: content missing where it must not be, a tool message without its
 * call, `prefix` on another than a last assistant message or outside beta, bad embeddings.
 */
export function chatMessages(
  messages: WireMessages,
  { beta, continueFinal, read }: { beta: boolean; continueFinal: boolean; read: TensorReader },
): ChatMessage[] {
  return messages.map((message, i) => {
    const where = `messages[${i}]`;
    const { role, content, tool_calls, tool_call_id, reasoning_content } = message;
    const last = i === messages.length - 1;
    const prefix = message.prefix ?? (last && continueFinal);
    if (content == null && role !== "assistant") throw refused(`${where}.content`, "missing, expected a text");
    if (role === "tool" && !tool_call_id) throw refused(`${where}.tool_call_id`, "missing, expected the id of a call");
    if (tool_calls?.length && role !== "assistant") throw refused(`${where}.tool_calls`, "only with role assistant");
    if (prefix) {
      const field = message.prefix ? `${where}.prefix` : "continue_final_message";
      if (role !== "assistant" || !last) throw refused(field, "only for a last message of role assistant");
      if (!beta) throw refused(field, "chat prefix completion is a beta feature, use the base URL …/beta");
    }
    return {
      role,
      content: Array.isArray(content) ? content.map((part, j) => partOf(part, `${where}.content[${j}]`)) : (content ?? null),
      ...(message.name == null ? {} : { name: message.name }),
      ...(reasoning_content == null ? {} : { reasoning_content }),
      ...(tool_calls?.length ? { tool_calls: tool_calls.map((call) => ({ ...call, id: call.id ?? "", type: "function" as const })) } : {}),
      ...(tool_call_id == null ? {} : { tool_call_id }),
      ...(prefix ? { prefix } : {}),
    };
  });

  function partOf(part: z.infer<typeof partSchema>, where: string): ContentPart {
    if (part.type !== "embeds") return part;
    return { type: "embeds", ...(part.id ? { id: part.id } : {}), ...read(part.embeds, `${where}.embeds`) };
  }
}

function refused(param: string, problem: string): ApiError {
  return new ApiError(400, `${param}: ${problem}`, { param });
}
