// What an answer is held to: `response_format`, `tools` and `tool_choice` on the wire → a grammar for the model, and which
// field of the wire each of the grammar's came from. Forms: OpenAI's, with DeepSeek's rules for strict tools.

import { z } from "zod";
import type { GrammarSpec } from "../../decode/grammar/grammar.ts";
import { checkStrictParameters } from "../../decode/grammar/strict-tools.ts";
import { FieldError, type FieldNames, inField } from "../../field-error.ts";
import { thoughtsGrammar, toolGrammar } from "../../prompt/answer-grammar.ts";
import type { ChatFormat } from "../../prompt/chat-format.ts";
import type { ChatMessage, Tool } from "../../prompt/chat-message.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { checkLimit, type Limits } from "../limits.ts";
import type { Call } from "../operation.ts";

const functionName = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);

const toolSchema = z.object({
  type: z.literal("function"),
  function: z.object({
    name: functionName,
    description: z.string().optional(),
    parameters: z.record(z.string(), z.unknown()).optional().describe("A JSON schema; without one, no parameters."),
    strict: z.boolean().nullish().describe("DeepSeek's rules for schemas (beta); arguments are always valid."),
  }),
});

/** Fields of a chat request that shape its answer. */
export const answerFormFields = {
  response_format: z
    .discriminatedUnion("type", [
      z.object({ type: z.literal("text") }),
      z.object({ type: z.literal("json_object") }),
      z.object({
        type: z.literal("json_schema"),
        json_schema: z.object({
          name: functionName,
          description: z.string().optional(),
          schema: z.unknown().describe("A JSON schema, which the answer is certain to be valid against."),
          strict: z.boolean().nullish().describe("Makes no difference: it always is."),
        }),
      }),
    ])
    .nullish(),
  tools: z.array(toolSchema).nullish().describe("What the model may call; arguments are always valid."),
  tool_choice: z
    .union([
      z.enum(["none", "auto", "required"]),
      z.object({ type: z.literal("function"), function: z.object({ name: functionName }) }),
    ])
    .nullish()
    .describe("Default auto, with tools."),
  parallel_tool_calls: z.boolean().nullish().describe("Whether there may be several calls. Default true"),
};

const answerFormBody = z.object(answerFormFields);

type AnswerFormBody = z.infer<typeof answerFormBody>;

/**
 * The tools of a request; undefined for none.
 * @throws FieldError that names the tool and field: too many, a name twice, a choice of what is not there, strict tools that break
 * DeepSeek's rules.
 */
export function offeredTools(
  { tools, tool_choice }: AnswerFormBody,
  limits: Limits,
  { beta }: Call,
): Tool[] | undefined {
  checkLimit("tools", tools?.length ?? 0, limits.maxTools);
  const offered: Tool[] = (tools ?? []).map(({ type, function: { strict, ...rest } }) => ({
    type,
    function: { ...rest, ...(strict == null ? {} : { strict }) },
  }));
  const names = offered.map((tool) => tool.function.name);
  for (const [i, name] of names.entries())
    if (names.indexOf(name) < i)
      throw new FieldError(
        `tools[${i}].function.name`,
        `${JSON.stringify(name)} is the name of tools[${names.indexOf(name)}] too`,
      );
  if (typeof tool_choice === "object" && tool_choice !== null && !names.includes(tool_choice.function.name))
    throw new FieldError(
      "tool_choice.function.name",
      `no tool is named ${JSON.stringify(tool_choice.function.name)}, expected one of tools`,
    );
  if (tool_choice === "required" && names.length === 0)
    throw new FieldError("tool_choice", "required, and there are no tools");
  const strict = offered.findIndex((tool) => tool.function.strict);
  if (strict >= 0) checkStrict(offered, strict, beta);
  return names.length === 0 ? undefined : offered;
}

function checkStrict(tools: readonly Tool[], first: number, beta: boolean): void {
  if (!beta)
    throw new FieldError(`tools[${first}].function.strict`, "strict tools are a beta feature, use the base URL …/beta");
  for (const [i, { function: tool }] of tools.entries()) {
    if (!tool.strict)
      throw new FieldError(`tools[${i}].function.strict`, `tools[${first}] is strict, expected the same of all tools`);
    if (tool.parameters === undefined) continue;
    inField(`tools[${i}].function.parameters`, () => checkStrictParameters(tool.parameters));
  }
}

/** What is known of the conversation when its answer's form is set. */
export interface Turn {
  readonly chat: ChatFormat;
  readonly tokenizer: Tokenizer;
  readonly tools: readonly Tool[] | undefined;
  readonly messages: readonly ChatMessage[];
  readonly thinking: boolean | undefined;
  readonly startsInReasoning: boolean;
}

/** What an answer is held to. */
export interface AnswerForm {
  readonly grammar: (GrammarSpec & { readonly prefix?: string }) | undefined;
  /** Where its fields came from. */
  readonly fields: FieldNames;
}

/**
 * The form of the answer. A model that thinks may think first.
 * @throws FieldError for a format together with tools that may be left uncalled, and for a prefix that leaves its form open.
 */
export function answerFormOf(body: AnswerFormBody, turn: Turn, { warn }: Call): AnswerForm {
  const { chat, tokenizer, tools, messages, thinking, startsInReasoning } = turn;
  const last = messages.at(-1);
  const prefix = last?.prefix && !startsInReasoning ? prefixText(last) : undefined;
  const json = jsonGrammar(body);
  const spec = tools && !(json && body.tool_choice === "none") ? callGrammar(tools) : json;
  if (!spec) return { grammar: undefined, fields: {} };

  const where = `messages[${messages.length - 1}].content`;
  if (prefix === null)
    throw new FieldError(where, "a prefix with embeddings in it has no place in JSON or a call of a tool");
  if (spec.kind === "json_object" && !messages.some(({ content }) => /json/i.test(JSON.stringify(content) ?? "")))
    warn("response_format: no message has the word json in it; models write better JSON when they are asked for it");
  const mayThink = chat.thinkTags && (startsInReasoning || (!last?.prefix && thinking !== false));
  const thoughts =
    mayThink && chat.thinkTags ? thoughtsGrammar(chat.thinkTags, tokenizer, startsInReasoning) : undefined;
  const grammar = { ...spec, ...(thoughts ? { thoughts } : {}), ...(prefix ? { prefix } : {}) };
  return { grammar, fields: grammarFields(spec, where) };

  function callGrammar(tools: readonly Tool[]): GrammarSpec {
    const { tool_choice } = body;
    const named = typeof tool_choice === "object" ? tool_choice?.function : undefined;
    const choice = named ?? ((tool_choice ?? "auto") as Exclude<typeof tool_choice, object | null | undefined>);
    if (json && choice === "auto")
      throw new FieldError(
        "response_format",
        `${body.response_format?.type} with tools needs tool_choice none, required or a name`,
      );
    if (prefix !== undefined && choice !== "auto" && choice !== "none")
      throw new FieldError(
        "tool_choice",
        "the last message is a prefix, which a call cannot go on from; expected none or auto",
      );
    return toolGrammar(chat.toolFormat, tokenizer, { tools, choice, parallel: body.parallel_tool_calls ?? true });
  }
}

/** Where the fields of a grammar came from; `prefix`: the field of the message that begins the answer. */
function grammarFields(spec: GrammarSpec, prefix: string): FieldNames {
  const names: Record<string, string> = { "grammar.prefix": prefix };
  if (spec.kind === "json_schema") names.grammar = "response_format.json_schema.schema";
  else names.grammar = spec.kind === "tools" ? "tools" : "response_format";
  if (spec.kind === "tools")
    for (const i of spec.tools.keys()) names[`grammar.tools[${i}]`] = `tools[${i}].function.parameters`;
  return names;
}

function jsonGrammar({ response_format: format }: AnswerFormBody): GrammarSpec | undefined {
  if (!format || format.type === "text") return undefined;
  if (format.type === "json_object") return { kind: "json_object" };
  const { schema } = format.json_schema;
  if (schema === undefined)
    throw new FieldError("response_format.json_schema.schema", "missing, expected a JSON schema");
  return { kind: "json_schema", schema };
}

/** The text of a prefix; null if it is not text alone. */
function prefixText({ content }: ChatMessage): string | null {
  if (!Array.isArray(content)) return (content as string | null | undefined) ?? "";
  const texts = content.map((part) => (part.type === "text" ? part.text : null));
  return texts.includes(null) ? null : texts.join("");
}
