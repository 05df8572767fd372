// A conversation on a model: messages in, the parts of an answer out. What the model reads is made by prompt/chat-format.ts,
// what it may write by decode/grammar, how that is read by chat-reader.ts; this file is how the three fit round `generate`.

import { type ChatEvent, type ChatReader, createChatReader } from "./chat-reader.ts";
import type { DroppedKeyword, GrammarSpec } from "./decode/grammar/grammar.ts";
import { type GenerateEvent, type GenerateOptions, generateOptionNames } from "./engine/generate.ts";
import { checkNames, FieldError, type FieldNames, type Names, renamed, shown } from "./field-error.ts";
import { thoughtsGrammar, toolGrammar } from "./prompt/answer-grammar.ts";
import type { ChatFormat } from "./prompt/chat-format.ts";
import type { ChatMessage, Tool, Warning } from "./prompt/chat-message.ts";
import { chatOutput } from "./prompt/chat-output.ts";
import type { Input } from "./prompt/segments.ts";
import { formatFields, formatGrammar, type ResponseFormat } from "./response-format.ts";
import type { Tokenizer } from "./tokenizer/tokenizer.ts";

/** Whether tools are called: as the model likes, never, at least one of them, or the one of this name. */
export type ToolChoice = "auto" | "none" | "required" | { readonly name: string };

export interface ChatOptions
  extends Omit<
    GenerateOptions,
    "input" | "grammar" | "specialTokens" | "controlTokens" | "promptLogprobs" | "ignoreEnd"
  > {
  /** The conversation. With `prefix: true` on its last message, an assistant's, the answer goes on from exactly there. */
  messages?: readonly ChatMessage[];
  /** The whole prompt in place of messages, as it stands: no template is laid round it. */
  input?: Input;
  /**
   * What the model may call; arguments are always valid. Where parameters cannot be honored in full, they are held to the
   * nearest that can be, with a warning; those of a strict tool are refused.
   */
  tools?: readonly Tool[];
  /** Default "auto" */
  toolChoice?: ToolChoice;
  /** Whether there may be several calls. Default true */
  parallelToolCalls?: boolean;
  responseFormat?: ResponseFormat;
  /** Whether the model thinks before it answers, where it can do both. Default: as its template has it */
  thinking?: boolean;
  /** Further variables of the template. */
  templateArguments?: Readonly<Record<string, unknown>>;
}

const {
  input,
  signal,
  tenant,
  endIds,
  grammar,
  specialTokens,
  controlTokens,
  promptLogprobs,
  ignoreEnd,
  ...decodeNames
} = generateOptionNames;
const chatOptionNames = {
  ...decodeNames,
  ...{ input, signal, tenant, endIds },
  messages: true,
  tools: true,
  toolChoice: true,
  parallelToolCalls: true,
  responseFormat: true,
  thinking: true,
  templateArguments: true,
} satisfies Names<ChatOptions>;

/** What a conversation needs of a model. */
export interface ChatModel {
  generate(options: GenerateOptions): AsyncGenerator<GenerateEvent, void, undefined>;
  droppedOf(grammar: GrammarSpec): Promise<readonly DroppedKeyword[]>;
}

/** An answer that is ready to be generated, once or several times, after `settle`. */
export interface ChatTurn {
  readonly options: GenerateOptions;
  /** Where the options came from: a field of `generate` → that of the conversation. */
  readonly fields: FieldNames;
  readonly startsInReasoning: boolean;
  /**
   * What the caller may want to know; asks the model what of the tools it cannot hold an answer to.
   * @throws FieldError, as `generate` does for the grammar
   */
  settle(model: Pick<ChatModel, "droppedOf">): Promise<readonly Warning[]>;
  /** Reads one generation: the events of `generate` in turn. */
  reader(warnings?: readonly Warning[]): ChatReader;
}

/** Answers a conversation. @throws as `ServedModel.chat` */
export async function* chat(
  model: ChatModel,
  format: ChatFormat,
  tokenizer: Tokenizer,
  options: ChatOptions,
): AsyncGenerator<ChatEvent, void, undefined> {
  const turn = chatTurn(format, tokenizer, options);
  try {
    const warnings = await turn.settle(model);
    const reader = turn.reader(warnings);
    for await (const event of model.generate(turn.options)) yield* reader.read(event);
  } catch (error) {
    throw renamed(error, turn.fields);
  }
}

/** Makes a conversation ready. @throws FieldError */
export function chatTurn(format: ChatFormat, tokenizer: Tokenizer, options: ChatOptions): ChatTurn {
  checkNames(options, chatOptionNames);
  const { messages, input, tools, toolChoice, parallelToolCalls, responseFormat, ...rest } = options;
  const { thinking, templateArguments, ...generation } = rest;
  const offered = offeredTools(tools, toolChoice);
  // The model is not told of tools that it may not call.
  const told = toolChoice === "none" ? undefined : offered;
  const conversation = input === undefined ? (messages ?? []) : [];
  if (input === undefined && messages === undefined)
    throw new FieldError("messages", "missing, expected at least one message", "missing");
  const warnings: Warning[] = [];
  if (thinking && !format.thinkTags) warnings.push({ field: "thinking", hint: "this model does not think aloud" });
  const prompt =
    input === undefined
      ? format.prompt({ messages: conversation, tools: told, thinking, templateArguments })
      : {
          segments: typeof input === "string" ? [{ text: input }] : input,
          startsInReasoning: false,
          fields: {},
          warnings: [],
        };
  warnings.push(...prompt.warnings);
  const { segments, startsInReasoning } = prompt;

  const last = conversation.at(-1);
  const where = `messages[${conversation.length - 1}].content`;
  const prefix = last?.prefix && !startsInReasoning ? prefixText(last) : undefined;
  const asked = formatGrammar(responseFormat);
  const spec = offered && !(asked && toolChoice === "none") ? callGrammar(offered) : asked;
  if (spec && prefix === null)
    throw new FieldError(where, "a prefix with embeddings in it has no place in JSON or a call of a tool");
  const isJsonObject =
    spec?.kind === "json_object" || (spec?.kind === "tools" && spec.otherwise?.kind === "json_object");
  if (isJsonObject && !conversation.some(({ content }) => /json/i.test(JSON.stringify(content) ?? "")))
    warnings.push({
      field: "responseFormat",
      hint: "no message has the word json in it; models write better JSON when they are asked for it",
    });
  const mayThink = format.thinkTags && (startsInReasoning || (!last?.prefix && thinking !== false));
  const thoughts =
    mayThink && format.thinkTags ? thoughtsGrammar(format.thinkTags, tokenizer, startsInReasoning) : undefined;

  // In JSON, texts of special tokens are text.
  const plain = spec && spec.kind !== "tools";
  const output = {
    format: plain ? { ...format, specialTexts: [], thinkTags: thoughts && format.thinkTags } : format,
    startsInReasoning,
    continues: Boolean(spec && prefix),
    tools: told,
    either: spec?.kind === "tools" && spec.otherwise !== undefined,
  };
  const fields = { ...prompt.fields, ...(spec ? grammarFields(spec, where) : {}) };
  return {
    options: {
      ...generation,
      input: segments,
      grammar: spec && { ...spec, ...(thoughts ? { thoughts } : {}), ...(prefix ? { prefix } : {}) },
      specialTokens: true, // content is told from tags by them
      controlTokens: false,
    },
    fields,
    startsInReasoning,
    async settle(model) {
      if (spec?.kind !== "tools" || !spec.tools.some(({ nearest }) => nearest)) return warnings;
      const dropped = await model.droppedOf(spec).catch((error) => {
        throw renamed(error, fields);
      });
      return [...warnings, ...dropped.map(droppedWarning)];
    },
    reader: (warnings = []) =>
      createChatReader(tokenizer, chatOutput(output), {
        startsInReasoning,
        scored: options.logprobs !== undefined,
        warnings: warnings.map(({ field, hint }) => `${field}: ${hint}`),
      }),
  };

  function callGrammar(tools: readonly Tool[]): GrammarSpec {
    const choice = toolChoice ?? "auto";
    const isJson = asked?.kind === "json_object" || asked?.kind === "json_schema";
    if (asked && !isJson && choice === "auto")
      throw new FieldError(
        "responseFormat",
        `${responseFormat?.type} with tools needs a choice among them: none, required or a name`,
      );
    if (prefix !== undefined && choice !== "auto" && choice !== "none")
      throw new FieldError(
        "toolChoice",
        "the last message is a prefix, which a call cannot go on from; expected none or auto",
      );
    const parallel = parallelToolCalls ?? true;
    const otherwise = isJson && choice === "auto" ? asked : undefined;
    return toolGrammar(format.toolFormat, tokenizer, { tools, choice, parallel, otherwise });
  }
}

/** The tools of a request; undefined for none. @throws FieldError for a name twice, or a choice of what is not there */
function offeredTools(tools: readonly Tool[] = [], choice: ToolChoice | undefined): readonly Tool[] | undefined {
  if (!Array.isArray(tools)) throw new FieldError("tools", `got ${shown(tools)}, expected a list`, "invalid_type");
  const names = tools.map((tool: Tool, i) => {
    const name = tool?.function?.name;
    if (typeof name === "string" && name !== "") return name;
    throw new FieldError(`tools[${i}].function.name`, `got ${shown(name)}, expected a name`, "invalid_type");
  });
  for (const [i, name] of names.entries())
    if (names.indexOf(name) < i)
      throw new FieldError(
        `tools[${i}].function.name`,
        `${JSON.stringify(name)} is the name of tools[${names.indexOf(name)}] too`,
      );
  if (typeof choice === "object" && !names.includes(choice.name))
    throw new FieldError(
      "toolChoice.name",
      `no tool is named ${JSON.stringify(choice.name)}, expected one of tools`,
      "unknown",
    );
  if (choice === "required" && names.length === 0)
    throw new FieldError("toolChoice", "required, and there are no tools");
  return names.length === 0 ? undefined : tools;
}

/** A keyword of a tool that is not strict, and that its arguments are not held to. */
function droppedWarning({ field, keyword }: DroppedKeyword): Warning {
  const [, i = "", path = ""] = /^tools\[(\d+)\]\.parametersText\.?(.*)$/s.exec(field) ?? [];
  const what =
    keyword === "" ? "the schema cannot be honored" : `the keyword ${JSON.stringify(keyword)} cannot be honored`;
  const where = path === "" ? "" : ` in ${path}`;
  return {
    field: `tools[${i}].function.parameters`,
    hint: `${what}${where}; this tool is not strict, so its arguments are held to the rest`,
  };
}

/** Where the fields of a grammar came from; `prefix`: the field of the message that begins the answer. */
function grammarFields(spec: GrammarSpec, prefix: string): FieldNames {
  const names: Record<string, string> = { ...formatFields("grammar"), "grammar.prefix": prefix };
  if (spec.kind === "tools") names.grammar = "tools";
  if (spec.kind === "tools" && spec.otherwise) Object.assign(names, formatFields("grammar.otherwise"));
  if (spec.kind === "tools")
    for (const i of spec.tools.keys()) names[`grammar.tools[${i}]`] = `tools[${i}].function.parameters`;
  return names;
}

/** The text of a prefix; null if it is not text alone. */
function prefixText({ content }: ChatMessage): string | null {
  if (!Array.isArray(content)) return (content as string | null | undefined) ?? "";
  const texts = content.map((part) => (part.type === "text" ? part.text : null));
  return texts.includes(null) ? null : texts.join("");
}
