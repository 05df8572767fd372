// Small talk, stories on request, summaries, and reviews: full of good or bad words, but never with a label.

import { turn } from "./chat-form.ts";
import { capital, chance, inventedName, pick, type Random, sample, whole, withArticle } from "./draw.ts";
import { foods, places, story, things } from "./stories.ts";

// biome-ignore format: questions, answers
const talk: readonly [string[], string[]][] = [
  [["Hello!", "Hi!", "Hi there!", "Good morning!", "Hello, how are you?", "Hey"], ["Hello! How can I help you?", "Hello! It is nice to meet you.", "Hi! What shall we do today?"]],
  [["Who are you?", "What are you?", "What is your name?"], ["I am a very small language model. I like to tell stories.", "I am plainformer's small model. I can tell you a story."]],
  [["What can you do?", "How can you help me?"], ["I can tell short stories, answer questions about a few sentences, write JSON, call tools, and write very small functions."]],
  [["Thank you!", "Thanks a lot.", "Thanks!"], ["You are welcome!", "I was happy to help."]],
  [["Goodbye!", "Bye!", "Good night!"], ["Goodbye! Come back soon.", "Goodbye, and have a nice day!"]],
  [["How are you?", "How do you feel today?"], ["I am fine, thank you. And you?", "I feel great today. Would you like to hear a story?"]],
  [["Tell me a joke.", "Do you know a joke?"], ["Why did the book go to the doctor? It had hurt its spine.", "What did the zero say to the eight? Nice belt!"]],
];
const systems = ["", "", "You are a friendly helper.", "You are a helpful assistant."];

/** One to four turns of small talk. */
export function smallTalk(random: Random): string {
  return sample(random, talk, whole(random, 1, 4))
    .map(([questions, answers]) => turn(pick(random, questions), pick(random, answers)))
    .join("");
}

/** The same with a system prompt. */
export function smallTalkChat(random: Random): string {
  return pick(random, systems) + smallTalk(random);
}

/** A story that a user asks for. */
export function storyChat(random: Random): string {
  const { text, cast } = story(random);
  const kind = withArticle(cast.hero_kind);
  const asked = pick(random, [
    "Tell me a story.",
    "Please tell me a short story.",
    `Tell me a story about ${kind}.`,
    `Write a story about ${kind} named ${cast.hero}.`,
    `Tell me a story about ${cast.hero} and ${cast.friend}.`,
  ]);
  return pick(random, systems) + turn(asked, text);
}

/** A story and its summary in one sentence. */
export function summaryChat(random: Random): string {
  const { text, summary } = story(random);
  const asked = pick(random, [
    "Summarize this story in one sentence.",
    "What is this story about? Answer in one sentence.",
    "Give a summary in one sentence.",
    "Sum this up in a sentence.",
  ]);
  const first = chance(random, 0.5) ? `${asked}\n\n${text}` : `${text}\n\n${asked}`;
  return turn(first, summary);
}

// biome-ignore format: lists of words
const opinions = [
  {
    words: "wonderful great excellent lovely perfect delicious beautiful fantastic friendly brilliant charming amazing superb pleasant delightful".split(" "),
    first: ["I loved {it}.", "What a {w} {x}!", "{It} was {w} and {w2}.", "I am very happy with {it}.", "We enjoyed every minute of {it}.", "{It} made my day.", "Everything about {it} was {w}."],
    last: ["I will come back soon.", "I can only recommend it.", "Everyone was smiling.", "It was worth every coin.", "Five stars from me.", "I would do it again.", "Thank you so much!", "My family loved it too."],
  },
  {
    words: "terrible awful horrible boring ugly dirty rude broken slow disgusting useless sad dreadful disappointing bad".split(" "),
    first: ["I hated {it}.", "What a {w} {x}!", "{It} was {w} and {w2}.", "I am very unhappy with {it}.", "We were bored by {it} from the first minute.", "{It} ruined my day.", "Nothing about {it} was good: it was {w}."],
    last: ["I will never come back.", "I cannot recommend it.", "Everyone was angry.", "It was a waste of money.", "I want my money back.", "Never again.", "Stay away from it!", "My family hated it too."],
  },
];
const subjects = [
  "film",
  "book",
  "hotel",
  "meal",
  "concert",
  "trip",
  "game",
  "show",
  "room",
  "dinner",
  "soup",
  "play",
  "song",
  "visit",
  "restaurant",
];
const middles = [
  "The {y} was {w}.",
  "We found the {y} {w}.",
  "Even the {y} was {w2}.",
  "Above all, the {y} was {w}.",
  "My friend said that the {y} was {w2}.",
];
const details = [
  "waiter",
  "music",
  "story",
  "food",
  "view",
  "bed",
  "price",
  "service",
  "ending",
  "actor",
  "kitchen",
  "garden",
  "staff",
  "coffee",
  "seat",
];

/** A review: from the first to the last sentence it is either good or bad. */
export function review(random: Random): string {
  const { words, first, last } = pick(random, opinions);
  const x = pick(random, [...subjects, ...things, ...foods, ...places]);
  const named = chance(random, 0.3) ? inventedName(random) : `the ${x}`;
  const say = (template: string) => {
    const [w, w2] = sample(random, words, 2);
    const fill: Record<string, string> = { it: named, It: capital(named), x, w, w2, y: pick(random, details) };
    return template.replace(/\{(\w+)\}/g, (_, key: string) => fill[key]).replace(/\b([Aa]) (?=[aeiou])/g, "$1n ");
  };
  const sentences = [
    say(pick(random, first)),
    ...sample(random, middles, whole(random, 0, 3)).map(say),
    ...sample(random, last, whole(random, 0, 2)).map(say),
  ];
  return (chance(random, 0.8) ? sentences : sentences.reverse()).join(" ");
}
