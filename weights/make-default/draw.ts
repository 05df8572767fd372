// Drawing from lists and making up names: what every generator of the corpus builds on.
// The same seed gives the same text on every machine.

import { randomSource } from "../../src/decode/random.ts";

/** Numbers in [0, 1). */
export type Random = () => number;

/** The random numbers that belong to a word, such as "train". */
export function seeded(word: string): Random {
  let hash = 2166136261; // FNV-1a
  for (const byte of new TextEncoder().encode(word)) hash = Math.imul(hash ^ byte, 16777619) >>> 0;
  return randomSource(hash);
}

/** A whole number from `low` to `high`, both included. */
export function whole(random: Random, low: number, high: number): number {
  return low + Math.floor(random() * (high - low + 1));
}

/** One item of a list. */
export function pick<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)];
}

/** True in a share of the cases. */
export function chance(random: Random, share: number): boolean {
  return random() < share;
}

/** `count` different items, in random order. */
export function sample<T>(random: Random, items: readonly T[], count: number): T[] {
  const rest = [...items];
  const drawn: T[] = [];
  while (drawn.length < count) drawn.push(rest.splice(Math.floor(random() * rest.length), 1)[0]);
  return drawn;
}

/** All items in random order. */
export function shuffled<T>(random: Random, items: readonly T[]): T[] {
  return sample(random, items, items.length);
}

/** One of the keys, each as often as its weight says. */
export function weighted<T>(random: Random, choices: readonly (readonly [T, number])[]): T {
  let left = random() * choices.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [choice, weight] of choices) {
    left -= weight;
    if (left < 0) return choice;
  }
  return choices[choices.length - 1][0];
}

/** The text with its first letter as a capital. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** "a kite", "an umbrella". */
export function withArticle(noun: string): string {
  return (/^[aeiou]/.test(noun) ? "an " : "a ") + noun;
}

const heads = "b c d f g h j k l m n p r s t v w z br ch cl dr fl gr kl kr pl pr qu sh sl st th tr".split(" ");
const vowels = "a e i o u a e i o a e ai au ea ee ia ie io oo ou y".split(" ");
const tails = ["", "", "", "", "n", "r", "l", "s", "m", "t", "k", "d", "nd", "rn", "th", "x", "ck", "lt"];

/** A word that exists nowhere, so that it has to be copied and cannot be guessed: one to three syllables, small letters. */
export function invented(
  random: Random,
  syllables: number = weighted(random, [
    [1, 2],
    [2, 7],
    [3, 2],
  ] as const),
): string {
  let word = chance(random, 0.2)
    ? pick(random, ["a", "e", "i", "o", "u", "al", "an", "el", "er", "in", "or", "un"])
    : "";
  for (let i = 0; i < syllables; i++)
    word +=
      pick(random, heads) +
      pick(random, vowels) +
      (i === syllables - 1 || chance(random, 0.25) ? pick(random, tails) : "");
  return word;
}

/** An invented name. */
export function inventedName(random: Random): string {
  return capital(invented(random));
}

/** Letters and digits without sense, such as "k7f-20b". */
export function code(random: Random): string {
  const letters = "abcdefghijklmnopqrstuvwxyz";
  const part = () =>
    Array.from({ length: whole(random, 1, 3) }, () => pick(random, [...letters])).join("") +
    (chance(random, 0.7) ? whole(random, 0, 999) : "");
  const text = chance(random, 0.5) ? part() : part() + pick(random, ["-", "", "_"]) + part();
  return chance(random, 0.3) ? text.toUpperCase() : text;
}
