// The last two phases of training: the same tasks in many more wordings, over real and made-up words of every kind. Relations,
// answers and what functions do stay as they are; what varies is all that a model of this size would else learn by heart.

import { capital, chance, invented, inventedName, pick, type Random, weighted, whole } from "./draw.ts";
import {
  type FunctionTask,
  fimDocument,
  functionText,
  type Language,
  type Names,
  snake,
  tasks,
  written,
} from "./functions.ts";
import { lateWording, strangeName } from "./late.ts";
import { extras, passage, type Relation, type Subject, subjectName, type Wording } from "./passages.ts";
import { type Manner, passageChat, questionJson, type Size } from "./questions.ts";
import { foods, places } from "./stories.ts";
import {
  builtCase,
  drawValues,
  type KnownTool,
  knownCase,
  knownTools,
  type Parts,
  type ToolCase,
  toolChat,
  type Values,
} from "./tools.ts";
import { people } from "./wide-people.ts";
import { placesAndThings } from "./wide-places.ts";
import { passageFrames, passageSystems, questionFrames } from "./wide-talk.ts";
import { wideNouns, wideRequests, wideSlots, wideVerbs } from "./wide-tools.ts";
import { moreTools } from "./wide-tools-list.ts";
import { adjectives, cityNames, firstNamesOfTheWorld, nouns, surnames, verbs } from "./words.ts";

/** A name as somebody may have: real or made up, of one word or two. */
function name(random: Random): string {
  const first = weighted(random, [
    [inventedName, 4],
    [strangeName, 2],
    [(r: Random) => pick(r, firstNamesOfTheWorld), 4],
    [(r: Random) => capital(pick(r, nouns)), 1],
    [(r: Random) => `${inventedName(r)}${pick(r, endings)}`, 2],
  ] as const)(random);
  return chance(random, 0.12)
    ? `${first} ${chance(random, 0.5) ? pick(random, surnames) : inventedName(random)}`
    : first;
}
const endings =
  "berg ton ville ia burg a o us ford land stad wick ino ez ova sen son mark dale port mouth grad hold".split(" ");

function townName(random: Random): string {
  return chance(random, 0.25) ? pick(random, cityNames) : name(random);
}

/** A thing in one word or two: "kettle", "green kettle". */
function thing(random: Random): string {
  return (chance(random, 0.2) ? `${pick(random, adjectives)} ` : "") + pick(random, nouns);
}

const plural = (noun: string) =>
  /(s|x|z|ch|sh)$/.test(noun) ? `${noun}es` : /[^aeiou]y$/.test(noun) ? `${noun.slice(0, -1)}ies` : `${noun}s`;

const titles: readonly ((random: Random) => string)[] = [
  (r) => `The ${capital(pick(r, adjectives))} ${capital(pick(r, nouns))}`,
  (r) => `The ${capital(pick(r, nouns))} of ${name(r)}`,
  (r) => `${capital(pick(r, nouns))} and ${capital(pick(r, nouns))}`,
  (r) => `A ${capital(pick(r, nouns))} for ${name(r)}`,
  (r) => `${capital(pick(r, verbs))} the ${capital(pick(r, nouns))}`,
];

function subject(random: Random, kind: Subject): string {
  if (chance(random, 0.25)) return subjectName(random, kind);
  if (kind === "machine")
    return chance(random, 0.5) ? `${name(random)} ${pick(random, nouns)}` : `${pick(random, nouns)} ${name(random)}`;
  if (kind === "book") return pick(random, titles)(random);
  return kind === "town" ? townName(random) : name(random);
}

const towns = new Set(["home", "seat", "capital"]);
const names = new Set(
  "employer petName language teacher sister friend mayor river owner maker author founder boss longest highest king".split(
    " ",
  ),
);
const nouned = new Set("job food known drink pet about color owns paint instrument sport bridge".split(" "));

function value(random: Random, relation: Relation): string {
  if (towns.has(relation.key)) return townName(random);
  if (names.has(relation.key)) return name(random);
  if (chance(random, 0.4)) return relation.value(random);
  if (nouned.has(relation.key)) return chance(random, 0.1) ? `${pick(random, verbs)}ing` : thing(random);
  if (relation.key === "keeps") return `${pick(random, whereabouts)} the ${thing(random)}`;
  if (relation.key === "makes") return `${pick(random, [...adjectives, ...nouns])} ${plural(pick(random, nouns))}`;
  return relation.value(random);
}
const whereabouts = "near in behind at under on above below beside inside by over".split(" ");

const more = ({ subject, key }: Relation) =>
  subject === "person" ? people[key] : placesAndThings[subject === "land" && key === "language" ? "landLanguage" : key];

/** Every wording there is, over names and values of every kind. */
const wideWording: Wording = {
  relations: lateWording.relations,
  facts: (relation) => [...lateWording.facts(relation), ...more(relation).facts],
  questions: (relation) => [...lateWording.questions(relation), ...more(relation).questions],
  name: subject,
  value,
  extras: (random) =>
    chance(random, 0.3) ? extras(random) : { t: thing(random), s: pick(random, nouns), p: plural(pick(random, nouns)) },
};

const small = new Set(
  "a an the is are was did does do has have of to in on at for you me i can could would please".split(" "),
);

/** The question as somebody in a hurry types it: small letters, some marks and small words left out. */
function hasty(random: Random, question: string): string {
  const text = question
    .split(" ")
    .filter((word) => !small.has(word.toLowerCase()) || chance(random, 0.6))
    .join(" ");
  const low = text.charAt(0).toLowerCase() + text.slice(1);
  return chance(random, 0.5) ? low.replace(/[?.]$/, "") : low;
}

const manner: Manner = {
  put: (random, question) =>
    weighted(random, [
      [() => question, 5],
      [() => hasty(random, question), 2],
      [() => pick(random, questionFrames).replace("{q}", () => question), 3],
    ] as const)(),
  messages: ["{p}\n\n{q}", "{p}\n\n{q}", "{p} {q}", "{p}\n{q}", ...passageFrames],
  systems: ["", "", "", ...passageSystems],
};

/** Questions about a passage. */
export function widePassage(random: Random, size: Size): string {
  return passageChat(random, size, wideWording, manner);
}

/** Questions and answers turned into JSON. */
export function wideJson(random: Random): string {
  return questionJson(random, (r) => passage(r, 1, 1, wideWording).asked[0]);
}

/** The values of a request, of every kind. */
function values(random: Random): Values {
  return {
    ...drawValues(random),
    city: townName(random),
    city2: townName(random),
    person: name(random),
    thing: thing(random),
    food: chance(random, 0.5) ? pick(random, foods) : thing(random),
    place: chance(random, 0.5) ? pick(random, places) : pick(random, nouns),
    word: chance(random, 0.5) ? pick(random, nouns) : name(random).toLowerCase(),
  };
}

const parts: Parts = {
  verbs: wideVerbs,
  nouns: wideNouns,
  slots: wideSlots,
  wordings: [
    "{}.",
    "{}",
    "Please {}.",
    "Can you {}?",
    "Could you {}, please?",
    "I want you to {}.",
    "I need you to {}.",
    "Would you {}?",
    "{} for me, please.",
    "It is time to {}.",
    "Don't forget to {}.",
    "Go ahead and {}.",
    "Let us {}.",
    "We have to {}.",
    "Someone should {}.",
    "hey, {}",
    "pls {}",
    "{}, thanks!",
  ],
  values,
};

/** A case of a tool: well known, one of many others, or put together. */
function anyTool(random: Random): ToolCase {
  return weighted(random, [
    [() => known(pick(random, knownTools)), 4],
    [() => knownCase(random, pick(random, moreTools), undefined, values(random)), 4],
    [() => builtCase(random, parts), 3],
  ] as const)();
  function known(tool: KnownTool): ToolCase {
    return knownCase(random, tool, [...tool.requests, ...wideRequests[tool.name]], values(random));
  }
}

/** A conversation in which tools are called. */
export function wideTools(random: Random): string {
  return toolChat(random, chance(random, 0.4), anyTool);
}

/** Names as programs have them: words, or words joined. */
function functionNames(random: Random, { names }: FunctionTask, language: Language): Names {
  const word = () => (chance(random, 0.15) ? invented(random, pick(random, [1, 2])) : pick(random, nouns));
  const joined = (...words: string[]) => words[0] + words.slice(1).map(capital).join("");
  const variable = () =>
    chance(random, 0.25)
      ? joined(pick(random, [...adjectives, ...verbs]), word())
      : chance(random, 0.1)
        ? word()[0]
        : word();
  const base = pick(random, names);
  const f = weighted(random, [
    [() => base, 3],
    [() => joined(pick(random, verbs), base), 3],
    [() => joined(base, word()), 2],
    [() => joined(pick(random, verbs), word()), 2],
  ] as const)();
  const [a, b, n, s, x] = Array.from({ length: 5 }, variable);
  const xs = chance(random, 0.8) ? plural(variable()) : variable();
  const own = { f, a, b: b === a ? `${b}2` : b, n, s, xs, x: x === xs ? `${x}1` : x };
  const spelled = Object.entries(own).map(([key, text]) => [key, language === "py" ? snake(text) : text]);
  return { ...Object.fromEntries(spelled), k: String(whole(random, 2, chance(random, 0.7) ? 99 : 9999)) };
}

function functionWithNames(random: Random, language: Language = pick(random, ["ts", "py"] as const)): string {
  const one = pick(random, tasks);
  return written(
    one,
    language,
    functionNames(random, one, language),
    chance(random, 0.85) ? pick(random, one.docs) : null,
  );
}

/** A function with names of any kind, a hole, and what belongs there; `bodies`: the share that lacks its whole body. */
export function wideFim(random: Random, bodies = 0): string {
  return fimDocument(random, undefined, chance(random, 0.75) ? functionWithNames : functionText, bodies);
}
