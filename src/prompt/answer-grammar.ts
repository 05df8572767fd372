// What an answer is held to, in the terms of the grammar: a family's texts around calls (tool-formats.ts) and thoughts, with
// the control tokens that its vocabulary has for them. Which texts these are is data; what a grammar does is decode/grammar.

import type { FramePart } from "../decode/grammar/forms.ts";
import type { ThoughtsSpec } from "../decode/grammar/free-text.ts";
import { orderedText } from "../decode/grammar/json-text.ts";
import type { Notation } from "../decode/grammar/notation.ts";
import type { ToolsSpec } from "../decode/grammar/tools.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { ThinkTags } from "./chat-format.ts";
import { parametersOf, type Tool } from "./chat-message.ts";
import type { ArgumentNotation, ToolFormat } from "./tool-formats.ts";

/** Which calls an answer may or must have. */
export interface ToolChoice {
  readonly tools: readonly Tool[];
  /** "none": no call; "auto": none or some; "required": at least one; a name: calls of that tool. */
  readonly choice: ToolsSpec["choice"];
  /** Whether there may be several, where the format has room for them; a named tool is called once. */
  readonly parallel: boolean;
  /** With "auto": the JSON that an answer is which calls no tool; absent: any text. */
  readonly otherwise?: ToolsSpec["otherwise"];
}

/**
 * The grammar of answers that may call tools; a tool without parameters takes an empty object, one that is not strict the
 * nearest to its parameters that can be held to.
 */
export function toolGrammar(
  format: ToolFormat,
  tokenizer: Tokenizer,
  { tools, choice, parallel, otherwise }: ToolChoice,
): ToolsSpec {
  const frame = (text: string) => partsOf(text, tokenizer, format.openers);
  const { callBegin, nameEnd, callEnd, separator, end, openers, bareBeginnings, notation, afterArguments } = format;
  // Beside a JSON answer a call begins with its mark, if there is one: nothing else tells them apart.
  const marked = otherwise && !isMarked(format) && openers.length > 0;
  const begin = marked ? openers[0] + format.begin : format.begin;
  return {
    kind: "tools",
    tools: tools.map((tool) => ({
      name: tool.function.name,
      parametersText: orderedText(parametersOf(tool)), // text crosses into a worker with its keys in order
      nearest: tool.function.strict !== true,
    })),
    choice,
    parallel: parallel && format.parallel,
    ...(otherwise && { otherwise }),
    frame: {
      begin: frame(begin),
      before: frame(callBegin),
      between: frame(nameEnd),
      after: frame(callEnd),
      ...(afterArguments === undefined ? {} : { optional: frame(afterArguments) }),
      separator: frame(separator),
      end: frame(end),
      ...(notation && { notation: notationOf(notation, frame) }),
    },
    opening: {
      place: isMarked(format) ? "anywhere" : "first",
      beginnings: marked ? [] : bareBeginnings,
      reserved: openers,
    },
  };
}

/** Whether a call begins with one of the format's openers. */
function isMarked({ begin, callBegin, openers }: ToolFormat): boolean {
  return openers.some((text) => (begin + callBegin).startsWith(text));
}

function notationOf(notation: ArgumentNotation, frame: (text: string) => FramePart[]): Notation {
  const { strings, literals, nested, sorted = false, keyEnd } = notation;
  const marks = typeof strings === "object" ? strings : { open: "", close: "" };
  return {
    open: frame(notation.open),
    close: frame(notation.close),
    keyBegin: frame(notation.keyBegin),
    keyEnd: { string: frame(keyEnd.string), other: frame(keyEnd.other) },
    valueEnd: frame(notation.valueEnd),
    separator: frame(notation.separator),
    strings: typeof strings === "object" ? "marked" : strings,
    stringOpen: frame(marks.open),
    stringClose: frame(marks.close),
    ...{ literals, nested, sorted },
  };
}

/** The thoughts that may come before an answer; `begun`: the prompt has opened them. */
export function thoughtsGrammar({ open, close }: ThinkTags, tokenizer: Tokenizer, begun: boolean): ThoughtsSpec {
  const tag = (text: string) => partsOf(text, tokenizer, []);
  return begun ? { close: tag(close) } : { open: tag(open), close: tag(close) };
}

/** Text cut at control tokens of the vocabulary, behind openers, and at holes. */
function partsOf(text: string, tokenizer: Tokenizer, openers: readonly string[]): FramePart[] {
  const hole = /\{(index|id)\}/.exec(text);
  if (hole) {
    const [before, after] = [text.slice(0, hole.index), text.slice(hole.index + hole[0].length)];
    const own = { hole: hole[1] as "index" | "id" };
    return [...partsOf(before, tokenizer, openers), own, ...partsOf(after, tokenizer, openers)];
  }
  const tokens = tokenizer.addedTokens
    .filter(({ content, control, special }) => content !== "" && text.includes(content) && (control || special))
    .map(({ content }) => content);
  const ends = openers.filter((opener) => text.includes(opener) && !tokens.some((token) => opener.includes(token)));
  const marks = [...tokens, ...ends].sort((a, b) => b.length - a.length);
  for (const mark of marks) {
    const at = text.indexOf(mark);
    const id = controlId(mark, tokenizer);
    const [before, after] = [text.slice(0, at), text.slice(at + mark.length)];
    return [
      ...partsOf(before, tokenizer, openers),
      id === undefined ? { text: mark } : { token: id, spelled: mark },
      ...partsOf(after, tokenizer, openers),
    ];
  }
  return text === "" ? [] : [{ text }];
}

function controlId(text: string, tokenizer: Tokenizer): number | undefined {
  return tokenizer.addedTokens.find((token) => token.content === text && (token.control || token.special))?.id;
}
