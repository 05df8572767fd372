// Passages of a few facts, with questions about each fact and its one right answer.
//
// Values (names, numbers, codes, colors …) are drawn anew for every passage and are mostly made up, so an answer can
// only be copied from the passage. A fact is always answered by the same sentence, however the question is worded.

import {
  capital,
  chance,
  code,
  invented,
  inventedName,
  pick,
  type Random,
  sample,
  shuffled,
  weighted,
  whole,
} from "./draw.ts";
import { animals, colors, foods, places, things } from "./stories.ts";

/** What can be said about one kind of subject. `{n}` is the subject's name, `{v}` the value, `{t}` a thing. */
export interface Relation {
  readonly key: string;
  readonly subject: Subject;
  /** Draws the value. */
  readonly value: (random: Random) => string;
  /** Sentences that state the fact; those with `{n}` only once at the start may begin with a pronoun. */
  readonly facts: readonly string[];
  readonly questions: readonly string[];
  /** The whole answer. The answer in a few words is the value. */
  readonly answer: string;
}

export type Subject = "person" | "town" | "machine" | "book" | "company" | "land";

const numbers = "two three four five six seven eight nine ten eleven twelve".split(" ");
const jobs =
  "baker teacher doctor farmer pilot painter nurse sailor cook singer writer driver gardener carpenter librarian judge miner tailor potter dentist".split(
    " ",
  );
const instruments = "piano violin flute drums guitar trumpet harp cello".split(" ");
const days = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(" ");
const months = "January February March April May June July August September October November December".split(" ");
const sports = "tennis football chess swimming rowing hockey golf boxing running cycling".split(" ");
const materials = "stone wood glass iron silver copper clay paper wool brick".split(" ");
const drinks = "tea coffee milk water lemonade cocoa apple juice".split(" ");
const shops = "bakery library school hospital museum bank hotel factory theater station".split(" ");
const cities =
  "Paris London Rome Berlin Madrid Oslo Tokyo Cairo Lima Boston Dublin Vienna Prague Athens Lisbon Beijing Sydney Toronto".split(
    " ",
  );

const name = (random: Random) => (chance(random, 0.85) ? inventedName(random) : pick(random, firstNames));
const town = (random: Random) => (chance(random, 0.8) ? inventedName(random) : pick(random, cities));
const color = (random: Random) =>
  chance(random, 0.7) ? pick(random, [...colors, "black", "gray", "brown", "pink", "silver"]) : invented(random, 2);
const year = (random: Random) => String(whole(random, 1500, 2030));
const clock = (random: Random) => `${whole(random, 0, 23)}:${String(whole(random, 0, 59)).padStart(2, "0")}`;
const count = (random: Random) => (chance(random, 0.4) ? pick(random, numbers) : String(whole(random, 2, 999)));
const amount = (random: Random) => String(chance(random, 0.5) ? whole(random, 2, 99) : whole(random, 100, 9999));
const either = (items: readonly string[]) => (random: Random) =>
  chance(random, 0.75) ? pick(random, items) : invented(random);
const date = (random: Random) => `${pick(random, months)} ${whole(random, 1, 31)}`;

/** First names of people in passages. */
export const firstNames =
  "Lily Mia Anna Rosa Ella Nora Ruby Clara Tom Ben Max Leo Sam Jack Finn Theo Emma Paul Peter Mary John Lucy Alice Bob Carol David Eva Frank Grace Henry Iris James Kate Laura Mark Nina Oscar Rita Simon Vera".split(
    " ",
  );

function relation(
  subject: Subject,
  key: string,
  value: Relation["value"],
  facts: string[],
  questions: string[],
  answer = facts[0],
): Relation {
  return { subject, key, value, facts, questions, answer };
}

// biome-ignore format: one relation, a few lines
export const relations: readonly Relation[] = [
  relation("person", "home", town, ["{n} lives in {v}.", "{n} has a house in {v}.", "{n} moved to {v}.", "The home of {n} is in {v}."],
    ["Where does {n} live?", "In which town does {n} live?", "Where is {n}'s home?", "What is the home town of {n}?", "Which town does {n} live in?"]),
  relation("person", "age", (r) => (chance(r, 0.4) ? pick(r, numbers) : String(whole(r, 2, 99))), ["{n} is {v} years old.", "{n} turned {v} years old.", "{n} has just become {v} years old."],
    ["How old is {n}?", "What is {n}'s age?", "What is the age of {n}?", "How many years old is {n}?"]),
  relation("person", "job", either(jobs), ["{n} works as a {v}.", "{n} is a {v}.", "{n} earns money as a {v}."],
    ["What is {n}'s job?", "What does {n} do for a living?", "What does {n} work as?", "What is the job of {n}?", "Which job does {n} have?"]),
  relation("person", "employer", name, ["{n} works for {v}.", "{n} has a job at {v}.", "{n} is employed by {v}."],
    ["Who does {n} work for?", "Where does {n} work?", "Which company does {n} work for?", "Who employs {n}?", "At which company does {n} have a job?"]),
  relation("person", "food", either(foods), ["{n} likes to eat {v}.", "{n} loves {v}.", "{n} eats {v} every day.", "{n}'s favorite food is {v}."],
    ["What does {n} like to eat?", "What is {n}'s favorite food?", "Which food does {n} like?", "What food does {n} love?", "What does {n} eat every day?"]),
  relation("person", "drink", either(drinks), ["{n} likes to drink {v}.", "{n} drinks a lot of {v}.", "{n}'s favorite drink is {v}."],
    ["What does {n} like to drink?", "What is {n}'s favorite drink?", "Which drink does {n} like?", "What does {n} drink?"]),
  relation("person", "pet", either(animals), ["{n} has a pet {v}.", "{n} keeps a {v}.", "{n} owns a {v}.", "{n} takes care of a {v}."],
    ["What pet does {n} have?", "What kind of pet does {n} have?", "Which animal does {n} keep?", "Which pet does {n} own?", "What animal does {n} have?"]),
  relation("person", "petName", name, ["{n}'s pet is called {v}.", "{n} named the pet {v}.", "The pet of {n} has the name {v}."],
    ["What is the name of {n}'s pet?", "What is {n}'s pet called?", "How is the pet of {n} called?", "What did {n} name the pet?"]),
  relation("person", "color", color, ["{n}'s favorite color is {v}.", "{n} likes the color {v} best.", "{n} loves everything that is {v}."],
    ["What is {n}'s favorite color?", "Which color does {n} like best?", "What color does {n} love?", "Which color does {n} prefer?"]),
  relation("person", "born", year, ["{n} was born in {v}.", "{n} came into the world in {v}.", "The year of {n}'s birth is {v}."],
    ["When was {n} born?", "In which year was {n} born?", "What is the birth year of {n}?", "In what year did {n} come into the world?"]),
  relation("person", "birthday", date, ["{n}'s birthday is on {v}.", "{n} has a birthday on {v}.", "The birthday of {n} is {v}."],
    ["When is {n}'s birthday?", "What is the date of {n}'s birthday?", "On which day is {n}'s birthday?", "On what date does {n} have a birthday?"]),
  relation("person", "instrument", either(instruments), ["{n} plays the {v}.", "{n} learned to play the {v}.", "{n} makes music on the {v}."],
    ["What instrument does {n} play?", "Which instrument does {n} play?", "What does {n} play?", "On which instrument does {n} make music?"]),
  relation("person", "sport", either(sports), ["{n} likes {v}.", "{n}'s favorite sport is {v}.", "{n} is very good at {v}."],
    ["What sport does {n} like?", "Which sport is {n} good at?", "What is {n}'s favorite sport?", "Which sport does {n} like?"], "{n}'s favorite sport is {v}."),
  relation("person", "room", amount, ["{n} is in room {v}.", "{n} sleeps in room {v}.", "{n}'s room has the number {v}."],
    ["Which room is {n} in?", "What is {n}'s room number?", "In which room does {n} sleep?", "What is the number of {n}'s room?"]),
  relation("person", "phone", (r) => `${whole(r, 100, 999)}-${whole(r, 1000, 9999)}`, ["{n}'s phone number is {v}.", "{n} has the phone number {v}.", "You can call {n} at {v}."],
    ["What is {n}'s phone number?", "What is the phone number of {n}?", "At which number can I call {n}?", "Which phone number does {n} have?"]),
  relation("person", "password", code, ["{n}'s password is {v}.", "{n} uses the password {v}.", "The secret code of {n} is {v}."],
    ["What is {n}'s password?", "Which password does {n} use?", "What is the secret code of {n}?", "What is the password of {n}?"]),
  relation("person", "arrival", clock, ["{n} arrives at {v}.", "{n} will come at {v}.", "{n}'s train gets in at {v}."],
    ["When does {n} arrive?", "At what time does {n} arrive?", "What time will {n} come?", "When does {n}'s train get in?"]),
  relation("person", "day", either(days), ["{n} will leave on {v}.", "{n} is going away on {v}.", "{n}'s trip starts on {v}."],
    ["When will {n} leave?", "On which day does {n} leave?", "What day is {n} going away?", "On which day does {n}'s trip start?"]),
  relation("person", "language", name, ["{n} speaks {v}.", "{n} can speak {v}.", "{n}'s language is {v}."],
    ["What language does {n} speak?", "Which language can {n} speak?", "What is {n}'s language?", "Which language does {n} know?"]),
  relation("person", "teacher", name, ["{n}'s teacher is {v}.", "{n} learns everything from {v}.", "{n} is taught by {v}."],
    ["Who is {n}'s teacher?", "Who teaches {n}?", "What is the name of {n}'s teacher?", "From whom does {n} learn?"]),
  relation("person", "sister", name, ["{n} has a sister named {v}.", "{n}'s sister is called {v}.", "The sister of {n} is {v}."],
    ["Who is {n}'s sister?", "What is the name of {n}'s sister?", "How is {n}'s sister called?", "What is {n}'s sister called?"]),
  relation("person", "friend", name, ["{n}'s best friend is {v}.", "{n} is best friends with {v}.", "The best friend of {n} is called {v}."],
    ["Who is {n}'s best friend?", "What is the name of {n}'s best friend?", "Who is the best friend of {n}?", "With whom is {n} best friends?"]),
  relation("person", "money", amount, ["{n} has {v} coins.", "{n} saved {v} coins.", "{n} owns {v} coins."],
    ["How many coins does {n} have?", "How much money does {n} have?", "How many coins did {n} save?", "How many coins does {n} own?"]),
  relation("person", "owns", color, ["{n} has a {v} {t}.", "{n}'s {t} is {v}.", "{n} bought a {v} {t}.", "The {t} of {n} is {v}."],
    ["What color is {n}'s {t}?", "Which color does {n}'s {t} have?", "What is the color of {n}'s {t}?", "What color is the {t} of {n}?"], "{n}'s {t} is {v}."),
  relation("person", "keeps", (r) => `${pick(r, ["near", "in", "behind", "at", "under"])} the ${either(places)(r)}`, ["{n} keeps the {t} {v}.", "{n} left the {t} {v}.", "{n} put the {t} {v}.", "{n}'s {t} is {v}."],
    ["Where does {n} keep the {t}?", "Where is {n}'s {t}?", "Where did {n} put the {t}?", "Where did {n} leave the {t}?"], "{n} keeps the {t} {v}."),
  relation("person", "bought", count, ["{n} bought {v} {p}.", "{n} has {v} {p}.", "{n} found {v} {p}."],
    ["How many {p} did {n} buy?", "How many {p} does {n} have?", "How many {p} are there in {n}'s bag?", "How many {p} did {n} find?"], "{n} has {v} {p}."),

  relation("town", "founded", year, ["{n} was founded in {v}.", "The town of {n} was built in {v}.", "People have lived in {n} since {v}."],
    ["When was {n} founded?", "In which year was {n} founded?", "When was the town of {n} built?", "Since when have people lived in {n}?"]),
  relation("town", "mayor", name, ["The mayor of {n} is {v}.", "{n} has a mayor named {v}.", "{v} is the mayor of {n}."],
    ["Who is the mayor of {n}?", "What is the name of the mayor of {n}?", "Who is {n}'s mayor?", "How is the mayor of {n} called?"]),
  relation("town", "river", name, ["{n} lies on the river {v}.", "The river in {n} is called {v}.", "The {v} flows through {n}."],
    ["On which river does {n} lie?", "What is the river in {n} called?", "Which river flows through {n}?", "What is the name of the river in {n}?"]),
  relation("town", "people", amount, ["{n} has {v} people.", "{v} people live in {n}.", "The town of {n} has {v} inhabitants."],
    ["How many people live in {n}?", "How many people does {n} have?", "How many inhabitants does {n} have?", "What is the population of {n}?"]),
  relation("town", "known", either(foods), ["{n} is known for {v}.", "{n} is famous for its {v}.", "People come to {n} for the {v}."],
    ["What is {n} known for?", "What is {n} famous for?", "Why do people come to {n}?", "For what is {n} known?"]),
  relation("town", "bridge", either(materials), ["The bridge in {n} is made of {v}.", "{n} has a bridge of {v}.", "They built the bridge of {n} from {v}."],
    ["What is the bridge in {n} made of?", "Of what is the bridge in {n} made?", "Which material is the bridge of {n} made of?", "From what did they build the bridge in {n}?"]),
  relation("town", "market", either(days), ["The market in {n} is on {v}.", "{n} has a market every {v}.", "On {v} there is a market in {n}."],
    ["When is the market in {n}?", "On which day is the market in {n}?", "What day is the market in {n}?", "When does {n} have a market?"]),
  relation("town", "tower", (r) => `${whole(r, 12, 999)} meters`, ["The tower of {n} is {v} high.", "{n} has a tower of {v}.", "The tower in {n} reaches {v}."],
    ["How high is the tower of {n}?", "How tall is the tower in {n}?", "What is the height of the tower of {n}?", "How high is the tower in {n}?"]),
  relation("town", "opens", clock, ["The {s} in {n} opens at {v}.", "In {n}, the {s} opens at {v}.", "You can visit the {s} in {n} from {v} on."],
    ["When does the {s} in {n} open?", "At what time does the {s} in {n} open?", "From when on can I visit the {s} in {n}?", "What time does the {s} in {n} open?"]),
  relation("town", "owner", name, ["The {s} in {n} belongs to {v}.", "{v} owns the {s} in {n}.", "The owner of the {s} in {n} is {v}."],
    ["Who owns the {s} in {n}?", "To whom does the {s} in {n} belong?", "Who is the owner of the {s} in {n}?", "What is the name of the owner of the {s} in {n}?"], "The {s} in {n} belongs to {v}."),

  relation("machine", "speed", (r) => `${whole(r, 5, 990)} kilometers an hour`, ["The {n} goes {v}.", "The {n} can go {v}.", "The top speed of the {n} is {v}."],
    ["How fast is the {n}?", "How fast can the {n} go?", "What is the top speed of the {n}?", "What is the speed of the {n}?"]),
  relation("machine", "price", (r) => `${amount(r)} dollars`, ["The {n} costs {v}.", "The price of the {n} is {v}.", "You can buy the {n} for {v}."],
    ["How much does the {n} cost?", "What is the price of the {n}?", "What does the {n} cost?", "For how much can I buy the {n}?"]),
  relation("machine", "weight", (r) => `${whole(r, 2, 999)} kilograms`, ["The {n} weighs {v}.", "The weight of the {n} is {v}.", "The {n} is {v} heavy."],
    ["How much does the {n} weigh?", "What is the weight of the {n}?", "How heavy is the {n}?", "What does the {n} weigh?"]),
  relation("machine", "maker", name, ["The {n} was made by {v}.", "The {n} comes from {v}.", "{v} made the {n}."],
    ["Who made the {n}?", "By whom was the {n} made?", "From whom does the {n} come?", "Who is the maker of the {n}?"]),
  relation("machine", "paint", color, ["The {n} is {v}.", "The {n} is painted {v}.", "The color of the {n} is {v}."],
    ["What color is the {n}?", "What is the color of the {n}?", "Which color does the {n} have?", "In which color is the {n} painted?"]),
  relation("machine", "serial", code, ["The serial number of the {n} is {v}.", "The {n} has the serial number {v}.", "The {n} is marked {v}."],
    ["What is the serial number of the {n}?", "Which serial number does the {n} have?", "How is the {n} marked?", "What is the {n}'s serial number?"]),

  relation("book", "author", name, ["\"{n}\" was written by {v}.", "{v} wrote \"{n}\".", "The author of \"{n}\" is {v}."],
    ["Who wrote \"{n}\"?", "Who is the author of \"{n}\"?", "By whom was \"{n}\" written?", "What is the name of the author of \"{n}\"?"]),
  relation("book", "published", year, ["\"{n}\" came out in {v}.", "\"{n}\" was published in {v}.", "\"{n}\" appeared in {v}."],
    ["When did \"{n}\" come out?", "When was \"{n}\" published?", "In which year did \"{n}\" appear?", "In what year did \"{n}\" come out?"]),
  relation("book", "pages", amount, ["\"{n}\" has {v} pages.", "There are {v} pages in \"{n}\".", "\"{n}\" is {v} pages long."],
    ["How many pages does \"{n}\" have?", "How many pages are there in \"{n}\"?", "How long is \"{n}\"?", "How many pages long is \"{n}\"?"]),
  relation("book", "about", either(animals), ["\"{n}\" is about a {v}.", "\"{n}\" tells of a {v}.", "The hero of \"{n}\" is a {v}."],
    ["What is \"{n}\" about?", "Of what does \"{n}\" tell?", "Who is the hero of \"{n}\"?", "Which animal is \"{n}\" about?"]),
  relation("book", "shelf", code, ["\"{n}\" stands on shelf {v}.", "You find \"{n}\" on shelf {v}.", "The shelf of \"{n}\" is {v}."],
    ["On which shelf does \"{n}\" stand?", "Where do I find \"{n}\"?", "What is the shelf of \"{n}\"?", "On which shelf is \"{n}\"?"]),

  relation("company", "founder", name, ["{n} was started by {v}.", "{v} founded {n}.", "The founder of {n} is {v}."],
    ["Who started {n}?", "Who founded {n}?", "Who is the founder of {n}?", "By whom was {n} started?"]),
  relation("company", "started", year, ["{n} started in {v}.", "The company {n} has existed since {v}.", "{n} opened its doors in {v}."],
    ["When did {n} start?", "Since when has {n} existed?", "In which year did {n} start?", "When did {n} open its doors?"]),
  relation("company", "makes", (r) => `${either(materials)(r)} ${pick(r, ["chairs", "tables", "pipes", "doors", "boxes", "toys", "cups", "bags"])}`, ["{n} makes {v}.", "{n} sells {v}.", "People buy {v} from {n}."],
    ["What does {n} make?", "What does {n} sell?", "What do people buy from {n}?", "Which product does {n} make?"]),
  relation("company", "workers", amount, ["{n} has {v} workers.", "{v} people work at {n}.", "There are {v} workers at {n}."],
    ["How many workers does {n} have?", "How many people work at {n}?", "How many workers are there at {n}?", "How many people does {n} employ?"]),
  relation("company", "seat", town, ["{n} has its office in {v}.", "The office of {n} is in {v}.", "{n} is based in {v}."],
    ["Where is the office of {n}?", "Where is {n} based?", "In which town does {n} have its office?", "Where does {n} have its office?"]),
  relation("company", "boss", name, ["The head of {n} is {v}.", "{n} is led by {v}.", "{v} leads {n}."],
    ["Who is the head of {n}?", "Who leads {n}?", "By whom is {n} led?", "Who is the boss of {n}?"]),

  relation("land", "capital", town, ["The capital of {n} is {v}.", "{v} is the capital of {n}.", "{n} has the capital {v}."],
    ["What is the capital of {n}?", "Which town is the capital of {n}?", "What is {n}'s capital?", "How is the capital of {n} called?"]),
  relation("land", "longest", name, ["The longest river in {n} is the {v}.", "{n}'s longest river is the {v}.", "The {v} is the longest river in {n}."],
    ["Which is the longest river in {n}?", "What is the longest river in {n}?", "What is the name of the longest river in {n}?", "How is {n}'s longest river called?"]),
  relation("land", "highest", name, ["The highest mountain in {n} is {v}.", "{n}'s highest mountain is {v}.", "{v} is the highest mountain in {n}."],
    ["Which is the highest mountain in {n}?", "What is the highest mountain in {n}?", "What is the name of the highest mountain in {n}?", "How is {n}'s highest mountain called?"]),
  relation("land", "coin", invented, ["In {n}, people pay with the {v}.", "The money of {n} is called the {v}.", "People in {n} use the {v} to pay."],
    ["With what do people pay in {n}?", "What is the money of {n} called?", "What do people in {n} use to pay?", "How is the money in {n} called?"]),
  relation("land", "king", name, ["The king of {n} is {v}.", "{n} has a king named {v}.", "King {v} rules {n}."],
    ["Who is the king of {n}?", "What is the name of the king of {n}?", "Who rules {n}?", "How is the king of {n} called?"]),
  relation("land", "language", name, ["In {n}, people speak {v}.", "The language of {n} is {v}.", "People in {n} speak {v}."],
    ["What language do people speak in {n}?", "What is the language of {n}?", "Which language is spoken in {n}?", "What do people in {n} speak?"]),
];

const machines = "car boat robot plane bicycle truck train drone tractor rocket".split(" ");
const titles = ["The {c} {a}", "{N}'s {t}", "A {a} in {N}", "The Road to {N}", "{N}"];
const plurals = "apples stones books shells pears eggs cups stamps balls nuts pens coins".split(" ");

/** A name for a subject. */
export function subjectName(random: Random, subject: Subject): string {
  if (subject === "person") return chance(random, 0.55) ? inventedName(random) : pick(random, firstNames);
  if (subject === "machine")
    return chance(random, 0.5)
      ? `${inventedName(random)} ${pick(random, machines)}`
      : `${pick(random, machines)} ${inventedName(random)}`;
  if (subject === "book") {
    const words: Record<string, string> = {
      c: capital(pick(random, colors)),
      a: capital(pick(random, animals)),
      t: capital(pick(random, things)),
      N: inventedName(random),
    };
    return pick(random, titles).replace(/\{(.)\}/g, (_, key: string) => words[key]);
  }
  return chance(random, 0.85) ? inventedName(random) : pick(random, cities);
}

/** The words that a relation may need besides name and value: a thing, a shop, things of a number. */
export function extras(random: Random): Record<string, string> {
  return { t: pick(random, things), s: pick(random, shops), p: pick(random, plurals) };
}

/** Puts words into the braces of a template. */
export function filled(template: string, words: Record<string, string>): string {
  const text = template.replace(/\{(\w)\}/g, (_, key: string) => words[key]);
  return text.replace(/\ba (?=[aeiou])/g, "an ");
}

export interface Asked {
  relation: Relation;
  words: Record<string, string>;
  question: string;
  answer: string;
  /** The answer in as few words as possible. */
  value: string;
}

/** A passage and everything that can be asked about it, in the order of the facts. */
export interface Passage {
  text: string;
  asked: Asked[];
}

/** What is talked about and how, and the names and values: what the held-out set replaces. */
export interface Wording {
  relations: readonly Relation[];
  facts(relation: Relation): readonly string[];
  questions(relation: Relation): readonly string[];
  name(random: Random, subject: Subject): string;
  value(random: Random, relation: Relation): string;
  extras(random: Random): Record<string, string>;
}

const taught: Wording = {
  relations,
  facts: (relation) => relation.facts,
  questions: (relation) => relation.questions,
  name: subjectName,
  value: (random, relation) => relation.value(random),
  extras,
};

/** A passage about `subjects` subjects of at most two kinds with `facts` facts each. */
export function passage(random: Random, subjects: number, facts: number, wording: Wording = taught): Passage {
  const of = (subject: Subject) => wording.relations.filter((relation) => relation.subject === subject);
  const kinds = chance(random, 0.6) ? [pickSubject(random)] : [pickSubject(random), pickSubject(random)];
  const groups: { sentence: string; asked: Asked }[][] = [];
  const shared = chance(random, 0.6) ? sample(random, of(kinds[0]), Math.min(facts, of(kinds[0]).length)) : null;
  const names = new Set<string>();
  while (names.size < subjects) names.add(wording.name(random, kinds[names.size % kinds.length]));
  for (const [i, n] of [...names].entries()) {
    const subject = kinds[i % kinds.length];
    const pronoun = subject === "person" ? pick(random, ["He", "She"]) : "It";
    const chosen =
      shared !== null && subject === kinds[0] ? shuffled(random, shared) : sample(random, of(subject), facts);
    groups.push(
      chosen.map((relation, j) => {
        const more = wording.extras(random);
        const words = { ...more, n, v: wording.value(random, relation) };
        const fact = pick(random, wording.facts(relation));
        // "He" and "She" may stand for the name when the sentence before is about the same person.
        const named = filled(fact, words);
        const sentence =
          j > 0 && fact.startsWith("{n}") && subject !== "book" && chance(random, 0.3)
            ? named.replace(`${n}'s`, pronoun === "He" ? "His" : pronoun === "She" ? "Her" : "Its").replace(n, pronoun)
            : named;
        return {
          sentence,
          asked: {
            relation,
            words,
            question: filled(pick(random, wording.questions(relation)), words),
            answer: filled(relation.answer, words),
            value: words.v,
          },
        };
      }),
    );
  }
  // Facts in any order need their names: then no pronouns.
  const order = chance(random, 0.25)
    ? shuffled(random, groups.flat()).map(({ asked }) => ({
        sentence: filled(pick(random, wording.facts(asked.relation)), asked.words),
        asked,
      }))
    : groups.flat();
  return {
    text: order.map(({ sentence }) => capital(sentence)).join(pick(random, [" ", " ", " ", "\n"])),
    asked: order.map(({ asked }) => asked),
  };
}

function pickSubject(random: Random): Subject {
  return weighted(random, [
    ["person", 8],
    ["town", 3],
    ["machine", 2],
    ["book", 2],
    ["company", 2],
    ["land", 2],
  ] as const);
}

/** One fact with its question and answers, without a passage: for JSON and small questions. */
export function loneFact(random: Random): Asked {
  const relation = pick(random, relations);
  const words = { ...extras(random), n: subjectName(random, relation.subject), v: relation.value(random) };
  return {
    relation,
    words,
    question: filled(pick(random, relation.questions), words),
    answer: filled(relation.answer, words),
    value: words.v,
  };
}
