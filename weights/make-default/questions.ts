// Conversations about passages, and text turned into JSON. All of it is copying: what is asked for stands in the text.

import { assistant, endOfSentence, json, turn, user } from "./chat-form.ts";
import { chance, code, invented, inventedName, pick, type Random, sample, shuffled, weighted, whole } from "./draw.ts";
import { type Asked, loneFact, type Passage, passage, type Wording } from "./passages.ts";
import { colors } from "./stories.ts";

const asIs = [
  "{}",
  "{}",
  "{}",
  "Question: {}",
  "Tell me: {}",
  "Please tell me: {}",
  "My question is: {}",
  "{} Please answer.",
  "Now answer this: {}",
];
const frames = [
  "{p}\n\n{q}",
  "{p}\n\n{q}",
  "{p} {q}",
  "{p}\n{q}",
  "Read this and answer the question.\n\n{p}\n\n{q}",
  "Text: {p}\n{q}",
  "Here is a text.\n\n{p}\n\n{q}",
  "{q}\n\n{p}",
  "Passage:\n{p}\n\n{q}",
];
const briefly = [
  "Answer in as few words as possible.",
  "Answer briefly.",
  "Give short answers.",
  "Answer with a few words only.",
];
const systems = [
  "",
  "",
  "",
  "You are a helpful assistant.",
  "Answer the questions about the text.",
  "Answer from the text.",
];

/** How a question is put, how passage `{p}` and question `{q}` make a message, and what the system prompt says. */
export interface Manner {
  put(random: Random, question: string): string;
  messages: readonly string[];
  systems: readonly string[];
}

const plainly: Manner = {
  put: (random, question) => pick(random, asIs).replace("{}", () => question),
  messages: frames,
  systems,
};

/** A passage in a first message, then one question after the other. */
function passageTurns(
  random: Random,
  { text }: Passage,
  asked: readonly Asked[],
  short: boolean,
  manner: Manner,
): string {
  const worded = asked.map(({ question }) => manner.put(random, question));
  const first = pick(random, manner.messages)
    .replace("{p}", () => text)
    .replace("{q}", () => worded[0]);
  return asked.map((one, i) => turn(i === 0 ? first : worded[i], short ? one.value : one.answer)).join("");
}

/** How long passages are: subjects and facts about each. */
export interface Size {
  subjects: readonly [number, number];
  facts: readonly [number, number];
}

/** Questions about a passage, several to a passage. */
export function passageChat(
  random: Random,
  { subjects, facts }: Size,
  wording?: Wording,
  manner: Manner = plainly,
): string {
  const one = passage(random, whole(random, ...subjects), whole(random, ...facts), wording);
  const asked = sample(random, one.asked, whole(random, Math.min(2, one.asked.length), Math.min(8, one.asked.length)));
  const short = chance(random, 0.25);
  const system = short ? pick(random, briefly) : pick(random, manner.systems);
  return system + passageTurns(random, one, asked, short, manner);
}

const oneFact = [
  "Write the question and the answer as JSON.",
  'Answer with a JSON object that has the keys "question" and "answer".',
  'The user gives a question and its answer. Turn them into JSON with the keys "question" and "answer".',
];
const world: readonly [string, string][] = [
  ["Which is the highest mountain in the world?", "Mount Everest"],
  ["Which is the longest river in the world?", "The Nile River"],
  ["What is the largest ocean?", "The Pacific"],
  ["What is the capital of France?", "Paris"],
  ["What is the capital of Japan?", "Tokyo"],
  ["How many days are in a week?", "Seven"],
  ["How many legs does a spider have?", "Eight"],
];

/** A question that anybody could ask and its answer: sometimes a few words, sometimes a sentence. */
function questionAndAnswer(random: Random, fact: (random: Random) => Asked): [string, string] {
  if (chance(random, 0.1)) return pick(random, world);
  if (chance(random, 0.1)) {
    const [a, b] = [whole(random, 1, 99), whole(random, 1, 99)];
    return [`What is ${a} plus ${b}?`, String(a + b)];
  }
  const { question, answer, value } = fact(random);
  return [question, chance(random, 0.85) ? value.charAt(0).toUpperCase() + value.slice(1) : answer];
}

/** Ways to write a question with its answer. */
const pairs = [
  "{q} {a}.",
  "{q} {a}",
  "Question: {q}\nAnswer: {a}",
  "{q} The answer is: {a}.",
  "{q}\n{a}",
  "Q: {q} A: {a}",
  '"{q}" - "{a}"',
];

function written(random: Random, [question, answer]: [string, string], ways = pairs): string {
  const way = pick(random, answer.endsWith(".") ? ways.filter((text) => !text.endsWith(".")) : ways);
  return way.replace("{q}", () => question).replace("{a}", () => answer);
}

/** The announcement's system prompt: what to do, with an example. */
function withExample(random: Random, fact: (random: Random) => Asked): { system: string; indent: number | undefined } {
  const [question, answer] = chance(random, 0.5) ? world[0] : questionAndAnswer(random, fact);
  const indent = pick(random, [4, 4, 2, undefined]);
  const task = pick(random, [
    'The user will provide some exam text. Please parse the "question" and "answer" and output them in JSON format. ',
    'Please parse the "question" and "answer" and output them in JSON format.',
    "Read the question and the answer and write them as JSON.",
  ]);
  const example = pick(random, [
    "EXAMPLE INPUT: \n{i}\n\nEXAMPLE JSON OUTPUT:\n{o}",
    "Example input: {i}\nExample output: {o}",
  ]);
  return {
    system: `${task}\n\n${example.replace("{i}", () => `${question} ${answer.replace(/\.$/, "")}.`).replace("{o}", () => json({ question, answer }, indent))}\n`,
    indent,
  };
}

/** Questions and answers turned into JSON, one to a message or several as an array. */
export function questionJson(random: Random, fact = loneFact): string {
  const example = chance(random, 0.5) ? withExample(random, fact) : null;
  const indent = example === null ? pick(random, [undefined, 4]) : example.indent;
  let text = example?.system ?? pick(random, oneFact);
  if (example === null && chance(random, 0.25)) {
    const list = Array.from({ length: whole(random, 2, 3) }, () => questionAndAnswer(random, fact));
    const body = list.map(([question, answer]) => ({ question, answer }));
    text = pick(random, [
      "Write all questions and answers as a JSON array.",
      'Turn every question and answer into JSON: an array of objects with "question" and "answer".',
    ]);
    const way = [pick(random, pairs.slice(1))];
    return (
      text +
      turn(list.map((pair) => written(random, pair, pair[1].endsWith(".") ? ["{q} {a}"] : way)).join("\n"), json(body))
    );
  }
  for (let turns = whole(random, 1, 3); turns > 0; turns--) {
    const [question, answer] = questionAndAnswer(random, fact);
    text += turn(written(random, [question, answer]), json({ question, answer }, indent));
  }
  return text;
}

const fieldNames: Record<string, string[]> = {
  home: ["city", "home", "town"],
  age: ["age"],
  job: ["job", "occupation"],
  employer: ["employer", "company"],
  food: ["food", "favorite_food"],
  color: ["color", "favorite_color"],
  born: ["born", "birth_year"],
  room: ["room"],
  phone: ["phone"],
  password: ["password"],
  arrival: ["arrival", "time"],
  day: ["day"],
  language: ["language"],
  pet: ["pet"],
  instrument: ["instrument"],
  money: ["coins"],
  founded: ["founded", "year"],
  mayor: ["mayor"],
  people: ["population", "people"],
  price: ["price"],
  weight: ["weight"],
  maker: ["maker"],
  author: ["author"],
  published: ["year", "published"],
  pages: ["pages"],
  founder: ["founder"],
  started: ["started"],
  workers: ["workers"],
  seat: ["office"],
  capital: ["capital"],
  king: ["king"],
};

/** The value as JSON: numbers as numbers. */
function jsonValue(value: string): string | number {
  return /^[1-9]\d*$/.test(value) ? Number(value) : value;
}

/** Facts about one subject turned into a JSON object with the keys that were asked for. */
export function recordJson(random: Random): string {
  const { text, asked } = passage(random, pick(random, [1, 1, 2]), whole(random, 2, 4));
  const subject = asked[0].words.n;
  const fields = asked
    .filter(({ relation, words }) => words.n === subject && relation.key in fieldNames)
    .map((one) => ({ key: pick(random, fieldNames[one.relation.key]), value: jsonValue(one.value) }));
  if (fields.length === 0) return questionJson(random);
  const chosen = [
    { key: "name", value: subject as string | number },
    ...sample(random, fields, whole(random, 1, fields.length)),
  ];
  const keys = chosen.map(({ key }) => JSON.stringify(key)).join(", ");
  const several = new Set(asked.map(({ words }) => words.n)).size > 1;
  const ask =
    pick(random, [
      "Write a JSON object with the keys {k}",
      "Extract {k} as JSON",
      "Give me JSON with the keys {k}",
      "Fill a JSON object: {k}",
    ]).replace("{k}", () => keys) + (several ? ` for ${subject}.` : ".");
  const body = json(
    Object.fromEntries(chosen.map(({ key, value }) => [key, value])),
    pick(random, [undefined, undefined, 2, 4]),
  );
  return chance(random, 0.5)
    ? ask + turn(text, body)
    : turn(chance(random, 0.5) ? `${ask}\n\n${text}` : `${text}\n\n${ask}`, body);
}

/** A list of names and values, and questions for single ones: copying at its plainest. */
export function lookup(random: Random): string {
  const value = weighted(random, [
    [inventedName, 3],
    [code, 1],
    [(r: Random) => String(whole(r, 0, 9999)), 2],
    [(r: Random) => pick(r, colors), 1],
    [(r: Random) => invented(r), 2],
  ] as const);
  const name = pick(random, [inventedName, inventedName, (r: Random) => invented(r, 2)]);
  const names = new Set<string>();
  for (let size = whole(random, 2, 9); names.size < size; ) names.add(name(random));
  const entries = [...names].map((key) => [key, value(random)] as const);
  const [line, ask] = pick(random, [
    ["{k}: {v}", "{k}"],
    ["{k} is {v}.", "What is {k}?"],
    ["{k} = {v}", "{k} ="],
    ["- {k}: {v}", "What is the value of {k}?"],
    ["{k} has {v}.", "What does {k} have?"],
  ]);
  const list = entries.map(([key, v]) => line.replace("{k}", () => key).replace("{v}", () => v)).join("\n");
  const asked = sample(random, entries, whole(random, 1, entries.length));
  return asked.map(([key, v], i) => turn((i === 0 ? `${list}\n\n` : "") + ask.replace("{k}", () => key), v)).join("");
}

/** Something to be repeated word for word, or a list in order. */
export function repeat(random: Random): string {
  const words = Array.from({ length: whole(random, 1, 8) }, () =>
    pick(random, [inventedName, (r: Random) => invented(r), code, (r: Random) => String(whole(r, 0, 9999))])(random),
  );
  const text = words.join(pick(random, [" ", ", ", "\n"]));
  return `${user}${pick(random, ["Repeat: {}", "Say this again: {}", "Copy the text.\n\n{}", "{}\n\nRepeat this."]).replace("{}", () => text)}${assistant}${text}${endOfSentence}`;
}

/** Several passages' worth of short questions in random order, the passage being a table. */
export function tableChat(random: Random): string {
  const { asked } = passage(random, whole(random, 2, 4), 2);
  const rows = asked.map(({ words, relation, value }) => `${words.n} | ${relation.key} | ${value}`);
  const chosen = shuffled(random, asked).slice(0, whole(random, 1, 4));
  return chosen
    .map(({ words, relation, value }, i) =>
      turn(`${i === 0 ? `${rows.join("\n")}\n\n` : ""}${words.n} | ${relation.key}`, value),
    )
    .join("");
}
