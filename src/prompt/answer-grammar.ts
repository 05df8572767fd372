// What an answer is held to, in the terms of the grammar: a family's texts around calls (tool-formats.ts) and thoughts, with
// the control tokens that its vocabulary has for them. Which texts these are is data; what a grammar does is decode/grammar.

import type { FramePart } from "../decode/grammar/forms.ts";
import type { ThoughtsSpec } from "../decode/grammar/free-text.ts";
import type { ToolsSpec } from "../decode/grammar/tools.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { ThinkTags } from "./chat-format.ts";
import type { Tool } from "./chat-message.ts";
import type { ToolFormat } from "./tool-formats.ts";

/** Which calls an answer may or must have. */
export interface ToolChoice {
  readonly tools: readonly Tool[];
  /** "none": no call; "auto": none or some; "required": at least one; a name: calls of that tool. */
  readonly choice: ToolsSpec["choice"];
  /** Whether there may be several, where the format has room for them. */
  readonly parallel: boolean;
}

/** The grammar of answers that may call tools; a tool without parameters takes an empty object. */
export function toolGrammar(
  format: ToolFormat,
  tokenizer: Tokenizer,
  { tools, choice, parallel }: ToolChoice,
): ToolsSpec {
  const frame = (text: string) => partsOf(text, tokenizer, format.openers);
  const { begin, callBegin, nameEnd, callEnd, separator, end, openers, bareBeginnings } = format;
  const opener = openers.find((text) => (begin + callBegin).startsWith(text));
  return {
    kind: "tools",
    tools: tools.map(({ function: { name, parameters } }) => ({
      name,
      parameters: parameters ?? { type: "object", properties: {}, additionalProperties: false },
    })),
    choice,
    parallel: parallel && format.parallel,
    frame: {
      begin: frame(begin),
      before: frame(callBegin),
      between: frame(nameEnd),
      after: frame(callEnd),
      separator: frame(separator),
      end: frame(end),
    },
    opening: {
      place: opener === undefined ? "first" : "anywhere",
      beginnings: bareBeginnings,
      reserved: openers,
    },
  };
}

/** The thoughts that may come before an answer; `begun`: the prompt has opened them. */
export function thoughtsGrammar({ open, close }: ThinkTags, tokenizer: Tokenizer, begun: boolean): ThoughtsSpec {
  const tag = (text: string) => partsOf(text, tokenizer, []);
  return begun ? { close: tag(close) } : { open: tag(open), close: tag(close) };
}

/** Text cut at control tokens of the vocabulary, and behind openers. */
function partsOf(text: string, tokenizer: Tokenizer, openers: readonly string[]): FramePart[] {
  const marks = [...tokenizer.addedTokens.map(({ content }) => content), ...openers]
    .filter(
      (mark) =>
        mark !== "" && text.includes(mark) && (controlId(mark, tokenizer) !== undefined || openers.includes(mark)),
    )
    .sort((a, b) => b.length - a.length);
  for (const mark of marks) {
    const at = text.indexOf(mark);
    const id = controlId(mark, tokenizer);
    const [before, after] = [text.slice(0, at), text.slice(at + mark.length)];
    return [
      ...partsOf(before, tokenizer, openers),
      id === undefined ? { text: mark } : { token: id },
      ...partsOf(after, tokenizer, openers),
    ];
  }
  return text === "" ? [] : [{ text }];
}

function controlId(text: string, tokenizer: Tokenizer): number | undefined {
  return tokenizer.addedTokens.find((token) => token.content === text && (token.control || token.special))?.id;
}
