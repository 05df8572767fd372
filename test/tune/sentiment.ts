// A task to tune prompts on that no model here was trained for: small remarks, to be called good or bad. Those of "other-things"
// are about other things; those of "other-sentences" also have another form; those of "held-out" are about other things and
// tell the feeling in words that none of the others has.
//
//   tsx test/tune/sentiment.ts train 600 1 > train.jsonl        (which, how many, seed)

import { fileURLToPath } from "node:url";
import { randomSource } from "../../src/decode/random.ts";

export interface Remark {
  readonly text: string;
  readonly label: "good" | "bad";
}

const feelings = {
  train: {
    good: ["wonderful", "great", "lovely", "perfect", "delicious", "friendly", "amazing", "pleasant"],
    bad: ["terrible", "awful", "boring", "dirty", "broken", "disgusting", "sad", "bad"],
  },
  "held-out": {
    good: ["excellent", "beautiful", "fantastic", "brilliant", "charming", "superb", "delightful"],
    bad: ["horrible", "ugly", "rude", "slow", "useless", "dreadful", "disappointing"],
  },
};
const subjects = {
  train: {
    things: ["film", "hotel", "meal", "trip", "game", "room", "soup", "song", "cake", "park"],
    parts: ["music", "food", "view", "price", "ending", "garden", "coffee"],
  },
  "held-out": {
    things: ["book", "concert", "show", "dinner", "play", "visit", "restaurant", "boat", "house", "party"],
    parts: ["story", "bed", "service", "kitchen", "staff", "seat", "waiter"],
  },
};
const forms = {
  train: [
    "The {thing} was {w}.",
    "The {thing} was {w} and the {part} was {w}.",
    "We went there last week. The {part} was {w}.",
    "Everything about the {thing} was {w}.",
    "My friend said that the {part} of the {thing} was {w}.",
  ],
  other: [
    "What a {w} {thing}!",
    "I thought the {part} was {w}.",
    "It had a {w} {part}, and the {thing} itself was {w} too.",
    "People call this {thing} {w}.",
    "You should know that the {part} is {w}.",
  ],
};
const parts = {
  train: { ...subjects.train, ...feelings.train, forms: forms.train },
  "other-things": { ...subjects["held-out"], ...feelings.train, forms: forms.train },
  "other-sentences": { ...subjects["held-out"], ...feelings.train, forms: forms.other },
  "held-out": { ...subjects["held-out"], ...feelings["held-out"], forms: forms.train },
};
export type Part = keyof typeof parts;

/** So many remarks, half of them good; the same for the same seed. */
export function remarks(part: Part, n: number, seed: number): Remark[] {
  const random = randomSource(seed);
  const { things, parts: details, forms, ...feelings } = parts[part];
  const one = (list: readonly string[]) => list[Math.floor(random() * list.length)];
  return Array.from({ length: n }, (_, i) => {
    const label = i % 2 === 0 ? "good" : "bad";
    const text = one(forms).replace(/\{(\w+)\}/g, (_, key: string) =>
      one(key === "thing" ? things : key === "part" ? details : feelings[label]),
    );
    return { text: text.replace(/\ba (?=[aeiou])/g, "an "), label };
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [part, n, seed] = process.argv.slice(2);
  if (!Object.hasOwn(parts, part))
    throw new Error(`part: got ${part}, expected one of ${Object.keys(parts).join(", ")}`);
  for (const remark of remarks(part as Part, Number(n), Number(seed))) console.log(JSON.stringify(remark));
}
