// What the model is measured on. Nothing in this file is used for training: the wordings, the names, the schemes by
// which names are made up, the requests for tools and the values that are listed here are all others. The relations
// between things, the kinds of tools, what functions do and the comments above them are the same; so is the form of the
// answer. test/weights/held-out.test.ts holds the wordings apart from training's.

import { assistant, type ToolSchema, toolList, user } from "./chat-form.ts";
import { capital, chance, pick, type Random, sample, seeded, shuffled, whole } from "./draw.ts";
import { type FunctionTask, fimPrompt, type Hole, type Names, tasks, written } from "./functions.ts";
import { type Asked, extras, passage, type Relation, relations, type Subject, type Wording } from "./passages.ts";
import { drawValues, type KnownTool, knownTools, type Values, withValues } from "./tools.ts";

const people =
  "Alma Benedict Celeste Damian Estelle Frederick Gwen Hugo Imogen Joaquin Kirsten Leonard Miriam Nadia Otis Phoebe Quentin Renata Stefan Winifred".split(
    " ",
  );
const townsOfTheWorld =
  "Malaga Gdansk Tampere Utrecht Leipzig Bogota Accra Hanoi Perth Dallas Tallinn Ankara Manila Bristol".split(" ");

/** Made-up names by another scheme than training's: double or joined consonants in the middle, endings of their own. */
function madeUp(random: Random): string {
  const vowel = () => pick(random, [..."aeiou"]);
  const middle = pick(random, ["bb", "dd", "ll", "mm", "nn", "rr", "ss", "tt", "ld", "lm", "nd", "rk", "st", "mp"]);
  return capital(
    pick(random, [..."bdfghjklmnprstvw"]) +
      vowel() +
      middle +
      vowel() +
      pick(random, ["na", "by", "ton", "field", "sky", "lund", "wick", "mo"]),
  );
}

const things = ["hourglass", "teapot", "snowglobe", "flashlight", "notebook", "raincoat", "thermos", "monocle"];
const plurals = ["onions", "pencils", "lemons", "postcards", "envelopes", "spoons"];
const shops = ["planetarium", "post office", "laundry", "clinic", "swimming pool", "bookstore"];
const values: Record<string, readonly string[]> = {
  job: ["glazier", "beekeeper", "fisherman", "florist", "janitor", "shoemaker", "tour guide", "surgeon"],
  food: ["pasta", "chicken curry", "baked potatoes", "tacos", "bean stew", "potato salad", "couscous"],
  known: ["pasta", "chicken curry", "baked potatoes", "tacos", "bean stew", "potato salad", "couscous"],
  drink: ["hot chocolate", "green tea", "cider", "tomato juice", "cola"],
  pet: ["canary", "goldfish", "guinea pig", "ferret", "snake", "donkey", "poodle"],
  about: ["canary", "goldfish", "guinea pig", "ferret", "snake", "donkey", "poodle"],
  color: ["maroon", "magenta", "navy blue", "lilac", "scarlet", "olive"],
  owns: ["maroon", "magenta", "navy blue", "lilac", "scarlet", "olive"],
  paint: ["maroon", "magenta", "navy blue", "lilac", "scarlet", "olive"],
  instrument: ["saxophone", "ukulele", "tuba", "mandolin", "harmonica"],
  sport: ["volleyball", "wrestling", "surfing", "badminton", "karate", "table tennis"],
  bridge: ["granite", "timber", "aluminum", "red brick", "bronze"],
  keeps: [
    "in the garage",
    "on the top shelf",
    "under the stairs",
    "behind the piano",
    "in the attic",
    "at the office",
    "next to the stove",
  ],
  makes: ["rubber boots", "straw hats", "plastic chairs", "steel pipes", "leather belts", "silk scarves"],
  coin: ["franc", "peso", "rupee", "dinar", "krona", "silver dollar"],
};
/** Names and values that no text of training holds. */
export const ownWords: readonly string[] = [
  ...people,
  ...townsOfTheWorld,
  ...things,
  ...shops,
  ...Object.values(values).flat(),
];

const named = new Set(
  "home employer petName language teacher sister friend mayor river owner maker author founder seat boss capital longest highest king".split(
    " ",
  ),
);

const places = new Set(["home", "seat", "capital"]);

/** A relation's facts and questions. */
export interface Worded {
  readonly facts: readonly string[];
  readonly questions: readonly string[];
}

/** Facts and questions in words that training never uses for them, by the relation's key, or by subject and key. */
// biome-ignore format: one relation, one line
export const wordings: Readonly<Record<string, Worded>> = {
  home: { facts: ["{n}'s home is in {v}.", "{n} lives in the town of {v}."], questions: ["In which city does {n} live?", "What city does {n} live in?", "Where is {n} living?"] },
  age: { facts: ["{n}'s age is {v}.", "{n} turned {v} this year."], questions: ["What age is {n}?", "How old is {n} now?", "Please tell me {n}'s age."] },
  job: { facts: ["{n} has a job as a {v}.", "{n} works full time as a {v}."], questions: ["What job does {n} have?", "What is {n}'s profession?", "How does {n} make a living?"] },
  employer: { facts: ["{n}'s employer is {v}.", "{n} is an employee of {v}."], questions: ["Who is {n}'s employer?", "What company does {n} work for?", "Which company employs {n}?"] },
  food: { facts: ["{n} likes {v} more than any other food.", "{n} loves eating {v}."], questions: ["What food does {n} like best?", "What does {n} like eating?", "What food does {n} enjoy?"] },
  drink: { facts: ["{n} likes drinking {v}.", "{n} likes {v} more than any other drink."], questions: ["What drink does {n} like best?", "What does {n} usually drink?", "What does {n} like drinking?"] },
  pet: { facts: ["{n} has a {v} as a pet.", "{n} takes care of a pet {v}."], questions: ["What sort of pet does {n} have?", "What animal does {n} keep as a pet?", "What type of animal is {n}'s pet?"] },
  petName: { facts: ["{n} has a pet named {v}.", "{n} gave the pet the name {v}."], questions: ["What is {n}'s pet's name?", "What does {n} call the pet?", "What name did {n} choose for the pet?"] },
  color: { facts: ["{n} likes {v} more than any other color.", "{n} likes the color {v}."], questions: ["What color does {n} like best?", "Which color does {n} like the most?", "What is the favorite color of {n}?"] },
  born: { facts: ["{n} was born in the year {v}.", "{n}'s birth year is {v}."], questions: ["In what year was {n} born?", "Which year was {n} born in?", "What is {n}'s birth year?"] },
  birthday: { facts: ["{n} celebrates a birthday on {v}.", "{n}'s birthday is {v}."], questions: ["What date is {n}'s birthday?", "On what day is {n}'s birthday?", "When does {n} have a birthday?"] },
  instrument: { facts: ["{n} knows how to play the {v}.", "{n} enjoys playing the {v}."], questions: ["What musical instrument does {n} play?", "What instrument can {n} play?", "What instrument does {n} practice?"] },
  sport: { facts: ["{n} likes {v} more than any other sport.", "The sport {n} likes best is {v}."], questions: ["Which sport does {n} like best?", "What sport does {n} like the most?", "What sport does {n} enjoy?"] },
  room: { facts: ["{n} is staying in room {v}.", "{n}'s room number is {v}."], questions: ["What room is {n} in?", "What room is {n} staying in?", "Which room does {n} have?"] },
  phone: { facts: ["You can reach {n} at {v}.", "{n} can be reached by phone at {v}."], questions: ["What number can I reach {n} at?", "What phone number does {n} have?", "How can I reach {n} by phone?"] },
  password: { facts: ["{n} uses {v} as a password.", "{n} set the password to {v}."], questions: ["What password does {n} use?", "Which password does {n} have?", "Could you give me {n}'s password?"] },
  arrival: { facts: ["{n} will arrive at {v}.", "{n} will be here at {v}."], questions: ["What time will {n} arrive?", "What time is {n} arriving?", "When will {n} get here?"] },
  day: { facts: ["{n} is leaving on {v}.", "{n} plans to leave on {v}."], questions: ["What day is {n} leaving?", "On which day will {n} leave?", "When does {n} leave?"] },
  language: { facts: ["{n}'s native language is {v}.", "{n} knows how to speak {v}."], questions: ["What is {n}'s native language?", "What language does {n} know?", "What language is {n} fluent in?"] },
  teacher: { facts: ["{n} has a teacher named {v}.", "The name of {n}'s teacher is {v}."], questions: ["Who is {n} taught by?", "What is {n}'s teacher's name?", "Which teacher does {n} have?"] },
  sister: { facts: ["{n}'s sister is {v}.", "The name of {n}'s sister is {v}."], questions: ["What is {n}'s sister's name?", "What is {n}'s sister named?", "Could you tell me the name of {n}'s sister?"] },
  friend: { facts: ["{n} has a best friend named {v}.", "The name of {n}'s best friend is {v}."], questions: ["Who is {n}'s closest friend?", "What is {n}'s best friend's name?", "What is {n}'s best friend named?"] },
  money: { facts: ["{n} has a total of {v} coins.", "{n} has {v} coins altogether."], questions: ["How many coins has {n} got?", "How many coins does {n} have in total?", "What is the number of coins {n} has?"] },
  owns: { facts: ["{n} has a {t} that is {v}.", "The {t} that {n} owns is {v}."], questions: ["Which color is {n}'s {t}?", "What color is the {t} that {n} has?", "What color is the {t} that {n} owns?"] },
  keeps: { facts: ["{n} stores the {t} {v}.", "The {t} that belongs to {n} is {v}."], questions: ["Where does {n} store the {t}?", "Where is the {t} that belongs to {n}?", "In what place does {n} keep the {t}?"] },
  bought: { facts: ["{n} went to the store and bought {v} {p}.", "{n} picked up {v} {p} at the store."], questions: ["How many {p} does {n} have now?", "How many {p} did {n} get?", "What number of {p} did {n} buy?"] },
  founded: { facts: ["{n} was established in {v}.", "The town of {n} was founded in {v}."], questions: ["In what year was {n} founded?", "When was {n} established?", "When was the town of {n} founded?"] },
  mayor: { facts: ["{v} was elected mayor of {n}.", "The town of {n} has {v} as its mayor."], questions: ["Who is the mayor in {n}?", "Who was elected mayor of {n}?", "What is the name of {n}'s mayor?"] },
  river: { facts: ["{n} is on the {v} River.", "The river that runs through {n} is the {v}."], questions: ["What river is {n} on?", "Which river runs through {n}?", "What river is {n} located on?"] },
  people: { facts: ["{n} has a population of {v}.", "The population of {n} is {v}."], questions: ["What is {n}'s population?", "How big is the population of {n}?", "How large is the population of {n}?"] },
  known: { facts: ["{n} is famous for {v}.", "{n} is best known for its {v}."], questions: ["What is {n} best known for?", "Why is {n} famous?", "What is the town of {n} known for?"] },
  bridge: { facts: ["The bridge in {n} is built from {v}.", "In {n} there is a bridge made of {v}."], questions: ["What is the bridge in {n} built from?", "What material is the bridge in {n} made of?", "What is the bridge of {n} made from?"] },
  market: { facts: ["{n} has a market on {v}.", "The market in {n} takes place on {v}."], questions: ["When is market day in {n}?", "When does the market in {n} take place?", "On what day does {n} hold its market?"] },
  tower: { facts: ["The tower in {n} is {v} tall.", "{n} has a tower that is {v} tall."], questions: ["What is the height of the tower in {n}?", "How high is {n}'s tower?", "What height is the tower in {n}?"] },
  opens: { facts: ["The {s} in {n} is open from {v}.", "You can go to the {s} in {n} from {v} on."], questions: ["From what time is the {s} in {n} open?", "When will the {s} in {n} open?", "What is the opening time of the {s} in {n}?"] },
  owner: { facts: ["{v} is the owner of the {s} in {n}.", "In {n}, {v} owns the {s}."], questions: ["Which person owns the {s} in {n}?", "The {s} in {n} is owned by whom?", "Could you tell me who owns the {s} in {n}?"] },
  speed: { facts: ["The {n} has a top speed of {v}.", "The speed of the {n} is {v}."], questions: ["How fast does the {n} go?", "How fast does the {n} move?", "What speed does the {n} have?"] },
  price: { facts: ["The {n} has a price of {v}.", "The {n} sells for {v}."], questions: ["How much is the {n}?", "How expensive is the {n}?", "How much would the {n} cost me?"] },
  weight: { facts: ["The {n} is {v} in weight.", "The total weight of the {n} is {v}."], questions: ["What is the total weight of the {n}?", "How many kilograms does the {n} weigh?", "Could you tell me the weight of the {n}?"] },
  maker: { facts: ["{v} built the {n}.", "{v} is the maker of the {n}."], questions: ["Who was the {n} made by?", "Who is the manufacturer of the {n}?", "Who makes the {n}?"] },
  paint: { facts: ["The paint on the {n} is {v}.", "The {n} was painted {v}."], questions: ["Which color is the {n}?", "What color is the {n} painted?", "What color does the {n} have?"] },
  serial: { facts: ["The {n}'s serial number is {v}.", "The {n} has serial number {v}."], questions: ["What serial number does the {n} have?", "What serial number is on the {n}?", "Could you give me the serial number of the {n}?"] },
  author: { facts: ["{v} wrote the book \"{n}\".", "The book \"{n}\" was written by {v}."], questions: ["Who wrote the book \"{n}\"?", "Who was \"{n}\" written by?", "Who was the author of \"{n}\"?"] },
  published: { facts: ["The book \"{n}\" was published in {v}.", "\"{n}\" was first published in {v}."], questions: ["What year was \"{n}\" published?", "What year did \"{n}\" come out?", "When was \"{n}\" first published?"] },
  pages: { facts: ["The book \"{n}\" has {v} pages.", "The book \"{n}\" is {v} pages long."], questions: ["How many pages does the book \"{n}\" have?", "What is the number of pages in \"{n}\"?", "How many pages is \"{n}\"?"] },
  about: { facts: ["\"{n}\" tells the story of a {v}.", "The book \"{n}\" is about a {v}."], questions: ["What animal is \"{n}\" about?", "What is the book \"{n}\" about?", "What is the story of \"{n}\" about?"] },
  shelf: { facts: ["\"{n}\" is on shelf {v}.", "You can find \"{n}\" on shelf {v}."], questions: ["Which shelf is \"{n}\" on?", "What shelf is \"{n}\" on?", "Where can I find \"{n}\"?"] },
  founder: { facts: ["{n} was founded by {v}.", "{v} is the founder of {n}."], questions: ["Who founded the company {n}?", "Who started the company {n}?", "Who was {n} founded by?"] },
  started: { facts: ["{n} has been in business since {v}.", "{n} opened for business in {v}."], questions: ["What year did {n} start?", "In what year did {n} start?", "When did the company {n} start?"] },
  makes: { facts: ["{n} produces {v}.", "{n} is a company that makes {v}."], questions: ["What does {n} produce?", "What does the company {n} make?", "What products does {n} make?"] },
  workers: { facts: ["{n} has {v} employees.", "{n} has a staff of {v} people."], questions: ["How many employees does {n} have?", "How many people work for {n}?", "How many people work for the company {n}?"] },
  seat: { facts: ["{n} has its headquarters in {v}.", "The headquarters of {n} are in {v}."], questions: ["Where is {n}'s office?", "Where is the main office of {n}?", "Where are the headquarters of {n}?"] },
  boss: { facts: ["The boss of {n} is {v}.", "{n} is run by {v}."], questions: ["Who runs {n}?", "Who is in charge of {n}?", "Who is the boss at {n}?"] },
  capital: { facts: ["The capital city of {n} is {v}.", "{n} has {v} as its capital."], questions: ["Which city is the capital of {n}?", "What is the capital city of {n}?", "What is the capital of {n} called?"] },
  longest: { facts: ["The longest river of {n} is called the {v}.", "The river {v} is the longest in {n}."], questions: ["Which river is the longest in {n}?", "What is the longest river in {n} called?", "What river is the longest in {n}?"] },
  highest: { facts: ["The tallest mountain in {n} is {v}.", "The highest mountain of {n} is called {v}."], questions: ["Which mountain is the highest in {n}?", "What is the tallest mountain in {n}?", "What is the highest mountain in {n} called?"] },
  coin: { facts: ["The currency of {n} is the {v}.", "The money in {n} is called the {v}."], questions: ["What is the currency of {n}?", "What do people in {n} pay with?", "What is the money in {n} called?"] },
  king: { facts: ["{n}'s king is {v}.", "The king who rules {n} is {v}."], questions: ["Who is {n}'s king?", "Which king rules {n}?", "What is the name of {n}'s king?"] },
  "land language": { facts: ["The official language of {n} is {v}.", "Most people in {n} speak {v}."], questions: ["What is the official language of {n}?", "What language is spoken in {n}?", "Which language do the people of {n} speak?"] },
};

/** How a relation is put here; relations that are not here are not asked. */
export function worded({ subject, key }: Relation): Worded | undefined {
  return wordings[`${subject} ${key}`] ?? wordings[key];
}

function subjectName(random: Random, subject: Subject): string {
  if (subject === "person") return chance(random, 0.6) ? pick(random, people) : madeUp(random);
  if (subject === "machine")
    return `${madeUp(random)} ${pick(random, ["pump", "printer", "bike", "scooter", "drill"])}`;
  if (subject === "book")
    return `The ${pick(random, ["Lonely", "Frozen", "Secret", "Distant"])} ${pick(random, ["Lighthouse", "Orchard", "Summer", "Promise", "Bridge"])}`;
  return chance(random, 0.3) ? pick(random, townsOfTheWorld) : madeUp(random);
}

/** Wordings, names and values that training never sees. */
const unseen: Wording = {
  relations: relations.filter((relation) => worded(relation) !== undefined),
  facts: (relation) => worded(relation)?.facts ?? [],
  questions: (relation) => worded(relation)?.questions ?? [],
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
    'Put the question and the answer into one JSON object, under "question" and "answer".',
    'Reply with JSON that has the fields "question" and "answer".',
  ]);
  return {
    prompt: ask(
      pick(random, [
        `${question} ${answer}.`,
        `Here is the question: ${question}\nThis is the answer: ${answer}`,
        `${question}\n${answer}`,
      ]),
      system,
    ),
    right,
  };
}

/** Requests for the tools that training knows. */
// biome-ignore format: one tool, one line
export const requests: Readonly<Record<string, readonly string[]>> = {
  get_weather: ["What is the weather like in {city}?", "How is the weather in {city}?", "Could you check the weather in {city}?"],
  get_temperature: ["How cold is it in {city} right now?", "What's the temperature in {city} right now?", "How many degrees is it in {city}?"],
  get_time: ["What is the time in {city}?", "What's the time in {city} right now?", "Could you tell me what time it is in {city}?"],
  add: ["How much is {a} plus {b}?", "What is the sum of {a} and {b}?", "Could you add {a} and {b} for me?"],
  multiply: ["How much is {a} times {b}?", "What is {a} multiplied by {b}?", "Could you multiply {a} by {b} for me?"],
  send_message: ["Send {person} the message {word}.", "Send a message to {person}: {word}", "Text {person}: {word}"],
  find_item: ["Where is the {thing}?", "Find my {thing}.", "Where did I put my {thing}?"],
  book_train: ["I need a train ticket from {city} to {city2}.", "I want to take the train from {city} to {city2}.", "Could you get me a train from {city} to {city2}?"],
  set_alarm: ["Set an alarm for {time} on {day}.", "Wake me up at {time} on {day}.", "Set my alarm for {day} at {time}."],
  convert: ["What is {a} {unit} in {unit2}?", "How many {unit2} are there in {a} {unit}?", "How much is {a} {unit} in {unit2}?"],
  order_food: ["I want to order {b} portions of {food}.", "Can I get {b} portions of {food}?", "Get us {food} for {b} people."],
  set_light: ["Turn the light in the {place} {color}.", "Set the lamp in the {place} to {color}.", "Change the light in the {place} to {color}."],
  get_phone_number: ["Give me {person}'s phone number.", "I need {person}'s phone number.", "Can you look up {person}'s phone number?"],
  search: ["Search the library for {word}.", "Look up {word} in the library.", "Do you have anything about {word}?"],
  remove_user: ["Remove user {code}.", "Delete the user with the id {code}.", "Please delete user {code}."],
  get_user_balance: ["What is {person}'s balance?", "How much does {person} have in the account?", "Could you check {person}'s balance?"],
};

/** Tools that training does not know at all. */
export const strangers: readonly KnownTool[] = [
  {
    name: "book_hotel",
    description: "Book a hotel room in a city.",
    parameters: { city: ["string", "city"], day: ["string", "day"] },
    requests: ["Book a hotel in {city} for {day}.", "I need a hotel room in {city} on {day}."],
    result: () => "ok",
    answer: "",
  },
  {
    name: "track_package",
    description: "Find out where a package is by its number.",
    parameters: { number: ["string", "code"] },
    requests: ["Where is package {code}?", "Track the package with the number {code}."],
    result: () => "ok",
    answer: "",
  },
  {
    name: "reserve_table",
    description: "Reserve a table at the restaurant.",
    parameters: { guests: ["integer", "b"], time: ["string", "time"] },
    requests: ["Reserve a table for {b} people at {time}.", "I would like a table for {b} at {time}."],
    result: () => "ok",
    answer: "",
  },
  {
    name: "transfer_money",
    description: "Transfer money to another person.",
    parameters: { amount: ["number", "a"], recipient: ["string", "person"] },
    requests: ["Transfer {a} dollars to {person}.", "Send {person} {a} dollars."],
    result: () => "ok",
    answer: "",
  },
  {
    name: "set_thermostat",
    description: "Set how warm a room should be.",
    parameters: { room: ["string", "place"], degrees: ["number", "degrees"] },
    requests: ["Heat the {place} to {degrees} degrees.", "Set the {place} to {degrees} degrees, please."],
    result: () => "ok",
    answer: "",
  },
  {
    name: "add_event",
    description: "Add an event to the calendar.",
    parameters: { title: ["string", "word"], day: ["string", "day"] },
    requests: ["Put {word} in my calendar on {day}.", "Add {word} to the calendar for {day}."],
    result: () => "ok",
    answer: "",
  },
  {
    name: "get_distance",
    description: "Get the distance between two cities.",
    parameters: { start: ["string", "city"], end: ["string", "city2"] },
    requests: ["How far is it from {city} to {city2}?", "What is the distance from {city} to {city2}?"],
    result: () => "ok",
    answer: "",
  },
  {
    name: "translate_word",
    description: "Translate a word into English.",
    parameters: { text: ["string", "word"] },
    requests: ["Translate {word} into English.", "What does {word} mean in English?"],
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
  a: ["num1", "alpha", "lhs"],
  b: ["num2", "beta", "rhs"],
  n: ["steps", "depth", "quantity"],
  s: ["message", "input", "sentence"],
  xs: ["amounts", "readings", "entries"],
  x: ["current", "piece"],
};

function unseenNames(random: Random, { names }: FunctionTask, python: boolean): Names {
  const at = whole(random, 0, 2);
  const base = pick(random, names);
  const f = pick(random, [`compute${capital(base)}`, `${base}Fn`, `find${capital(base)}`]);
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
