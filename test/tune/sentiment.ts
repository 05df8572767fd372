// A task to tune prompts on that no model here was trained for: small remarks, each good or bad. The words that carry the
// feeling, the things and the names of the held-out remarks occur in none of the others.
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
    names: ["Tom", "Lily", "Sam", "Anna", "Max", "Mia", "Jack", "Sue"],
    things: ["cake", "park", "game", "song", "book", "toy", "soup", "trip", "garden", "story"],
    good: {
      is: ["great", "nice", "fun", "lovely", "very good", "so pretty", "the best", "perfect", "sweet", "special"],
      does: ["smiled", "was happy", "laughed", "felt proud", "said thank you", "clapped", "loved it", "felt safe"],
    },
    bad: {
      is: ["bad", "ugly", "boring", "broken", "very mean", "so scary", "the worst", "dirty", "too cold", "rotten"],
      does: ["cried", "was sad", "was angry", "felt sick", "ran away", "was afraid", "hated it", "felt hurt"],
    },
  },
  "held-out": {
    names: ["Ben", "Lucy", "Tim", "Sara", "Bob", "Emma", "Leo", "Amy"],
    things: ["party", "movie", "house", "picture", "dinner", "hat", "beach", "dance", "boat", "gift"],
    good: {
      is: ["wonderful", "amazing", "beautiful", "yummy", "really cool", "delicious", "fantastic", "so much better"],
      does: ["cheered", "was excited", "giggled", "was glad", "hugged everyone", "was grateful", "enjoyed it"],
    },
    bad: {
      is: ["awful", "terrible", "horrible", "nasty", "really wrong", "dangerous", "ruined", "so much worse"],
      does: ["screamed", "was upset", "frowned", "was scared", "shouted at everyone", "was mad", "was disappointed"],
    },
  },
};

/** So many remarks, half of them good; the same for the same seed. */
export function remarks(part: "train" | "held-out", n: number, seed: number): Remark[] {
  const random = randomSource(seed);
  const { names, things, ...feelings } = words[part];
  const one = (list: readonly string[]) => list[Math.floor(random() * list.length)];
  return Array.from({ length: n }, (_, i) => {
    const label = i % 2 === 0 ? "good" : "bad";
    const { is, does } = feelings[label];
    const [name, thing] = [one(names), one(things)];
    const forms = [
      `${name} saw the ${thing}. It was ${one(is)}.`,
      `The ${thing} was ${one(is)}. ${name} ${one(does)}.`,
      `${name} went home after the ${thing} and ${one(does)}.`,
      `"This ${thing} is ${one(is)}," said ${name}. Then ${name} ${one(does)}.`,
    ];
    return { text: one(forms), label };
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [part, n, seed] = process.argv.slice(2);
  if (part !== "train" && part !== "held-out") throw new Error(`part: got ${part}, expected train or held-out`);
  for (const remark of remarks(part, Number(n), Number(seed))) console.log(JSON.stringify(remark));
}
