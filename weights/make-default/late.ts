// More wordings, words and stranger names, from the third phase of training on: copying has to work for what was never seen.

import { capital, chance, pick, type Random, whole } from "./draw.ts";
import { extras, firstNames, relations, subjectName, type Wording } from "./passages.ts";

// biome-ignore format: one relation, one line
const more: Record<string, { facts?: string[]; questions: string[] }> = {
  home: { facts: ["The house of {n} stands in {v}.", "These days {n} lives in {v}."], questions: ["Can you say where {n} lives?", "Where do I find {n}'s house?", "What is the name of the town where {n} lives?"] },
  age: { facts: ["Today {n} became {v} years old.", "{n} has lived for {v} years."], questions: ["Do you know how old {n} is?", "At what age is {n}?", "Say how old {n} is."] },
  job: { facts: ["Every day {n} works as a {v}.", "For many years {n} has been a {v}."], questions: ["Tell me what {n} works as.", "What work does {n} do every day?", "Do you know {n}'s job?"] },
  employer: { facts: ["{n}'s company is called {v}.", "Every day {n} goes to work at {v}."], questions: ["Do you know who {n} works for?", "What is {n}'s company called?", "Who gave {n} a job?"] },
  food: { facts: ["What {n} likes best is {v}.", "{n} always wants to eat {v}."], questions: ["What does {n} always want to eat?", "Do you know what {n} likes to eat?", "Tell me {n}'s favorite food."] },
  drink: { facts: ["Every evening {n} drinks {v}.", "{n} loves to drink {v}."], questions: ["What does {n} drink every evening?", "Do you know what {n} drinks?", "Tell me {n}'s favorite drink."] },
  pet: { facts: ["{n} lives with a {v}.", "There is a {v} in {n}'s house."], questions: ["Do you know what pet {n} has?", "With what animal does {n} live?", "Tell me which pet {n} has."] },
  petName: { facts: ["The name of {n}'s pet is {v}."], questions: ["Do you know the name of {n}'s pet?", "Tell me what {n}'s pet is called."] },
  color: { facts: ["Nothing is as nice for {n} as {v}.", "{n} always wears {v}."], questions: ["Do you know {n}'s favorite color?", "Tell me which color {n} likes.", "What color does {n} wear?"] },
  born: { facts: ["In {v}, {n} was born.", "{n}'s life began in {v}."], questions: ["Do you know when {n} was born?", "Tell me {n}'s birth year.", "What was the year of {n}'s birth?"] },
  birthday: { facts: ["On {v} we celebrate {n}'s birthday."], questions: ["Do you know {n}'s birthday?", "Tell me when {n} has a birthday."] },
  instrument: { facts: ["{n} loves to play the {v}.", "On the {v}, {n} is a master."], questions: ["Do you know what {n} plays?", "Tell me {n}'s instrument.", "What can {n} play?"] },
  sport: { facts: ["In the summer {n} does {v}.", "{n} is a champion of {v}."], questions: ["Do you know {n}'s sport?", "Tell me which sport {n} does in the summer."] },
  room: { facts: ["{n} moved into room {v}.", "Room {v} belongs to {n}."], questions: ["Do you know {n}'s room?", "Tell me the number of {n}'s room.", "Where does {n} sleep?"] },
  phone: { facts: ["{n} answers the phone at {v}."], questions: ["Do you know {n}'s phone number?", "Tell me how I can call {n}."] },
  password: { facts: ["{n} types in {v} as the password."], questions: ["Do you know {n}'s password?", "Tell me the password of {n}."] },
  arrival: { facts: ["{n} gets here at {v}.", "Look for {n} at {v}."], questions: ["Do you know when {n} arrives?", "Tell me the time when {n} comes.", "When will {n} be here?"] },
  day: { facts: ["Next {v}, {n} is leaving."], questions: ["Do you know when {n} leaves?", "Tell me the day {n} leaves.", "When does {n} go away?"] },
  language: { facts: ["{n} talks in {v}."], questions: ["Do you know {n}'s language?", "Tell me what {n} speaks.", "What language is spoken by {n}?"] },
  teacher: { facts: ["{v} is {n}'s teacher.", "{n} takes lessons from {v}."], questions: ["Do you know {n}'s teacher?", "Tell me who teaches {n}.", "Who gives {n} lessons?"] },
  sister: { facts: ["{v} is {n}'s sister."], questions: ["Do you know {n}'s sister?", "Tell me the name of {n}'s sister."] },
  friend: { facts: ["{v} is {n}'s best friend."], questions: ["Do you know {n}'s best friend?", "Tell me who {n}'s best friend is.", "Who does {n} like best?"] },
  money: { facts: ["{n} keeps {v} coins in a box.", "In a bag {n} carries {v} coins."], questions: ["Do you know how many coins {n} has?", "Tell me how many coins {n} owns.", "What number of coins does {n} own?"] },
  owns: { facts: ["{n} carries a {v} {t}.", "The color of {n}'s {t} is {v}."], questions: ["Do you know the color of {n}'s {t}?", "Tell me the color of {n}'s {t}.", "Is {n}'s {t} red, or which color is it?"] },
  keeps: { facts: ["{n} hid the {t} {v}.", "Look {v} for {n}'s {t}."], questions: ["Do you know where {n}'s {t} is?", "Tell me where {n} put the {t}.", "Where did {n} hide the {t}?"] },
  bought: { facts: ["{n} carries {v} {p}.", "There are {v} {p} on {n}'s table."], questions: ["Do you know how many {p} {n} has?", "Tell me how many {p} {n} has.", "What is the number of {n}'s {p}?"] },
  founded: { facts: ["{n} began in {v}.", "In {v}, people founded {n}."], questions: ["Do you know when {n} was founded?", "Tell me the year in which {n} was founded."] },
  mayor: { facts: ["People chose {v} as mayor of {n}.", "{n}'s mayor is {v}."], questions: ["Do you know the mayor of {n}?", "Tell me who the mayor of {n} is.", "Who leads the town of {n}?"] },
  river: { facts: ["On the banks of the {v} lies {n}."], questions: ["Do you know the river of {n}?", "Tell me on which river {n} lies.", "What is the river of {n}?"] },
  people: { facts: ["In {n} there live {v} people."], questions: ["Do you know how many people {n} has?", "Tell me how many people live in {n}.", "How big is {n}?"] },
  known: { facts: ["The {v} of {n} is famous."], questions: ["Do you know what {n} is known for?", "Tell me what {n} is famous for.", "What do people know {n} for?"] },
  market: { facts: ["Come to {n} on {v} for the market."], questions: ["Do you know when the market in {n} is?", "Tell me the day of the market in {n}."] },
  owner: { facts: ["The {s} in {n} is owned by {v}.", "{v} runs the {s} in {n}."], questions: ["Do you know who owns the {s} in {n}?", "Tell me the owner of the {s} in {n}.", "Who runs the {s} in {n}?"] },
  price: { facts: ["You pay {v} for the {n}."], questions: ["Do you know the price of the {n}?", "Tell me what the {n} costs.", "What do I pay for the {n}?"] },
  weight: { facts: ["On the scale the {n} shows {v}."], questions: ["Do you know the weight of the {n}?", "Tell me how heavy the {n} is."] },
  maker: { facts: ["It was {v} that made the {n}.", "The {n} is the work of {v}."], questions: ["Do you know who made the {n}?", "Tell me the maker of the {n}."] },
  author: { facts: ["The pages of \"{n}\" were written by {v}.", "The writer of \"{n}\" is {v}."], questions: ["Do you know who wrote \"{n}\"?", "Tell me the author of \"{n}\".", "Who is the writer of \"{n}\"?"] },
  published: { facts: ["Since {v} one can read \"{n}\"."], questions: ["Do you know when \"{n}\" came out?", "Tell me the year of \"{n}\"."] },
  pages: { facts: ["\"{n}\" is a book of {v} pages."], questions: ["Do you know how many pages \"{n}\" has?", "Tell me how many pages \"{n}\" has.", "What is the number of pages of \"{n}\"?"] },
  founder: { facts: ["{v} started {n}.", "It all began when {v} started {n}."], questions: ["Do you know who started {n}?", "Tell me the founder of {n}."] },
  workers: { facts: ["{n} gives work to {v} people."], questions: ["Do you know how many people work at {n}?", "Tell me how many workers {n} has.", "What is the number of workers at {n}?"] },
  seat: { facts: ["You reach {n} at its office in {v}."], questions: ["Do you know where {n} has its office?", "Tell me where the office of {n} is.", "Where does {n} work from?"] },
  capital: { facts: ["{n}'s capital is {v}."], questions: ["Do you know the capital of {n}?", "Tell me the capital of {n}.", "What is the capital town of {n}?"] },
  longest: { facts: ["Among the rivers of {n} the {v} is longest."], questions: ["Do you know the longest river in {n}?", "Tell me the longest river in {n}.", "Which of {n}'s rivers is the longest?"] },
  highest: { facts: ["Among the mountains of {n}, {v} is highest."], questions: ["Do you know the highest mountain in {n}?", "Tell me the highest mountain in {n}.", "Which of {n}'s mountains is the highest?"] },
  king: { facts: ["In {n}, {v} is king.", "{n} is ruled by King {v}."], questions: ["Do you know the king of {n}?", "Tell me who rules {n}.", "Who sits on the throne of {n}?"] },
};

const words =
  "window kettle basket mirror blanket ladder saddle helmet whistle button spoon bottle carpet feather needle shovel anchor barrel bracelet camera cushion dagger envelope flag goblet hat jacket key lamp mask net oven pencil quilt rope shield tent vase wheel violin box chair desk fence gate hook iron jar kite lock map nail organizer paddle ring scissors towel urn vest wagon zipper".split(
    " ",
  );

/** Any letters, with a vowel now and then: names that no syllable can guess. */
export function strangeName(random: Random): string {
  let name = "";
  for (let i = whole(random, 3, 9); i > 0; i--)
    name += pick(random, [...(chance(random, 0.42) ? "aeiou" : "bcdfghjklmnpqrstvwxyz")]);
  return capital(name);
}

const places = new Set(["home", "seat", "capital"]);
const named = new Set(
  "employer petName language teacher sister friend mayor river owner maker author founder boss longest highest king".split(
    " ",
  ),
);
const plain = new Set("job food known drink pet about color owns paint instrument sport bridge".split(" "));

/** What training says and more, about things with stranger names. */
export const lateWording: Wording = {
  relations,
  facts: ({ key, facts }) => [...facts, ...(more[key]?.facts ?? [])],
  questions: ({ key, questions }) => [...questions, ...(more[key]?.questions ?? [])],
  name: (random, subject) =>
    subject === "person" || subject === "town" || subject === "company" || subject === "land"
      ? chance(random, 0.4)
        ? strangeName(random)
        : subjectName(random, subject)
      : subjectName(random, subject),
  value: (random, relation) => {
    const strange = chance(random, 0.35);
    if (strange && plain.has(relation.key)) return pick(random, words);
    if (strange && (named.has(relation.key) || places.has(relation.key))) return strangeName(random);
    return named.has(relation.key) && chance(random, 0.3) ? pick(random, firstNames) : relation.value(random);
  },
  extras: (random) => ({ ...extras(random), ...(chance(random, 0.6) ? { t: pick(random, words) } : {}) }),
};
