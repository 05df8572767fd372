// A conversation as people give it, in OpenAI's and DeepSeek's names, and what is wrong with it. What a model makes of it
// is chat-format.ts. Source: DeepSeek API reference, create-chat-completion.

import { FieldError, shown } from "../field-error.ts";
import { readJson } from "./json-text.ts";

/** One message. Which fields a role has is checked by `readMessages`. */
export interface ChatMessage {
  readonly role: "system" | "developer" | "user" | "assistant" | "tool";
  readonly content?: string | readonly ContentPart[] | null;
  readonly name?: string;
  /** What an assistant thought before the content. */
  readonly reasoning_content?: string | null;
  /** What an assistant said instead of content when it would not answer. */
  readonly refusal?: string | null;
  readonly tool_calls?: readonly ToolCall[] | null;
  /** The call that a tool message answers. */
  readonly tool_call_id?: string;
  /** On the last message, an assistant's: the answer goes on from exactly here. */
  readonly prefix?: boolean;
}

/** A part of a message; parts follow each other with nothing in between. */
export type ContentPart =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "refusal"; readonly refusal: string }
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
  readonly type?: "function" | "";
  readonly function: { readonly name: string; readonly arguments: string };
}

/** A function that the model may call; `parameters` is a JSON Schema. */
export interface Tool {
  readonly type: "function";
  readonly function: {
    readonly name: string;
    readonly description?: string | null;
    readonly parameters?: Readonly<Record<string, unknown>> | null;
    readonly strict?: boolean | null;
  };
}

const roles = ["system", "developer", "user", "assistant", "tool"];

/** No fault, but likely not what was meant: a field and a sentence without its name. */
export interface Warning {
  readonly field: string;
  readonly hint: string;
}

/** A conversation as it is rendered, and what in it could not be read and was passed over. */
export interface ReadMessages {
  readonly messages: readonly ChatMessage[];
  readonly warnings: readonly Warning[];
}

/**
 * Checks a conversation and makes it regular: what clients send of turns that were cut short or said nothing (no content,
 * arguments that are no JSON) has a harmless meaning, since a history that is refused is refused for ever.
 * @throws FieldError that names `messages[i].field`
 */
export function readMessages(messages: readonly ChatMessage[]): ReadMessages {
  checkMessages(messages);
  const warnings: Warning[] = [];
  const read = messages.map((message, i): ChatMessage => {
    const { role, refusal, tool_calls: calls, ...rest } = message;
    if (role !== "assistant" && role !== "tool") return message;
    const said = message.content?.length ? message.content : "";
    const content = said === "" ? (refusal ?? "") : said;
    if (!calls || calls.length === 0) return { ...rest, role, content };
    return {
      ...rest,
      role,
      content: content === "" ? null : content,
      tool_calls: calls.map((call, j) => {
        const text = argumentsText(call.function.arguments);
        if (text === undefined)
          warnings.push({
            field: `messages[${i}].tool_calls[${j}].function.arguments`,
            hint: `got ${shown(call.function.arguments)}, which is no JSON object; the model is shown {}`,
          });
        return { id: call.id, type: "function", function: { name: call.function.name, arguments: text ?? "{}" } };
      }),
    };
  });
  return { messages: read, warnings };
}

/** The text of a JSON object that arguments are, or say in a string; {} for none; undefined where there is no object. */
function argumentsText(given: unknown): string | undefined {
  if (given === undefined || given === null) return "{}";
  if (typeof given === "object") return Array.isArray(given) ? undefined : JSON.stringify(given);
  const text = String(given).trim();
  if (text === "" || text === "null") return "{}";
  try {
    const value = readJson(text);
    if (value instanceof Map) return text;
    return typeof value === "string" && value !== text ? argumentsText(value) : undefined;
  } catch {
    return undefined;
  }
}

/** Tools without the fields that say nothing: a description or parameters of null are as if absent. */
export function readTools(tools: readonly Tool[]): Tool[] {
  return tools.map(({ type, function: { name, ...rest } }) => ({
    type,
    function: { name, ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null)) },
  }));
}

/** The parameters of a tool as a schema: none is an empty object, and without a type it is an object all the same. */
export function parametersOf({ function: { parameters } }: Tool): Readonly<Record<string, unknown>> {
  if (!parameters) return { type: "object", properties: {}, additionalProperties: false };
  return parameters.type === undefined || parameters.type === null ? { ...parameters, type: "object" } : parameters;
}

function checkMessages(messages: readonly ChatMessage[]): void {
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
  const { content, role } = message;
  const mayBeEmpty = role === "assistant" || role === "tool";
  if (content === null || content === undefined) {
    const prefix = role === "assistant" && message.prefix;
    if (!mayBeEmpty || (prefix && typeof message.reasoning_content !== "string"))
      throw new FieldError(`${where}.content`, "it is missing, expected a string", "missing");
    return;
  }
  if (typeof content === "string") return;
  if (!Array.isArray(content))
    throw new FieldError(
      `${where}.content`,
      `got ${shown(content)}, expected a string or a list of parts`,
      "invalid_type",
    );
  if (content.length === 0 && !mayBeEmpty)
    throw new FieldError(`${where}.content`, "the list is empty, expected at least one part");
  for (const [j, part] of content.entries()) {
    const at = `${where}.content[${j}]`;
    if (part?.type === "text") checkText(part.text, `${at}.text`);
    else if (part?.type === "refusal") checkText(part.refusal, `${at}.refusal`);
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
    if (call.type && call.type !== "function")
      throw new FieldError(`${at}.type`, `got ${shown(call.type)}, expected function`);
    checkText(call.function?.name, `${at}.function.name`);
  }
}

function checkText(value: unknown, where: string): void {
  if (typeof value !== "string") throw new FieldError(where, `got ${shown(value)}, expected a string`, "invalid_type");
}
