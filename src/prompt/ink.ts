// How text of the program is told from text of others while both go through a template engine as one string: the program's
// is written in ink, one code point of plane 15 for each UTF-16 unit. Not an escape: what is not in ink is nobody's control
// token, whatever it says. Code points of plane 16 are holes, for what a string cannot hold. Both planes are private use.

import { FieldError } from "../field-error.ts";

/** One stretch of a text: in ink (the program's) or not, or a hole with its number. */
export type Stretch = { readonly text: string; readonly inked: boolean } | { readonly hole: number };

const inkStart = 0xf0000;
const holeStart = 0x100000;

/** How many holes there can be. */
export const maxHoles = 0xfffe;

/** The same text in ink. */
export function inked(text: string): string {
  return Array.from({ length: text.length }, (_, i) => String.fromCodePoint(inkStart + text.charCodeAt(i))).join("");
}

/** The character that stands for a hole. */
export function holeCharacter(hole: number): string {
  return String.fromCodePoint(holeStart + hole);
}

/** The text as it reads: ink turned back into what it says; holes stay. */
export function withoutInk(text: string): string {
  return text.replace(/[\u{f0000}-\u{fffff}]/gu, (char) => String.fromCharCode((char.codePointAt(0) ?? 0) - inkStart));
}

/** Cuts a text into stretches with and without ink, and holes. */
export function stretchesOf(text: string): Stretch[] {
  const parts = text.match(/[\u{f0000}-\u{fffff}]+|[\u{100000}-\u{10ffff}]|[^\u{f0000}-\u{10ffff}]+/gu) ?? [];
  return parts.map((part) => {
    const first = part.codePointAt(0) ?? 0;
    if (first >= holeStart) return { hole: first - holeStart };
    return { text: withoutInk(part), inked: first >= inkStart };
  });
}

/** The holes of one prompt: what stands in each, as it was given. */
export interface Holes<T> {
  /** A character in place of something that is not text. @throws FieldError when there are too many. */
  put(content: T): string;
  /** Text of others, made fit to stand beside ink: well-formed, characters of the two planes put into holes. */
  clean(text: string): string;
  /** What stands in a hole: a character of others, or what was put there. */
  get(hole: number): { readonly character: string } | { readonly content: T };
  /** All that was put. */
  contents(): readonly T[];
}

/** No holes yet. */
export function createHoles<T>(): Holes<T> {
  const contents: ({ character: string } | { content: T })[] = [];
  const holeOfCharacter = new Map<string, string>();
  const add = (content: { character: string } | { content: T }) => {
    if (contents.length === maxHoles)
      throw new FieldError("messages", `got more than ${maxHoles} parts and different private-use characters`);
    return holeCharacter(contents.push(content) - 1);
  };
  return {
    put: (content) => add({ content }),
    get: (hole) => contents[hole],
    contents: () => contents.flatMap((filling) => ("content" in filling ? [filling.content] : [])),
    clean(text) {
      return text.replace(/\p{Surrogate}/gu, "\ufffd").replace(/[\u{f0000}-\u{10ffff}]/gu, (character) => {
        const hole = holeOfCharacter.get(character) ?? add({ character });
        holeOfCharacter.set(character, hole);
        return hole;
      });
    },
  };
}
