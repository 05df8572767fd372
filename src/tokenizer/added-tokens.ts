// Added tokens: texts that are found in the input before anything else happens to it, special (control) tokens among
// them. Not what the post-processor adds. Source: huggingface/tokenizers src/tokenizer/added_vocabulary.rs.

import { countOf, fieldError, fieldsOf, flagOf, listOf, stringOf } from "./fields.ts";
import type { Normalizer } from "./normalizer.ts";
import { literal } from "./regex.ts";

/** One entry of tokenizer.json's `added_tokens`. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Decoding may skip it. */
  readonly special: boolean;
  /**
   * User text never becomes one unless the caller says so: it is special, or written in angle brackets. DeepSeek's
   * <｜User｜> and tool tokens and Qwen's <think> and <tool_call> are not marked special, and steer a model all the same.
   */
  readonly control: boolean;
  /** Takes the white space to its left, or right, with it. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Is not found inside a word. */
  readonly singleWord: boolean;
  /** Is looked for in normalized text, itself normalized. */
  readonly normalized: boolean;
}

/** A stretch of text without added tokens, and where it starts in the text that was searched. */
export interface Stretch {
  readonly text: string;
  readonly start: number;
}

/** Cuts text at added tokens: a number is the id of a token that was found. */
export type AddedTokenFinder = (text: string, mayBeControl: MayBeControl) => (Stretch | number)[];

/** Whether a control token may be taken from the characters [start, stop) of a text. */
export type MayBeControl = (start: number, stop: number) => boolean;

/** The `added_tokens` of tokenizer.json; throws an Error that names the field if one is malformed or misnumbered. */
export function readAddedTokens(value: unknown, vocabulary: ReadonlyMap<string, number>): AddedToken[] {
  return listOf(value ?? [], "added_tokens").map((entry, i) => {
    const where = `added_tokens[${i}]`;
    const fields = fieldsOf(entry, where);
    const special = flagOf(fields.special, `${where}.special`, false);
    const id = countOf(fields.id, `${where}.id`);
    const content = stringOf(fields.content, `${where}.content`);
    const known = vocabulary.get(content) ?? id;
    if (id !== known) throw fieldError(`${where}.id`, id, `${known}, the id of ${content} in model.vocab`);
    return {
      id,
      content,
      special,
      control: special || /^<.*>$/s.test(content),
      lstrip: flagOf(fields.lstrip, `${where}.lstrip`, false),
      rstrip: flagOf(fields.rstrip, `${where}.rstrip`, false),
      singleWord: flagOf(fields.single_word, `${where}.single_word`, false),
      normalized: flagOf(fields.normalized, `${where}.normalized`, !special),
    };
  });
}

/** A finder of the given tokens, the leftmost match first and the longest of those; `textOf` is the text to look for. */
export function createFinder(tokens: readonly AddedToken[], textOf: Normalizer): AddedTokenFinder {
  const tokenOfText = new Map(tokens.map((token) => [textOf(token.content), token]));
  tokenOfText.delete("");
  if (tokenOfText.size === 0) return (text) => (text === "" ? [] : [{ text, start: 0 }]);
  const longestFirst = [...tokenOfText.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(longestFirst.map(literal).join("|"), "g");

  return (text, mayBeControl) => {
    const parts: (Stretch | number)[] = [];
    let end = 0;
    pattern.lastIndex = 0;
    for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
      const token = tokenOfText.get(match[0]) as AddedToken;
      let start = match.index;
      let stop = start + match[0].length;
      if (token.control && !mayBeControl(start, stop)) {
        pattern.lastIndex = start + 1; // another may begin inside it
        continue;
      }
      if (token.singleWord && (isWord(charBefore(text, start)) || isWord(charAt(text, stop)))) continue;
      if (token.lstrip) while (start > end && isSpace(text[start - 1])) start--;
      if (token.rstrip) while (stop < text.length && isSpace(text[stop])) stop++;
      if (start > end) parts.push({ text: text.slice(end, start), start: end });
      parts.push(token.id);
      end = stop;
    }
    if (end < text.length) parts.push({ text: text.slice(end), start: end });
    return parts;
  };
}

const isSpace = (char: string) => /\p{White_Space}/u.test(char);
const isWord = (char: string) => /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u.test(char);
const charAt = (text: string, at: number) => String.fromCodePoint(text.codePointAt(at) ?? 0);
const charBefore = (text: string, at: number) => [...text.slice(Math.max(0, at - 2), at)].at(-1) ?? "";
