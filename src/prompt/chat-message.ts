// A conversation as people give it, in OpenAI's and DeepSeek's names, and what is wrong with it. What a model makes of it
// is chat-format.ts. Source: DeepSeek API reference, create-chat-completion.

import { FieldError, shown } from "../field-error.ts";

/** One message. Which fields a role has is checked by `checkMessages`. */
export interface ChatMessage {
  readonly role: "system" | "developer" | "user" | "assistant" | "tool";
  readonly content?: string | readonly ContentPart[] | null;
  readonly name?: string;
  /** What an assistant thought before the content. */
  readonly reasoning_content?: string | null;
  readonly tool_calls?: readonly ToolCall[] | null;
  /** The call that a tool message answers. */
  readonly tool_call_id?: string;
  /** On the last message, an assistant's: the answer goes on from exactly here. */
  readonly prefix?: boolean;
}

/** A part of a message; parts follow each other with nothing in between. */
export type ContentPart =
  | { readonly type: "text"; readonly text: string }
  | {
      readonly type: "embeds";
      readonly id?: string;
      readonly embeds: Float32Array; // [n, dModel], row-major
      readonly shape: readonly [n: number, dModel: number];
    }
  | { readonly type: "soft_prompt"; readonly name: string };

/** A call that an assistant made; `arguments` is JSON text, as the model wrote it. */
export interface ToolCall {
  readonly id: string;
  readonly type?: "function";
  readonly function: { readonly name: string; readonly arguments: string };
}

/** A function that the model may call; `parameters` is a JSON Schema. */
export interface Tool {
  readonly type: "function";
  readonly function: {
    readonly name: string;
    readonly description?: string;
    readonly parameters?: Readonly<Record<string, unknown>>;
    readonly strict?: boolean;
  };
}

const roles = ["system", "developer", "user", "assistant", "tool"];

/** @throws FieldError that names `messages[i].field`. */
export function checkMessages(messages: readonly ChatMessage[]): void {
  if (!Array.isArray(messages))
    throw new FieldError("messages", `got ${shown(messages)}, expected a list of messages`, "invalid_type");
  if (messages.length === 0)
    throw new FieldError("messages", "the list is empty, expected at least one message", "missing");
  const callIds = new Set<string>();
  for (const [i, message] of messages.entries()) {
    const where = `messages[${i}]`;
    if (typeof message !== "object" || message === null)
      throw new FieldError(where, `got ${shown(message)}, expected an object`, "invalid_type");
    if (!roles.includes(message.role))
      throw new FieldError(`${where}.role`, `got ${shown(message.role)}, expected one of ${roles.join(", ")}`);
    if (message.name !== undefined) checkText(message.name, `${where}.name`);
    checkContent(message, where);
    checkAssistantFields(message, where, i === messages.length - 1);
    for (const call of message.tool_calls ?? []) callIds.add(call.id);
    if (message.role === "tool") {
      checkText(message.tool_call_id, `${where}.tool_call_id`);
      if (!callIds.has(message.tool_call_id as string))
        throw new FieldError(
          `${where}.tool_call_id`,
          `no call before it has the id ${shown(message.tool_call_id)}, expected one of an assistant's tool_calls`,
        );
    } else if (message.tool_call_id !== undefined)
      throw new FieldError(`${where}.tool_call_id`, `the role is ${message.role}, expected it on tool messages only`);
  }
}

function checkContent(message: ChatMessage, where: string): void {
  const { content } = message;
  if (content === null || content === undefined) {
    const calls = message.role === "assistant" && (message.tool_calls?.length ?? 0) > 0;
    const thoughts = message.role === "assistant" && message.prefix && typeof message.reasoning_content === "string";
    if (!calls && !thoughts)
      throw new FieldError(
        `${where}.content`,
        `it is missing, expected a string${message.role === "assistant" ? " or tool_calls" : ""}`,
        "missing",
      );
    return;
  }
  if (typeof content === "string") return;
  if (!Array.isArray(content))
    throw new FieldError(
      `${where}.content`,
      `got ${shown(content)}, expected a string or a list of parts`,
      "invalid_type",
    );
  if (content.length === 0) throw new FieldError(`${where}.content`, "the list is empty, expected at least one part");
  for (const [j, part] of content.entries()) {
    const at = `${where}.content[${j}]`;
    if (part?.type === "text") checkText(part.text, `${at}.text`);
    else if (part?.type === "soft_prompt") checkText(part.name, `${at}.name`);
    else if (part?.type !== "embeds")
      throw new FieldError(
        `${at}.type`,
        `got ${shown(part?.type)}, expected text, embeds or soft_prompt: this model reads no images, sounds or files`,
      );
    else if (!(part.embeds instanceof Float32Array) || !Array.isArray(part.shape))
      throw new FieldError(`${at}.embeds`, "expected a Float32Array of rows and their shape", "invalid_type");
  }
}

function checkAssistantFields(message: ChatMessage, where: string, last: boolean): void {
  const { role, prefix, reasoning_content: reasoning, tool_calls: calls } = message;
  if (role !== "assistant")
    for (const field of ["prefix", "reasoning_content", "tool_calls"] as const)
      if (message[field])
        throw new FieldError(`${where}.${field}`, `the role is ${role}, expected it on assistant messages only`);
  if (prefix !== undefined && typeof prefix !== "boolean")
    throw new FieldError(`${where}.prefix`, `got ${shown(prefix)}, expected true or false`, "invalid_type");
  if (prefix && !last) throw new FieldError(`${where}.prefix`, "this is not the last message, expected it there only");
  if (reasoning !== undefined && reasoning !== null) checkText(reasoning, `${where}.reasoning_content`);
  if (calls === undefined || calls === null) return;
  if (!Array.isArray(calls))
    throw new FieldError(`${where}.tool_calls`, `got ${shown(calls)}, expected a list`, "invalid_type");
  if (prefix && calls.length > 0)
    throw new FieldError(`${where}.tool_calls`, "the message is a prefix, expected text to go on from and no calls");
  for (const [j, call] of calls.entries()) {
    const at = `${where}.tool_calls[${j}]`;
    checkText(call?.id, `${at}.id`);
    if (call.type !== undefined && call.type !== "function")
      throw new FieldError(`${at}.type`, `got ${shown(call.type)}, expected function`);
    checkText(call.function?.name, `${at}.function.name`);
    checkText(call.function.arguments, `${at}.function.arguments`);
  }
}

function checkText(value: unknown, where: string): void {
  if (typeof value !== "string") throw new FieldError(where, `got ${shown(value)}, expected a string`, "invalid_type");
}
