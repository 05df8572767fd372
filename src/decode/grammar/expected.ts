// What may come at a point, in words: for people whose text was refused there.

import { everyKey, type KeyChoice } from "./key-choice.ts";
import { contentOf, type Frame, mayEnd, type Recognizer } from "./recognizer.ts";

const shownKeys = 5;

/** What the stacks allow next, such as `a digit, "," or "}"`. */
export function expectedAfter(recognizer: Recognizer, frames: readonly Frame[]): string {
  const keys = new Set(frames.flatMap(keysOf));
  const bytes = new Set<number>();
  for (let byte = 0; byte < 256; byte++)
    if (frames.some((frame) => recognizer.step(frame, byte).length > 0)) bytes.add(byte);
  const isInKey = frames.some((frame) => frame.kind === "key");
  const parts = keys.size > 0 ? [`${isInKey ? "the rest of " : ""}the key ${anyOf([...keys])}`] : [];
  if (!isInKey) {
    if (keys.size > 0) bytes.delete(0x22);
    parts.push(...describe(bytes));
  }
  if (frames.some(mayEnd)) parts.push("the end");
  return anyOf(parts);
}

/** The keys that may come at a frame, or that the key it is in may become. */
function keysOf(frame: Frame): string[] {
  const object = frame.kind === "key" ? frame.parent : frame;
  if (object.kind !== "object" || (frame.kind === "object" && object.phase === "after")) return [];
  const { properties } = object.form;
  const choice: KeyChoice = everyKey(object.form, object.used);
  const begun = frame.kind === "key" && frame.text ? begunKey(frame) : "";
  const left = properties.filter((_, index) => (object.taken & (1n << BigInt(index))) === 0n);
  const names = left.map(({ name }) => name).filter((name) => name.startsWith(begun));
  const shown = names.slice(0, shownKeys).map((name) => JSON.stringify(name));
  if (names.length > shownKeys) shown.push(`${names.length - shownKeys} more`);
  return choice.extras ? [...shown, "another one"] : shown;
}

function begunKey(frame: Extract<Frame, { kind: "key" }>): string {
  try {
    return contentOf(frame.text);
  } catch {
    return ""; // in the middle of an escape
  }
}

function describe(bytes: Set<number>): string[] {
  const parts: string[] = [];
  const take = (what: string, from: number, to: number, least = to - from + 1) => {
    const found = [...bytes].filter((byte) => byte >= from && byte <= to);
    if (found.length < least) return;
    for (const byte of found) bytes.delete(byte);
    parts.push(what);
  };
  if (bytes.has(0x20) && bytes.has(0x41) && bytes.has(0x7a)) {
    const quote = bytes.has(0x22);
    bytes.clear();
    return quote ? ["text", "'\"'"] : ["text"];
  }
  take("a digit", 0x30, 0x39);
  take("a letter", 0x61, 0x7a);
  take("a capital letter", 0x41, 0x5a);
  take("a character that is not ASCII", 0x80, 0xff, 1);
  const isSpace = (byte: number) => byte <= 0x20;
  const shown = (byte: number) => (byte === 0x22 ? "'\"'" : `"${String.fromCharCode(byte)}"`);
  parts.push(...[...bytes].filter((byte) => !isSpace(byte)).map(shown));
  if ([...bytes].some(isSpace)) parts.push("white space");
  return parts;
}

function anyOf(parts: readonly string[]): string {
  if (parts.length <= 1) return parts[0] ?? "nothing";
  return `${parts.slice(0, -1).join(", ")} or ${parts[parts.length - 1]}`;
}
