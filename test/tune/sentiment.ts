// A task to tune prompts on that no model here was trained for: small remarks, to be called good or bad. The words that carry
// the feeling and the things of the held-out remarks occur in none of the others.
//
//   tsx test/tune/sentiment.ts train 600 1 > train.jsonl        (train or held-out, how many, seed)

import { fileURLToPath } from "node:url";
import { randomSource } from "../../src/decode/random.ts";

export interface Remark {
  readonly text: string;
  readonly label: "good" | "bad";
}

const words = {
  train: {
    things: ["film", "hotel", "meal", "trip", "game", "room", "soup", "song", "cake", "park"],
    parts: ["music", "food", "view", "price", "ending", "garden", "coffee"],
    good: ["wonderful", "great", "lovely", "perfect", "delicious", "friendly", "amazing", "pleasant"],
    bad: ["terrible", "awful", "boring", "dirty", "broken", "disgusting", "sad", "bad"],
  },
  "held-out": {
    things: ["book", "concert", "show", "dinner", "play", "visit", "restaurant", "boat", "house", "party"],
    parts: ["story", "bed", "service", "kitchen", "staff", "seat", "waiter"],
    good: ["excellent", "beautiful", "fantastic", "brilliant", "charming", "superb", "delightful"],
    bad: ["horrible", "ugly", "rude", "slow", "useless", "dreadful", "disappointing"],
  },
};

/** So many remarks, half of them good; the same for the same seed. */
export function remarks(part: "train" | "held-out", n: number, seed: number): Remark[] {
  const random = randomSource(seed);
  const { things, parts, ...feelings } = words[part];
  const one = (list: readonly string[]) => list[Math.floor(random() * list.length)];
  return Array.from({ length: n }, (_, i) => {
    const label = i % 2 === 0 ? "good" : "bad";
    const [thing, detail] = [one(things), one(parts)];
    const word = () => one(feelings[label]);
    const forms = [
      `The ${thing} was ${word()}.`,
      `The ${thing} was ${word()} and the ${detail} was ${word()}.`,
      `We went there last week. The ${detail} was ${word()}.`,
      `Everything about the ${thing} was ${word()}.`,
      `My friend said that the ${detail} of the ${thing} was ${word()}.`,
    ];
    return { text: one(forms), label };
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [part, n, seed] = process.argv.slice(2);
  if (part !== "train" && part !== "held-out") throw new Error(`part: got ${part}, expected train or held-out`);
  for (const remark of remarks(part, Number(n), Number(seed))) console.log(JSON.stringify(remark));
}
