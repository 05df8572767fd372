// A conversation → segments of a prompt, as the checkpoint's own chat template has it. What a template can do (tools, calls,
// a system role) is found out once by trying; what it cannot is written into messages instead of being lost.
// The way back, from a model's text to a message, is chat-output.ts.

import { sha256 } from "../../weights/sha256.ts";
import { keysOf } from "../decode/grammar/json-text.ts";
import { FieldError, type FieldNames, shown } from "../field-error.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { type ChatMessage, readMessages, readTools, type Tool, type ToolCall, type Warning } from "./chat-message.ts";
import { createChatTemplate, type TemplateMessage } from "./chat-template.ts";
import { createHoles, type Holes, inked, stretchesOf } from "./ink.ts";
import { JsonNumber, readJson } from "./json-text.ts";
import type { Segment } from "./segments.ts";
import { findHabits, type Habits } from "./template-habits.ts";
import { type ToolFormat, toolInstructions } from "./tool-formats.ts";
import { thinkTags as tags } from "./unspoken.ts";
import { writeCalls } from "./written-calls.ts";

export interface ChatRequest {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly Tool[];
  /** Whether the model thinks before it answers, where it can do both; the template decides when absent. */
  readonly thinking?: boolean;
  /** Further variables of the template: only those of `templateArguments`. */
  readonly templateArguments?: Readonly<Record<string, unknown>>;
}

export interface ChatPrompt {
  readonly segments: readonly Segment[];
  /** The model's text begins inside of what it thinks: the prompt has opened that. */
  readonly startsInReasoning: boolean;
  /** Where the segments came from: a field of `input` → that of the messages. */
  readonly fields: FieldNames;
  /** What of the conversation could not be shown as it was given. */
  readonly warnings: readonly Warning[];
}

type Begun = Pick<ChatPrompt, "startsInReasoning"> & { readonly segments: Segment[] };

export interface ChatFormat {
  readonly toolFormat: ToolFormat;
  /** What the template does of itself; the rest is written into messages. */
  readonly habits: Habits;
  /** What stands round a model's thoughts; undefined for a model that does not think aloud. */
  readonly thinkTags: ThinkTags | undefined;
  /** Texts of special tokens, which are no part of an answer. */
  readonly specialTexts: readonly string[];
  /**
   * The prompt of a conversation; no text in it becomes a control token.
   * @throws one sentence that names `messages[i].field`, or has the template's own words.
   */
  prompt(request: ChatRequest): ChatPrompt;
}

export interface ThinkTags {
  readonly open: string;
  readonly close: string;
}

/** The variables of a template that a request may set. A template itself, or what the program sets, is not among them. */
export const templateArguments = ["enable_thinking", "thinking", "reasoning_effort", "date_string"] as const;

/** What is in a hole of a rendered conversation: rows and the part that they came in, or where a prefix begins and ends. */
type Filling = { readonly segment: Segment; readonly part: string } | { readonly mark: "prefix" | "end" };

/**
 * The chat format of a checkpoint: its template (Jinja) and its tokenizer.
 * @throws one sentence if there is no template, or one that cannot be run safely.
 */
export function createChatFormat(source: string | null, tokenizer: Tokenizer): ChatFormat {
  if (source === null)
    throw new Error("chat template: this checkpoint has none, so it cannot chat; it can still continue text");
  const tokenText = (id: number | undefined) => (id === undefined ? undefined : tokenizer.tokenOf(id));
  const control = tokenizer.addedTokens.filter((token) => token.control).map((token) => token.content);
  const template = createChatTemplate(source, {
    control,
    bos: tokenText(tokenizer.bosId),
    eos: tokenText(tokenizer.eosId),
  });
  const has = (token: string) => tokenizer.idOf(token) !== undefined;
  const { toolFormat, habits } = findHabits(template, has);
  const thinkTags = has(tags.open) || source.includes(tags.close) ? tags : undefined;

  function prompt(request: ChatRequest): ChatPrompt {
    const { thinking } = request;
    const { messages, warnings: passedOver } = readMessages(request.messages);
    const warnings = [...passedOver];
    const tools = readTools(request.tools ?? []);
    const regular = { ...request, messages, tools };
    const holes = createHoles<Filling>();
    const variables = argumentsOf(request, holes);
    const { shown, tellsTools } = toolsShown();
    const view = viewOf(regular, { habits, toolFormat, holes, tellsTools });
    const render = (messages: readonly TemplateMessage[], add_generation_prompt: boolean) => {
      try {
        return renderWith(shown, messages, add_generation_prompt);
      } catch (error) {
        if (error instanceof FieldError) throw error;
        throw new FieldError("messages", (error as Error).message); // it ran with the conversations that it was tried with
      }
    };

    const last = messages[messages.length - 1];
    const { segments, startsInReasoning } = last.prefix ? prefixPrompt(last) : answerPrompt();
    return { segments, startsInReasoning, fields: fieldsOf(segments, holes), warnings };

    function answerPrompt(): Begun {
      const segments = segmentsOf(render(view, true), holes).segments;
      const open = thinkTags !== undefined && endsWith(segments, thinkTags.open);
      if (open && thinking === false) segments.push(written(`\n${thinkTags.close}\n\n`)); // this template always opens them
      return { segments, startsInReasoning: open && thinking !== false };
    }

    function renderWith(shown: readonly Tool[], messages: readonly TemplateMessage[], add_generation_prompt: boolean) {
      const tools = shown.length > 0 ? (cleanAll(shown, holes) as unknown[]) : null;
      return template.render({ ...variables, tools, messages, add_generation_prompt });
    }

    /** Tools as the template can show them: a template written for simpler ones stumbles over some, and is told in words. */
    function toolsShown(): { shown: readonly Tool[]; tellsTools: boolean } {
      const inWords = { shown: [], tellsTools: true };
      if (!habits.readsTools || tools.length === 0) return inWords;
      const named = tools.map(withFields);
      const all = named.map(described);
      const question = [{ role: "user", content: "" }];
      let problem: string | undefined;
      for (const shown of [habits.describesAll ? all : tools, named, all]) {
        const fault = faultOf(() => renderWith(shown, question, false));
        if (fault === undefined) return { shown, tellsTools: false };
        problem ??= fault;
      }
      warnings.push({
        field: "tools",
        hint: `the chat template cannot show them (${problem}); they stand in the system message`,
      });
      return inWords;
    }

    /** The prompt up to the last character of a prefix; nothing closes the assistant's turn. */
    function prefixPrompt(message: ChatMessage): Begun {
      const where = `messages[${messages.length - 1}]`;
      const text = contentOf(message, where, holes) ?? "";
      const thoughts = message.reasoning_content ?? undefined;
      if (thoughts !== undefined && !thinkTags)
        throw new FieldError(`${where}.reasoning_content`, "this model does not think aloud, expected content alone");
      const inThoughts = thoughts !== undefined && text === "";
      const marked = (text: string) => `${holes.put({ mark: "prefix" })}${text}${holes.put({ mark: "end" })}`;
      const own: TemplateMessage = {
        role: "assistant",
        content: inThoughts ? "" : marked(text),
        ...(thoughts === undefined
          ? {}
          : { reasoning_content: inThoughts ? marked(holes.clean(thoughts)) : holes.clean(thoughts) }),
      };
      const rendered = segmentsOf(render([...view.slice(0, -1), own], false), holes);
      const intended = inThoughts ? holes.clean(thoughts) : text;
      const keepsPrefix = rendered.prefix === segmentsOf(intended, holes).text;
      const keepsThoughts = thoughts === undefined || inThoughts || rendered.text.includes(thoughts.trim());
      if (keepsPrefix && keepsThoughts) return { segments: rendered.segments, startsInReasoning: inThoughts };

      // The template drops or cuts what it is given: write the turn behind the words with which a turn begins.
      const segments = segmentsOf(render(view.slice(0, -1), true), holes).segments;
      const tags = thinkTags ?? { open: "", close: "" };
      const opened = thinkTags !== undefined && endsWith(segments, tags.open);
      if (thoughts !== undefined && !opened) segments.push(written(`${tags.open}\n`));
      if (thoughts !== undefined) segments.push({ text: thoughts });
      if ((opened || thoughts !== undefined) && !inThoughts) segments.push(written(`\n${tags.close}\n\n`));
      segments.push(...segmentsOf(text, holes).segments.slice(1));
      return { segments, startsInReasoning: inThoughts };
    }
  }

  /** Whether a prompt ends with a tag that the template wrote; white space may follow it. */
  function endsWith(segments: readonly Segment[], tag: string): boolean {
    const last = segments.findLast((segment) => !("text" in segment) || segment.text.trim() !== "");
    if (!last || !("text" in last) || !last.text.trimEnd().endsWith(tag)) return false;
    return last.parseSpecialTokens === true || !control.includes(tag);
  }

  const specialTexts = tokenizer.addedTokens.filter((token) => token.special).map((token) => token.content);
  return { toolFormat, habits, thinkTags, specialTexts, prompt };
}

/** Text of the program, in which control tokens count. */
function written(text: string): Segment {
  return { text, parseSpecialTokens: true };
}

interface Rendered {
  readonly segments: Segment[];
  /** All text in them. */
  readonly text: string;
  /** The text between the marks of a prefix; undefined if one is not there. */
  readonly prefix: string | undefined;
}

/** A rendered conversation as segments, up to the end of its prefix if it has one. No token is added before them. */
function segmentsOf(rendered: string, holes: Holes<Filling>): Rendered {
  const segments: Segment[] = [{ ids: [] }]; // a template writes its own beginning of sequence
  let text = "";
  let prefixAt: number | undefined;
  const add = (piece: string, parseSpecialTokens: boolean) => {
    text += piece;
    const last = segments[segments.length - 1];
    if ("text" in last && (last.parseSpecialTokens ?? false) === parseSpecialTokens)
      segments[segments.length - 1] = { ...last, text: last.text + piece };
    else segments.push(parseSpecialTokens ? written(piece) : { text: piece });
  };
  for (const stretch of stretchesOf(rendered)) {
    if ("text" in stretch) {
      add(stretch.text, stretch.inked);
      continue;
    }
    const filling = holes.get(stretch.hole);
    if ("character" in filling) add(filling.character, false);
    else if ("segment" in filling.content) segments.push(filling.content.segment);
    else if (filling.content.mark === "prefix") prefixAt = text.length;
    else return { segments, text, prefix: prefixAt === undefined ? undefined : text.slice(prefixAt) };
  }
  return { segments, text, prefix: undefined };
}

// --- What a template is given

interface ViewContext {
  readonly habits: Habits;
  readonly toolFormat: ToolFormat;
  readonly holes: Holes<Filling>;
  /** Whether the tools are written into the system message. */
  readonly tellsTools: boolean;
}

/** Messages as this template takes them. */
function viewOf({ messages, tools = [] }: ChatRequest, context: ViewContext): TemplateMessage[] {
  const { habits, toolFormat, holes, tellsTools } = context;
  const given = messages.map((message, i) => ({ message, i }));
  const ordered = habits.calls && !habits.calls.several ? oneCallEach(given) : given;
  const idOf = idsOf(messages, toolFormat);
  const functionOfCall = new Map<string, string>();
  const view: TemplateMessage[] = [];
  for (const { message, i } of ordered) {
    for (const call of message.tool_calls ?? []) functionOfCall.set(call.id, call.function.name);
    view.push(messageView(message, i));
  }
  const example = () => writeCalls(toolFormat, [{ name: "name", arguments: '{"parameter": "value"}' }]);
  if (tools.length > 0 && tellsTools) addToSystem(view, holes.clean(toolInstructions(toolFormat, example(), tools)));
  return habits.knowsSystem ? view : withoutSystem(view);

  function messageView(message: ChatMessage, i: number): TemplateMessage {
    const { role, name, reasoning_content: thoughts, tool_calls: calls } = message;
    const content = contentOf(message, `messages[${i}]`, holes);
    const named = name === undefined ? {} : { name: holes.clean(name) };
    if (role === "tool") return toolView(message, content ?? "");
    const shared = { role: role === "developer" && !habits.knowsDeveloper ? "system" : role, ...named };
    const reasoning = typeof thoughts === "string" ? { reasoning_content: holes.clean(thoughts) } : {};
    if (!calls || calls.length === 0) return { ...shared, content: content ?? "", ...reasoning };

    if (!habits.calls || (content && !habits.calls.besideContent))
      return { ...shared, content: (content ?? "") + writtenCalls(calls), ...reasoning };
    return {
      ...shared,
      content: content || habits.calls.emptyContent,
      ...reasoning,
      tool_calls: calls.map((call) => ({
        id: holes.clean(idOf(call.id)),
        type: "function",
        function: {
          name: holes.clean(call.function.name),
          arguments: habits.calls?.objects
            ? cleanAll(readJson(call.function.arguments), holes)
            : holes.clean(call.function.arguments),
        },
      })),
    };
  }

  /** Calls as the model would have written them; its own texts in ink. */
  function writtenCalls(calls: readonly ToolCall[]): string {
    const clean = (text: string) => holes.clean(text);
    const written = calls.map(({ id, function: { name, arguments: text } }) => ({
      name,
      arguments: text,
      id: idOf(id),
    }));
    return writeCalls(toolFormat, written, { mark: inked, value: clean, hole: clean });
  }

  function toolView(message: ChatMessage, content: string): TemplateMessage {
    const id = message.tool_call_id as string;
    const name = holes.clean(message.name ?? functionOfCall.get(id) ?? "");
    if (habits.knowsResults) return { role: "tool", content, name, tool_call_id: holes.clean(idOf(id)) };
    return { role: "user", content: `Result of ${name}: ${content}` };
  }
}

/** For templates that take one call a turn: each call in a turn of its own, its result behind it. */
function oneCallEach(given: readonly Numbered[]): Numbered[] {
  const left = [...given];
  const ordered: Numbered[] = [];
  for (let next = left.shift(); next; next = left.shift()) {
    const { message, i } = next;
    const calls = message.tool_calls ?? [];
    if (calls.length < 2) ordered.push(next);
    else
      for (const [j, call] of calls.entries()) {
        ordered.push({ i, message: { ...message, content: j === 0 ? message.content : null, tool_calls: [call] } });
        const at = left.findIndex(({ message: { role, tool_call_id } }) => role === "tool" && tool_call_id === call.id);
        if (at >= 0) ordered.push(...left.splice(at, 1));
      }
  }
  return ordered;
}

/** A message and where in the conversation it stands. */
interface Numbered {
  readonly message: ChatMessage;
  readonly i: number;
}

/** Ids of calls as a family's templates want them: Mistral's are nine letters and digits, Kimi's name the function. */
function idsOf(messages: readonly ChatMessage[], { ids }: ToolFormat): (id: string) => string {
  const made = new Map<string, string>();
  let count = 0;
  for (const { tool_calls: calls } of messages)
    for (const { id, function: called } of calls ?? []) made.set(id, `functions.${called.name}:${count++}`);
  return (id) => {
    if (ids === "functions") return made.get(id) ?? id;
    if (ids === undefined || /^[a-zA-Z0-9]{9}$/.test(id)) return id;
    return sha256(new TextEncoder().encode(id)).slice(0, 9);
  };
}

/** A tool with all the fields that it may have. */
function withFields(tool: Tool): Tool {
  const { name, description, parameters, ...rest } = tool.function;
  const none = { type: "object", properties: {} };
  return { ...tool, function: { name, description: description ?? "", parameters: parameters ?? none, ...rest } };
}

/** A tool with a description of every parameter too, for templates that look for one. */
function described(tool: Tool): Tool {
  const schema = (given: unknown): unknown => {
    if (Array.isArray(given)) return given.map(schema);
    if (typeof given !== "object" || given === null) return given;
    const properties = (given as { properties?: unknown }).properties;
    if (typeof properties !== "object" || properties === null) return given;
    const all = Object.entries(properties).map(([name, value]) => [
      name,
      typeof value === "object" && value !== null ? withDescription(schema(value) as object) : value,
    ]);
    return { ...given, properties: Object.fromEntries(all) };
  };
  const parameters = schema(tool.function.parameters) as Tool["function"]["parameters"];
  return { ...tool, function: { ...tool.function, parameters } };
}

const withDescription = (schema: object) => ("description" in schema ? schema : { ...schema, description: "" });

/** Why a template cannot be run; undefined if it can, or does not want what it was given. */
function faultOf(render: () => string): string | undefined {
  try {
    render();
    return undefined;
  } catch (error) {
    return error instanceof FieldError ? undefined : (error as Error).message;
  }
}

function contentOf({ content }: ChatMessage, where: string, holes: Holes<Filling>): string | null {
  if (content === null || content === undefined) return null;
  if (typeof content === "string") return holes.clean(content);
  const texts = content.map((part, j) => {
    if (part.type === "text") return holes.clean(part.text);
    if (part.type === "refusal") return holes.clean(part.refusal);
    const put = (segment: Segment) => holes.put({ segment, part: `${where}.content[${j}]` });
    if (part.type === "soft_prompt") return put({ softPrompt: part.name });
    const { id, embeds, shape } = part;
    return put({ ...(id === undefined ? {} : { id }), embeds, shape });
  });
  return texts.join("");
}

/** Fields of the input → those of the messages. Text comes from many places, so it goes by the name of all of them. */
function fieldsOf(segments: readonly Segment[], holes: Holes<Filling>): FieldNames {
  const parts = new Map(
    holes.contents().flatMap((filling) => ("segment" in filling ? [[filling.segment, filling.part]] : [])),
  );
  const names: Record<string, string> = { input: "messages" };
  for (const [i, segment] of segments.entries()) {
    const part = parts.get(segment);
    if (part === undefined) continue;
    for (const field of ["id", "embeds", "shape"]) names[`input[${i}].${field}`] = `${part}.${field}`;
    names[`input[${i}].softPrompt`] = `${part}.name`;
  }
  return names;
}

function addToSystem(view: TemplateMessage[], text: string): void {
  const [first] = view;
  if (first.role === "system") view[0] = { ...first, content: `${first.content}\n\n${text}` };
  else view.unshift({ role: "system", content: text });
}

/** What system messages say, put before what the user says next. */
function withoutSystem(view: readonly TemplateMessage[]): TemplateMessage[] {
  const result: TemplateMessage[] = [];
  let pending = "";
  for (const message of view) {
    if (message.role === "system") pending += `${message.content}\n\n`;
    else if (message.role === "user") {
      result.push({ ...message, content: pending + message.content });
      pending = "";
    } else result.push(message);
  }
  if (pending !== "") result.push({ role: "user", content: pending.trimEnd() });
  return result;
}

function argumentsOf({ thinking, templateArguments: given = {} }: ChatRequest, holes: Holes<Filling>) {
  for (const [name, value] of Object.entries(given)) {
    if (!templateArguments.includes(name as never))
      throw new FieldError(
        `templateArguments[${JSON.stringify(name)}]`,
        `it is not known, expected one of ${templateArguments.join(", ")}`,
        "unknown",
      );
    if (!["string", "number", "boolean"].includes(typeof value))
      throw new FieldError(
        `templateArguments[${JSON.stringify(name)}]`,
        `got ${shown(value)}, expected text, a number or true or false`,
        "invalid_type",
      );
  }
  const thinkingVariables = thinking === undefined ? {} : { thinking, enable_thinking: thinking };
  return { ...thinkingVariables, ...(cleanAll(given, holes) as object) };
}

/** A copy of plain data with every text in it, names of fields too, made clean. */
function cleanAll(value: unknown, holes: Holes<Filling>): unknown {
  if (typeof value === "string") return holes.clean(value);
  if (Array.isArray(value)) return value.map((item) => cleanAll(item, holes));
  if (typeof value !== "object" || value === null || value instanceof JsonNumber) return value;
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [holes.clean(key), cleanAll(item, holes)]));
  const keys = keysOf(value).filter((key) => (value as Record<string, unknown>)[key] !== undefined);
  const entries = keys.map(
    (key) => [holes.clean(key), cleanAll((value as Record<string, unknown>)[key], holes)] as const,
  );
  // A Map where JavaScript would move keys that look like integers to the front.
  const isMoved = keys.some((key, i) => i > 0 && /^\d+$/.test(key));
  return isMoved ? new Map(entries) : Object.fromEntries(entries);
}
