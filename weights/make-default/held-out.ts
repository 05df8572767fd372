// What the model is measured on. Nothing in this file is used for training: the wordings, the names, the schemes by
// which names are made up, the values of words, the tools' requests and the comments above functions are all others.
// The relations between things, the kinds of tools and what functions do are the same; so is the form of the answer.

import { assistant, type ToolSchema, toolList, user } from "./chat-form.ts";
import { capital, chance, pick, type Random, sample, seeded, shuffled, whole } from "./draw.ts";
import { type FunctionTask, fimPrompt, type Hole, type Names, tasks, written } from "./functions.ts";
import { type Asked, extras, passage, relations, type Subject, type Wording } from "./passages.ts";
import { drawValues, type KnownTool, knownTools, type Values, withValues } from "./tools.ts";

const people =
  "Agatha Boris Cecily Dmitri Edith Fergus Greta Howard Ingrid Jasper Katrin Lorenzo Mabel Norbert Petra Rupert Sigrid Tobias Wanda Yusuf".split(
    " ",
  );
const townsOfTheWorld =
  "Geneva Lagos Seville Bergen Porto Havana Nairobi Denver Kyoto Quito Riga Tunis Warsaw Zagreb".split(" ");

/** Made-up names by another scheme than training's: pairs of a consonant and a vowel, and endings of their own. */
function madeUp(random: Random): string {
  const pair = () => pick(random, [..."bcdfgklmnprstvz"]) + pick(random, [..."aeiou"]);
  return capital(
    Array.from({ length: whole(random, 2, 3) }, pair).join("") +
      pick(random, ["", "", "via", "mond", "sen", "grad", "dor"]),
  );
}

const things = ["wallet", "bucket", "sled", "compass", "hammer", "candle", "pillow", "trophy"];
const plurals = ["bananas", "marbles", "tickets", "feathers", "keys", "carrots"];
const shops = ["cinema", "pharmacy", "zoo", "gallery", "market", "church"];
const values: Record<string, readonly string[]> = {
  job: ["lawyer", "plumber", "butcher", "waiter", "soldier", "barber", "hunter", "mason"],
  food: ["rice", "noodles", "fried fish", "lentils", "tomato salad", "roast beef", "mushrooms"],
  known: ["rice", "noodles", "fried fish", "lentils", "tomato salad", "roast beef", "mushrooms"],
  drink: ["wine", "mint tea", "orange juice", "soda", "beer"],
  pet: ["parrot", "turtle", "horse", "hamster", "lizard", "pony", "camel"],
  about: ["parrot", "turtle", "horse", "hamster", "lizard", "pony", "camel"],
  color: ["violet", "beige", "turquoise", "crimson", "teal", "ivory"],
  owns: ["violet", "beige", "turquoise", "crimson", "teal", "ivory"],
  paint: ["violet", "beige", "turquoise", "crimson", "teal", "ivory"],
  instrument: ["oboe", "organ", "banjo", "clarinet", "accordion"],
  sport: ["fencing", "sailing", "skiing", "baseball", "judo"],
  bridge: ["steel", "marble", "bamboo", "concrete"],
  keeps: ["under the sofa", "behind the church", "in the cellar", "near the harbor", "at the hotel", "in the drawer"],
};
const named = new Set(
  "home employer petName language teacher sister friend mayor river owner maker author founder seat boss capital longest highest king".split(
    " ",
  ),
);

const places = new Set(["home", "seat", "capital"]);

/** Facts and questions in words that training never uses for them; relations that are not here are not asked. */
// biome-ignore format: one relation, one line
const wordings: Record<string, { facts: string[]; questions: string[] }> = {
  home: { facts: ["{n} has been living in {v} for a while.", "You will find {n}'s house in {v}."], questions: ["What town does {n} call home?", "Do you know where {n} lives?"] },
  age: { facts: ["This year {n} is {v} years old.", "{n} is now {v} years of age."], questions: ["Can you tell me how old {n} is?", "How many years has {n} lived?"] },
  job: { facts: ["{n} has always worked as a {v}.", "By trade {n} is a {v}."], questions: ["What kind of work does {n} do?", "What is it that {n} works as?"] },
  employer: { facts: ["{n} has worked for {v} for many years.", "{n} found work at {v}."], questions: ["For which company does {n} work?", "What is the name of {n}'s company?"] },
  food: { facts: ["{n} could eat {v} all day.", "Nothing tastes better to {n} than {v}."], questions: ["What would {n} like to eat?", "Which food is {n}'s favorite?"] },
  drink: { facts: ["When thirsty, {n} drinks {v}.", "{n} would always drink {v}."], questions: ["What would {n} like to drink?", "Which drink is {n}'s favorite?"] },
  pet: { facts: ["At home {n} has a {v}.", "{n}'s pet is a {v}."], questions: ["Which animal does {n} have as a pet?", "What kind of animal is {n}'s pet?"] },
  petName: { facts: ["{n} calls the pet {v}.", "{n}'s pet answers to the name {v}."], questions: ["What name does {n}'s pet have?", "Which name did {n} give the pet?"] },
  color: { facts: ["Of all colors {n} likes {v} most.", "{n} would paint everything {v}."], questions: ["What color does {n} like most?", "Which color is {n}'s favorite?"] },
  born: { facts: ["{n}'s year of birth is {v}.", "It was in {v} that {n} was born."], questions: ["What year was {n} born in?", "What is {n}'s year of birth?"] },
  birthday: { facts: ["Every year on {v}, {n} has a birthday.", "{n}'s friends bring presents on {v}, {n}'s birthday."], questions: ["What day is {n}'s birthday?", "On which date was {n}'s birthday?"] },
  instrument: { facts: ["{n} can play the {v} very well.", "{n} plays the {v} in a band."], questions: ["Which instrument can {n} play?", "What instrument has {n} learned?"] },
  sport: { facts: ["Every weekend {n} goes {v}.", "{n} would rather do {v} than any other sport."], questions: ["What is the favorite sport of {n}?", "Which sport does {n} do?"] },
  room: { facts: ["You can find {n} in room {v}.", "Room {v} is {n}'s room."], questions: ["What number does {n}'s room have?", "In what room do I find {n}?"] },
  phone: { facts: ["The phone number of {n} is {v}.", "To reach {n}, call {v}."], questions: ["Which number do I call to reach {n}?", "What number does {n}'s phone have?"] },
  password: { facts: ["{n} chose {v} as a password.", "The password of {n} is {v}."], questions: ["What password did {n} choose?", "Can you tell me {n}'s password?"] },
  arrival: { facts: ["We expect {n} at {v}.", "At {v}, {n} will arrive."], questions: ["What time does {n} arrive?", "When do we expect {n}?"] },
  day: { facts: ["On {v}, {n} will leave.", "{n} leaves on {v}."], questions: ["What day will {n} leave?", "On what day does {n} leave?"] },
  language: { facts: ["At home {n} speaks {v}.", "{n} grew up speaking {v}."], questions: ["What language can {n} speak?", "Which language does {n} speak?"] },
  teacher: { facts: ["The teacher of {n} is {v}.", "{v} teaches {n}."], questions: ["Who is the teacher of {n}?", "What is {n}'s teacher called?"] },
  sister: { facts: ["{v} is the sister of {n}.", "{n} grew up with a sister, {v}."], questions: ["What name does {n}'s sister have?", "Who is the sister of {n}?"] },
  friend: { facts: ["{v} is the best friend of {n}.", "{n} and {v} are best friends."], questions: ["Who is best friends with {n}?", "What is {n}'s best friend called?"] },
  money: { facts: ["There are {v} coins in {n}'s purse.", "{n} counted {v} coins."], questions: ["How many coins are in {n}'s purse?", "What number of coins does {n} have?"] },
  owns: { facts: ["{n} painted the {t} {v}.", "{n} is the owner of a {v} {t}."], questions: ["What color does {n}'s {t} have?", "In what color is {n}'s {t}?"] },
  keeps: { facts: ["You will find {n}'s {t} {v}.", "{n} always keeps the {t} {v}."], questions: ["Where can I find {n}'s {t}?", "Do you know where {n} keeps the {t}?"] },
  bought: { facts: ["{n} came home with {v} {p}.", "In {n}'s bag there are {v} {p}."], questions: ["What number of {p} does {n} have?", "How many {p} did {n} bring?"] },
  founded: { facts: ["The first houses of {n} were built in {v}.", "It was in {v} that {n} was founded."], questions: ["What year was {n} founded?", "When was {n} built?"] },
  mayor: { facts: ["{v} became mayor of {n}.", "In {n}, the mayor is called {v}."], questions: ["What is the mayor of {n} called?", "Who became mayor of {n}?"] },
  river: { facts: ["The town of {n} lies on the {v}.", "Through {n} flows the {v}."], questions: ["Which river is {n} on?", "What river flows through {n}?"] },
  people: { facts: ["There are {v} people in {n}.", "{n} is a town of {v} people."], questions: ["How many people are there in {n}?", "What number of people lives in {n}?"] },
  known: { facts: ["Everybody knows {n} for its {v}.", "{n} is the town of {v}."], questions: ["What makes {n} famous?", "For what is {n} famous?"] },
  market: { facts: ["Every {v} there is a market in {n}.", "The people of {n} go to the market on {v}."], questions: ["What day does {n} have its market?", "On what day is there a market in {n}?"] },
  owner: { facts: ["In {n}, the {s} belongs to {v}.", "{v} bought the {s} in {n}."], questions: ["Who does the {s} in {n} belong to?", "Who bought the {s} in {n}?"] },
  price: { facts: ["For the {n} they want {v}.", "The {n} is sold for {v}."], questions: ["How much do they want for the {n}?", "How much money is the {n}?"] },
  weight: { facts: ["With {v}, the {n} is quite heavy.", "The {n} has a weight of {v}."], questions: ["What weight does the {n} have?", "Can you tell me how heavy the {n} is?"] },
  maker: { facts: ["The {n} was built by {v}.", "The maker of the {n} is {v}."], questions: ["Who built the {n}?", "What is the name of the maker of the {n}?"] },
  author: { facts: ["\"{n}\" is a book by {v}.", "{v} is the author of \"{n}\"."], questions: ["Who was it that wrote \"{n}\"?", "What is the author of \"{n}\" called?"] },
  published: { facts: ["People could first read \"{n}\" in {v}.", "The year of \"{n}\" is {v}."], questions: ["In which year was \"{n}\" published?", "When did \"{n}\" appear?"] },
  pages: { facts: ["In all, \"{n}\" has {v} pages.", "\"{n}\" fills {v} pages."], questions: ["How many pages are in \"{n}\"?", "What number of pages does \"{n}\" have?"] },
  founder: { facts: ["The company {n} was founded by {v}.", "It was {v} who started {n}."], questions: ["Who was the founder of {n}?", "What is the name of the founder of {n}?"] },
  workers: { facts: ["The company {n} has {v} workers.", "{n} employs {v} people."], questions: ["How many people are working at {n}?", "What number of workers does {n} have?"] },
  seat: { facts: ["{n} works from an office in {v}.", "The company {n} has its office in {v}."], questions: ["In what town is the office of {n}?", "Where can I find the office of {n}?"] },
  capital: { facts: ["In {n}, the capital is {v}.", "The town of {v} is the capital of {n}."], questions: ["Can you tell me the capital of {n}?", "What is the name of the capital of {n}?"] },
  longest: { facts: ["Of all rivers in {n}, the {v} is the longest.", "No river in {n} is longer than the {v}."], questions: ["Which river in {n} is the longest?", "What is {n}'s longest river?"] },
  highest: { facts: ["Of all mountains in {n}, {v} is the highest.", "No mountain in {n} is higher than {v}."], questions: ["Which mountain in {n} is the highest?", "What is {n}'s highest mountain?"] },
  king: { facts: ["{v} is the king of {n}.", "{v} became king of {n}."], questions: ["What is the king of {n} called?", "Who is king in {n}?"] },
};

function subjectName(random: Random, subject: Subject): string {
  if (subject === "person") return chance(random, 0.6) ? pick(random, people) : madeUp(random);
  if (subject === "machine") return `${madeUp(random)} ${pick(random, ["van", "ship", "engine", "wagon", "clock"])}`;
  if (subject === "book")
    return `The ${pick(random, ["Silent", "Hidden", "Last", "Broken"])} ${pick(random, ["Harbor", "Letter", "Winter", "Island", "Crown"])}`;
  return chance(random, 0.3) ? pick(random, townsOfTheWorld) : madeUp(random);
}

/** Wordings, names and values that training never sees. */
const unseen: Wording = {
  relations: relations.filter(({ key, subject }) => key in wordings && !(key === "language" && subject === "land")),
  facts: ({ key }) => wordings[key].facts,
  questions: ({ key }) => wordings[key].questions,
  name: subjectName,
  value: (random, relation) =>
    relation.key in values
      ? pick(random, values[relation.key])
      : named.has(relation.key)
        ? subjectName(random, places.has(relation.key) ? "town" : "person")
        : relation.value(random),
  extras: (random) => ({
    ...extras(random),
    t: pick(random, things),
    p: pick(random, plurals),
    s: pick(random, shops),
  }),
};

/** Something to complete and what is right. */
export interface Case {
  prompt: string;
  right: string;
}

function ask(content: string, system = ""): string {
  return `${system}${user}${content}${assistant}`;
}

/** A passage of 4 to 9 facts and one question about it. */
export function passageCase(random: Random): Case {
  const { text, asked } = passage(random, whole(random, 2, 3), whole(random, 2, 3), unseen);
  const one = pick(random, asked);
  return { prompt: ask(`${text}\n\n${one.question}`), right: one.answer };
}

/** The same, but the wordings of facts and questions are those of training; names and values are not. */
export function familiarPassageCase(random: Random): Case {
  const wording: Wording = {
    ...unseen,
    facts: (relation) => relation.facts,
    questions: (relation) => relation.questions,
  };
  const { text, asked } = passage(random, whole(random, 2, 3), whole(random, 2, 3), wording);
  const one = pick(random, asked);
  return { prompt: ask(`${text}\n\n${one.question}`), right: one.answer };
}

function lone(random: Random): Asked {
  return passage(random, 1, 1, unseen).asked[0];
}

/** The system prompt of DeepSeek's JSON guide. */
export const announced =
  'The user will provide some exam text. Please parse the "question" and "answer" and output them in JSON format. \n\nEXAMPLE INPUT: \nWhich is the highest mountain in the world? Mount Everest.\n\nEXAMPLE JSON OUTPUT:\n{\n    "question": "Which is the highest mountain in the world?",\n    "answer": "Mount Everest"\n}\n';

/** A question and its answer to be turned into JSON; half of the time with the prompt of DeepSeek's announcement. */
export function jsonCase(random: Random): Case {
  const { question, value } = lone(random);
  const answer = capital(value);
  const right = JSON.stringify({ question, answer });
  if (chance(random, 0.5)) return { prompt: ask(`${question} ${answer}.`, announced), right };
  const system = pick(random, [
    'Turn the question and its answer into a JSON object with the keys "question" and "answer".',
    'Write JSON with "question" and "answer".',
  ]);
  return {
    prompt: ask(
      pick(random, [
        `${question} ${answer}.`,
        `The question: ${question}\nThe answer: ${answer}`,
        `${question}\n${answer}`,
      ]),
      system,
    ),
    right,
  };
}

// biome-ignore format: one tool, one line
const requests: Record<string, string[]> = {
  get_weather: ["I would like to know the weather in {city}.", "What will the weather be in {city}?"],
  get_temperature: ["Tell me the temperature in {city}, please.", "What temperature do they have in {city}?"],
  get_time: ["Do you know what time it is in {city}?", "I need the time in {city}."],
  add: ["What do I get if I add {a} and {b}?", "Please add {a} to {b}."],
  multiply: ["What do I get if I multiply {a} by {b}?", "Tell me what {a} times {b} is."],
  send_message: ["Please send {person} this message: {word}", "I want to tell {person}: {word}"],
  find_item: ["I cannot find my {thing}.", "Do you know where the {thing} is?"],
  book_train: ["I want to go from {city} to {city2} by train.", "Please book me a train from {city} to {city2}."],
  set_alarm: ["Please wake me on {day} at {time}.", "I need an alarm on {day} at {time}."],
  convert: ["Please convert {a} {unit} into {unit2}.", "I have {a} {unit}. How many {unit2} is that?"],
  order_food: ["We want {b} portions of {food}.", "Please order {food}, {b} portions."],
  set_light: ["The light in the {place} should be {color}.", "Please make the lamp in the {place} {color}."],
  get_phone_number: ["Which phone number does {person} have?", "I want to call {person}. What is the number?"],
  search: ["Please look for {word}.", "I want to read about {word}."],
  remove_user: ["Please remove {code}.", "User {code} must be deleted."],
  get_user_balance: ["How many dollars does {person} have?", "Tell me the balance of {person}."],
};

/** Tools that training does not know at all. */
const strangers: KnownTool[] = [
  {
    name: "play_song",
    description: "Play a song.",
    parameters: { title: ["string", "word"] },
    requests: ["Play {word}.", "I want to hear the song {word}."],
    result: () => "ok",
    answer: "",
  },
  {
    name: "call_taxi",
    description: "Call a taxi to a place.",
    parameters: { place: ["string", "city"], time: ["string", "time"] },
    requests: ["Call a taxi to {city} at {time}.", "I need a taxi in {city} at {time}."],
    result: () => "ok",
    answer: "",
  },
  {
    name: "rename_file",
    description: "Give a file another name.",
    parameters: { name: ["string", "word"] },
    requests: ["Rename the file to {word}.", "The file should have the name {word}."],
    result: () => "ok",
    answer: "",
  },
  {
    name: "feed_pet",
    description: "Feed a pet.",
    parameters: { name: ["string", "person"] },
    requests: ["Feed {person}.", "{person} is hungry, please feed the pet."],
    result: () => "ok",
    answer: "",
  },
];

function unseenValues(random: Random): Values {
  const values = drawValues(random);
  const place = () => (chance(random, 0.5) ? pick(random, townsOfTheWorld) : madeUp(random));
  return {
    ...values,
    city: place(),
    city2: place(),
    person: chance(random, 0.5) ? pick(random, people) : madeUp(random),
    thing: pick(random, things),
    word: madeUp(random).toLowerCase(),
  };
}

function toolSchema(tool: KnownTool): ToolSchema {
  const properties = Object.fromEntries(Object.entries(tool.parameters).map(([key, [type]]) => [key, { type }]));
  return {
    name: tool.name,
    description: tool.description,
    parameters: { type: "object", properties, required: Object.keys(tool.parameters) },
  };
}

export interface ToolCase {
  prompt: string;
  name: string;
  arguments: Record<string, unknown>;
}

/** Two to five tools and a request for one of them; `strange`: among tools that training does not know. */
export function toolCase(random: Random, strange = false): ToolCase {
  const offered = sample(random, knownTools, whole(random, strange ? 1 : 2, strange ? 3 : 5));
  const tool = strange ? pick(random, strangers) : offered[0];
  const drawn = unseenValues(random);
  const request = withValues(pick(random, strange ? tool.requests : requests[tool.name]), drawn);
  const list = shuffled(random, strange ? [tool, ...offered] : offered);
  const called = Object.fromEntries(Object.entries(tool.parameters).map(([key, [, value]]) => [key, drawn[value]]));
  return { prompt: ask(request, toolList(list.map(toolSchema))), name: tool.name, arguments: called };
}

const parameterNames = {
  a: ["p", "one", "price"],
  b: ["q", "two", "tax"],
  n: ["size", "level", "amount"],
  s: ["title", "label", "phrase"],
  xs: ["scores", "prices", "points"],
  x: ["entry", "element"],
};

function unseenNames(random: Random, { names }: FunctionTask, python: boolean): Names {
  const at = whole(random, 0, 2);
  const base = pick(random, names);
  const f = pick(random, [`get${capital(base)}`, `${base}It`, `calc${capital(base)}`]);
  return {
    f: python ? f.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) : f,
    a: parameterNames.a[at],
    b: parameterNames.b[at],
    n: pick(random, parameterNames.n),
    s: pick(random, parameterNames.s),
    xs: pick(random, parameterNames.xs),
    x: pick(random, parameterNames.x),
    k: String(whole(random, 2, 99)),
  };
}

/**
 * A function of one of training's tasks, with names of its own, and a hole of one to three whole lines of its body, or
 * the end of a line after `return` or `=`. The comment above it says what it does.
 */
export function fimCase(random: Random): Case {
  const one = pick(random, tasks);
  const python = chance(random, 0.5);
  const source = written(one, python ? "py" : "ts", unseenNames(random, one, python), pick(random, one.docs));
  const lines = source.match(/[^\n]*\n/g) ?? [];
  const offset = (row: number) => lines.slice(0, row).join("").length;
  const body = 2; // after the comment and the head
  const last = python ? lines.length - 1 : lines.length - 2;
  let cut: Hole;
  const ends = lines.flatMap((line, row) =>
    row < body ? [] : [...line.matchAll(/return |= /g)].map((match) => offset(row) + match.index + match[0].length),
  );
  if (chance(random, 0.5) && ends.length > 0) {
    const start = pick(random, ends);
    const end = source.indexOf("\n", start);
    cut = { prefix: source.slice(0, start), middle: source.slice(start, end), suffix: source.slice(end) };
  } else {
    const start = whole(random, body, last);
    const end = whole(random, start, Math.min(last, start + 2)) + 1;
    cut = {
      prefix: source.slice(0, offset(start)),
      middle: source.slice(offset(start), offset(end)),
      suffix: source.slice(offset(end)),
    };
  }
  return { prompt: fimPrompt(cut), right: cut.middle };
}

/** The random numbers of a held-out task. */
export function heldOut(task: string): Random {
  return seeded(`held out: ${task}`);
}
