// What a model writes → the parts of a message, while it comes: what it thought, what it says, which tools it calls. It
// reads text with control tokens kept; it emits no part of a tag, and nothing twice. The way in is chat-format.ts.

import { argumentKinds } from "../decode/grammar/argument-kinds.ts";
import { createCalls, tagsOf } from "./call-text.ts";
import type { ThinkTags } from "./chat-format.ts";
import { parametersOf, type Tool } from "./chat-message.ts";
import type { KindOf } from "./framed-calls.ts";
import { createMarkerScanner } from "./marker-scanner.ts";
import type { ToolFormat } from "./tool-formats.ts";

/** More of an answer; each has one of the fields. */
export interface ChatDelta {
  readonly content?: string;
  readonly reasoning?: string;
  /** `id` and `name` come once, with the first delta of a call; `arguments` are pieces of JSON text. */
  readonly toolCall?: {
    readonly index: number;
    readonly id?: string;
    readonly name?: string;
    readonly arguments?: string;
  };
}

export interface ChatOutputOptions {
  /** Of the model, from its ChatFormat. */
  readonly format: {
    readonly toolFormat: ToolFormat;
    readonly thinkTags: ThinkTags | undefined;
    readonly specialTexts: readonly string[];
  };
  readonly startsInReasoning: boolean;
  /** The content goes on from a prefix: no call may begin it without a tag. */
  readonly continues?: boolean;
  /** What was offered; without tools, nothing is taken for a call. */
  readonly tools?: readonly Tool[];
  /** An answer is calls or content, never both (tools beside a response format): content is not searched for calls. */
  readonly either?: boolean;
}

export interface ChatOutput {
  /** What is certain after this piece of text, special tokens included. */
  push(text: string): ChatDelta[];
  /** The rest. A call that was cut short ends where it was cut. */
  end(): ChatDelta[];
}

/** A reader of one answer. */
export function chatOutput({
  format,
  startsInReasoning,
  continues = false,
  tools = [],
  either = false,
}: ChatOutputOptions): ChatOutput {
  const { toolFormat, thinkTags } = format;
  const names = tools.map((tool) => tool.function.name);
  const readsCalls = names.length > 0;
  const openers = readsCalls ? toolFormat.openers : [];
  const callTags = readsCalls ? [...openers, ...tagsOf(toolFormat)] : [];
  const callTexts = textsOf(toolFormat);
  const isOfCalls = (marker: string) => callTags.includes(marker) || callTexts.some((text) => text.includes(marker));
  const tags = thinkTags ? [thinkTags.open, thinkTags.close] : [];
  const scanner = createMarkerScanner([...format.specialTexts, ...tags, ...callTags]);
  const bare = readsCalls ? bareCall(toolFormat, names) : undefined;

  let deltas: ChatDelta[] = [];
  let state: "reasoning" | "content" | "calls" = startsInReasoning ? "reasoning" : "content";
  let space = ""; // white space that is dropped if a tag comes next
  let atTurn = !continues; // nothing of the content has come, so a call may begin without a tag
  let candidate = ""; // the text that may be such a call
  let dropsSpace = false; // the tag before took the white space behind it
  const calls = createCalls(toolFormat, kindsOf(tools), (toolCall) => deltas.push({ toolCall }));

  return {
    push(text) {
      deltas = [];
      for (const part of scanner.push(text)) take(part);
      return merged(deltas);
    },
    end() {
      deltas = [];
      for (const part of scanner.end()) take(part);
      if (candidate !== "") settle();
      if (state === "calls") leave(calls.end());
      if (state !== "reasoning") emit(space);
      space = "";
      return merged(deltas);
    },
  };

  function take(part: { text: string } | { marker: string }): void {
    if ("text" in part) takeText(part.text);
    else if (either && state === "content" && !atTurn) takeText(part.marker);
    else if (state === "calls" && calls.quoting) leave(calls.text(part.marker));
    else if (part.marker === thinkTags?.open && state === "content" && atTurn) enter("reasoning");
    else if (part.marker === thinkTags?.close && state === "reasoning") enter("content");
    else if (state !== "reasoning" && openers.includes(part.marker)) {
      if (candidate !== "") settle();
      enter("calls");
      leave(calls.tag(part.marker));
    } else if (state === "calls") {
      if (isOfCalls(part.marker)) leave(calls.tag(part.marker));
    } else if (!format.specialTexts.includes(part.marker))
      takeText(part.marker); // a tag where it means nothing
    else if (candidate !== "") settle(); // a call has no such token in it
  }

  function enter(next: typeof state): void {
    state = next;
    space = "";
    candidate = "";
    dropsSpace = next !== "calls";
  }

  /** Back from calls to content, if there is any. */
  function leave(text: string): void {
    if (text.trim() === "") return;
    state = "content";
    say(text);
  }

  function takeText(text: string): void {
    if (state === "calls") {
      leave(calls.text(text));
      return;
    }
    if (dropsSpace) text = text.trimStart();
    if (text === "") return;
    dropsSpace = false;
    if (state === "content" && bare && atTurn) {
      candidate += text;
      const verdict = bare(candidate);
      if (verdict === "maybe") return;
      const whole = candidate;
      candidate = "";
      if (verdict === "call") {
        enter("calls");
        leave(calls.text(whole));
        return;
      }
      text = whole;
    }
    say(text);
  }

  /** No call came of the candidate. */
  function settle(): void {
    const text = candidate;
    candidate = "";
    say(text);
  }

  function say(text: string): void {
    if (state === "content" && text.trim() !== "") atTurn = false;
    const all = space + text;
    const solid = state === "reasoning" || readsCalls ? all.trimEnd() : all;
    space = all.slice(solid.length);
    emit(solid);
  }

  function emit(text: string): void {
    if (text !== "") deltas.push(state === "reasoning" ? { reasoning: text } : { content: text });
  }
}

/** All texts that a format has of its own. */
function textsOf({ begin, callBegin, nameEnd, callEnd, end, notation }: ToolFormat): string[] {
  const texts = [begin, callBegin, nameEnd, callEnd, end];
  if (!notation) return texts;
  const { open, close, keyBegin, keyEnd, valueEnd, strings } = notation;
  const marks = typeof strings === "object" ? [strings.open, strings.close] : [];
  return [...texts, open, close, keyBegin, keyEnd.string, keyEnd.other, valueEnd, ...marks];
}

/** What the arguments of tools are, looked up when a call first needs it. */
function kindsOf(tools: readonly Tool[]): KindOf {
  const known = new Map<string, ReturnType<typeof argumentKinds>>();
  return (name, argument) => {
    const tool = tools.find((tool) => tool.function.name === name);
    if (!tool) return undefined;
    const kinds = known.get(name) ?? argumentKinds(parametersOf(tool));
    known.set(name, kinds);
    return kinds.get(argument);
  };
}

/** Neighboring pieces of one kind as one. */
function merged(deltas: readonly ChatDelta[]): ChatDelta[] {
  const result: ChatDelta[] = [];
  for (const delta of deltas) {
    const last = result.at(-1);
    if (last?.content !== undefined && delta.content !== undefined)
      result[result.length - 1] = { content: last.content + delta.content };
    else if (last?.reasoning !== undefined && delta.reasoning !== undefined)
      result[result.length - 1] = { reasoning: last.reasoning + delta.reasoning };
    else result.push(delta);
  }
  return result;
}

/** Whether a text is the beginning of a call that no tag announces; undefined where there are no such calls. */
function bareCall(
  format: ToolFormat,
  names: readonly string[],
): ((text: string) => "call" | "maybe" | "no") | undefined {
  const beginnings = format.bareBeginnings.flatMap((text) =>
    text.includes("NAME") ? names.map((name) => text.replace("NAME", name)) : [text],
  );
  if (beginnings.length === 0) return undefined;
  return (text) => {
    const compact = text.replace(/[ \t\n\r]+/g, "");
    if (beginnings.some((beginning) => compact.startsWith(beginning))) return "call";
    return beginnings.some((beginning) => beginning.startsWith(compact)) ? "maybe" : "no";
  };
}
