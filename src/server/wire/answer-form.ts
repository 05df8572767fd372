// What an answer is held to: `response_format`, `tools` and `tool_choice` on the wire → a grammar for the model, and what a
// grammar refuses said about the field that it came in. Forms: OpenAI's, with DeepSeek's rules for strict tools.

import { z } from "zod";
import type { GrammarSpec } from "../../decode/grammar/grammar.ts";
import { checkStrictParameters } from "../../decode/grammar/strict-tools.ts";
import { thoughtsGrammar, toolGrammar } from "../../prompt/answer-grammar.ts";
import type { ChatFormat } from "../../prompt/chat-format.ts";
import type { ChatMessage, Tool } from "../../prompt/chat-message.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { ApiError } from "../errors.ts";
import type { Call } from "../operation.ts";
import { refused } from "./refused.ts";

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
  tools: z.array(toolSchema).max(128).nullish().describe("What the model may call; arguments are always valid."),
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
 * @throws ApiError 400 that names the tool and field: a name twice, a choice of what is not there, strict tools that break
 * DeepSeek's rules.
 */
export function offeredTools({ tools, tool_choice }: AnswerFormBody, { beta }: Call): Tool[] | undefined {
  const offered: Tool[] = (tools ?? []).map(({ type, function: { strict, ...rest } }) => ({
    type,
    function: { ...rest, ...(strict == null ? {} : { strict }) },
  }));
  const names = offered.map((tool) => tool.function.name);
  for (const [i, name] of names.entries())
    if (names.indexOf(name) < i)
      throw refused(
        `tools[${i}].function.name`,
        `${JSON.stringify(name)} is the name of tools[${names.indexOf(name)}] too`,
      );
  if (typeof tool_choice === "object" && tool_choice !== null && !names.includes(tool_choice.function.name))
    throw refused(
      "tool_choice.function.name",
      `no tool is named ${JSON.stringify(tool_choice.function.name)}, expected one of tools`,
    );
  if (tool_choice === "required" && names.length === 0)
    throw refused("tool_choice", "required, and there are no tools");
  const strict = offered.findIndex((tool) => tool.function.strict);
  if (strict >= 0) checkStrict(offered, strict, beta);
  return names.length === 0 ? undefined : offered;
}

function checkStrict(tools: readonly Tool[], first: number, beta: boolean): void {
  if (!beta)
    throw refused(`tools[${first}].function.strict`, "strict tools are a beta feature, use the base URL …/beta");
  for (const [i, { function: tool }] of tools.entries()) {
    if (!tool.strict)
      throw refused(`tools[${i}].function.strict`, `tools[${first}] is strict, expected the same of all tools`);
    if (tool.parameters === undefined) continue;
    try {
      checkStrictParameters(tool.parameters);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw refused(`tools[${i}].function.parameters`, error.message);
    }
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

/** An answer's grammar, and how to say what is wrong with it. */
export interface AnswerForm {
  readonly grammar: (GrammarSpec & { readonly prefix?: string }) | undefined;
  /** What the library says of the grammar, about the field that it came in. */
  accuse(refusal: ApiError): ApiError;
}

/**
 * The form of the answer. A model that thinks may think first.
 * @throws ApiError 400 for a format together with tools that may be left uncalled, and for a prefix that leaves its form open.
 */
export function answerFormOf(body: AnswerFormBody, turn: Turn, { warn }: Call): AnswerForm {
  const { chat, tokenizer, tools, messages, thinking, startsInReasoning } = turn;
  const last = messages.at(-1);
  const prefix = last?.prefix && !startsInReasoning ? prefixText(last) : undefined;
  const json = jsonGrammar(body);
  const spec = tools && !(json && body.tool_choice === "none") ? callGrammar(tools) : json;
  if (!spec) return { grammar: undefined, accuse: (refusal) => refusal };

  const where = `messages[${messages.length - 1}].content`;
  if (prefix === null) throw refused(where, "a prefix with embeddings in it has no place in JSON or a call of a tool");
  if (spec.kind === "json_object" && !messages.some(({ content }) => /json/i.test(JSON.stringify(content) ?? "")))
    warn("response_format: no message has the word json in it; models write better JSON when they are asked for it");
  const mayThink = chat.thinkTags && (startsInReasoning || (!last?.prefix && thinking !== false));
  const thoughts =
    mayThink && chat.thinkTags ? thoughtsGrammar(chat.thinkTags, tokenizer, startsInReasoning) : undefined;
  return { grammar: { ...spec, ...(thoughts ? { thoughts } : {}), ...(prefix ? { prefix } : {}) }, accuse };

  function callGrammar(tools: readonly Tool[]): GrammarSpec {
    const { tool_choice } = body;
    const named = typeof tool_choice === "object" ? tool_choice?.function : undefined;
    const choice = named ?? ((tool_choice ?? "auto") as Exclude<typeof tool_choice, object | null | undefined>);
    if (json && choice === "auto")
      throw refused(
        "response_format",
        `${body.response_format?.type} with tools needs tool_choice none, required or a name`,
      );
    if (prefix !== undefined && choice !== "auto" && choice !== "none")
      throw refused(
        "tool_choice",
        "the last message is a prefix, which a call cannot go on from; expected none or auto",
      );
    return toolGrammar(chat.toolFormat, tokenizer, { tools, choice, parallel: body.parallel_tool_calls ?? true });
  }

  function accuse(refusal: ApiError): ApiError {
    const { param } = refusal.options;
    if (param !== "grammar" && param !== "grammar.prefix") return refusal;
    let text = refusal.message.slice(param.length + 2);
    let field = "response_format.json_schema.schema";
    if (param === "grammar.prefix") field = where;
    else if (spec?.kind === "tools") {
      const name = /^tool "([^"]*)": /.exec(text);
      field = name
        ? `tools[${tools?.findIndex((tool) => tool.function.name === name[1])}].function.parameters`
        : "tools";
      text = text.slice(name?.[0].length ?? 0);
    } else if (spec?.kind !== "json_schema") field = "response_format";
    return refused(field, text);
  }
}

function jsonGrammar({ response_format: format }: AnswerFormBody): GrammarSpec | undefined {
  if (!format || format.type === "text") return undefined;
  if (format.type === "json_object") return { kind: "json_object" };
  const { schema } = format.json_schema;
  if (schema === undefined) throw refused("response_format.json_schema.schema", "missing, expected a JSON schema");
  return { kind: "json_schema", schema };
}

/** The text of a prefix; null if it is not text alone. */
function prefixText({ content }: ChatMessage): string | null {
  if (!Array.isArray(content)) return (content as string | null | undefined) ?? "";
  const texts = content.map((part) => (part.type === "text" ? part.text : null));
  return texts.includes(null) ? null : texts.join("");
}
