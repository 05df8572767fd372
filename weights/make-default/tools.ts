// Tool calls: a list of functions, a request, the call with its arguments taken from the request, and what comes after.
// Most functions are put together from a verb and a noun, so that the right one has to be found by reading the list.

import {
  assistant,
  endOfSentence,
  type ToolCall,
  type ToolSchema,
  toolCalls,
  toolList,
  toolOutputs,
  user,
} from "./chat-form.ts";
import {
  capital,
  chance,
  code,
  inventedName,
  pick,
  type Random,
  sample,
  shuffled,
  whole,
  withArticle,
} from "./draw.ts";
import { firstNames } from "./passages.ts";
import { colors, foods, places, things } from "./stories.ts";
import { smallTalk } from "./talk.ts";

/** A tool, a request that needs it, and how it ends. */
export interface ToolCase {
  tool: ToolSchema;
  request: string;
  arguments: Record<string, unknown>;
  result: unknown;
  answer: string;
}

const cities =
  "Paris London Rome Berlin Madrid Oslo Tokyo Cairo Lima Boston Dublin Vienna Prague Athens Lisbon Beijing Sydney Toronto Hangzhou".split(
    " ",
  );
const skies = "sunny rainy cloudy windy snowy foggy".split(" ");
const units = "meters feet miles kilometers pounds grams liters dollars euros".split(" ");
const days = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(" ");

export interface Values {
  a: number;
  b: number;
  city: string;
  city2: string;
  person: string;
  thing: string;
  food: string;
  color: string;
  day: string;
  time: string;
  code: string;
  sky: string;
  degrees: number;
  unit: string;
  unit2: string;
  place: string;
  word: string;
}

/** Everything a request may name, drawn anew. */
export function drawValues(random: Random): Values {
  const city = () => (chance(random, 0.6) ? inventedName(random) : pick(random, cities));
  const [unit, unit2] = sample(random, units, 2);
  return {
    a: whole(random, 2, chance(random, 0.5) ? 99 : 999),
    b: whole(random, 2, 99),
    city: city(),
    city2: city(),
    person: chance(random, 0.6) ? inventedName(random) : pick(random, firstNames),
    thing: pick(random, things),
    food: pick(random, foods),
    color: pick(random, colors),
    day: pick(random, days),
    time: `${whole(random, 0, 23)}:${String(whole(random, 0, 59)).padStart(2, "0")}`,
    code: code(random),
    sky: pick(random, skies),
    degrees: whole(random, -9, 39),
    unit,
    unit2,
    place: pick(random, places),
    word: inventedName(random).toLowerCase(),
  };
}

/** A well-known tool: requests and the answer are templates over the values; a parameter is its type and the value it takes. */
export interface KnownTool {
  name: string;
  description: string;
  parameters: Record<string, [type: "string" | "number" | "integer" | "boolean", value: keyof Values]>;
  requests: readonly string[];
  result: (values: Values) => unknown;
  answer: string;
}

// biome-ignore format: one tool, a few lines
export const knownTools: readonly KnownTool[] = [
  { name: "get_weather", description: "Get weather of a location", parameters: { location: ["string", "city"] },
    requests: ["What is the weather in {city}?", "How is the weather in {city} today?", "How's the weather in {city}?", "Is it {sky} in {city}?", "Tell me the weather in {city}."],
    result: (v) => ({ weather: v.sky, temperature: v.degrees }), answer: "It is {sky} in {city}, with {degrees} degrees." },
  { name: "get_temperature", description: "Get the temperature in a city.", parameters: { city: ["string", "city"] },
    requests: ["How warm is it in {city}?", "What is the temperature in {city}?", "How cold is it in {city} now?"],
    result: (v) => `${v.degrees}℃`, answer: "The temperature in {city} is {degrees}℃." },
  { name: "get_time", description: "Get the time in a city.", parameters: { city: ["string", "city"] },
    requests: ["What time is it in {city}?", "Tell me the time in {city}.", "How late is it in {city}?"],
    result: (v) => ({ time: v.time }), answer: "It is {time} in {city}." },
  { name: "add", description: "Add two numbers.", parameters: { a: ["number", "a"], b: ["number", "b"] },
    requests: ["What is {a} plus {b}?", "Add {a} and {b}.", "How much is {a} + {b}?"],
    result: (v) => ({ result: v.a + v.b }), answer: "The result is {sum}." },
  { name: "multiply", description: "Multiply two numbers.", parameters: { a: ["number", "a"], b: ["number", "b"] },
    requests: ["What is {a} times {b}?", "Multiply {a} by {b}.", "How much is {a} * {b}?"],
    result: (v) => ({ result: v.a * v.b }), answer: "The result is {product}." },
  { name: "send_message", description: "Send a message to somebody.", parameters: { to: ["string", "person"], text: ["string", "word"] },
    requests: ["Tell {person}: {word}", "Send {person} a message: {word}", "Write {word} to {person}."],
    result: () => ({ sent: true }), answer: "I sent the message to {person}." },
  { name: "find_item", description: "Find out where something is.", parameters: { name: ["string", "thing"] },
    requests: ["Where is my {thing}?", "Can you find the {thing}?", "I lost my {thing}. Where is it?"],
    result: (v) => ({ place: v.place }), answer: "The {thing} is near the {place}." },
  { name: "book_train", description: "Book a train from one city to another.", parameters: { from: ["string", "city"], to: ["string", "city2"] },
    requests: ["Book a train from {city} to {city2}.", "I need a train from {city} to {city2}.", "Get me a train to {city2} from {city}."],
    result: (v) => ({ number: v.code }), answer: "Your train from {city} to {city2} has the number {code}." },
  { name: "set_alarm", description: "Set an alarm.", parameters: { time: ["string", "time"], day: ["string", "day"] },
    requests: ["Wake me at {time} on {day}.", "Set an alarm for {day} at {time}.", "I have to get up at {time} on {day}."],
    result: () => ({ set: true }), answer: "The alarm is set for {day} at {time}." },
  { name: "convert", description: "Convert an amount from one unit to another.", parameters: { amount: ["number", "a"], from: ["string", "unit"], to: ["string", "unit2"] },
    requests: ["Convert {a} {unit} to {unit2}.", "How many {unit2} are {a} {unit}?", "What are {a} {unit} in {unit2}?"],
    result: (v) => ({ result: v.b }), answer: "{a} {unit} are {b} {unit2}." },
  { name: "order_food", description: "Order food.", parameters: { dish: ["string", "food"], count: ["integer", "b"] },
    requests: ["Order {b} portions of {food}.", "I would like {b} times {food}.", "Bring us {b} portions of {food}."],
    result: (v) => ({ order: v.code }), answer: "I ordered {food}. The number of the order is {code}." },
  { name: "set_light", description: "Set the color of a lamp.", parameters: { room: ["string", "place"], color: ["string", "color"] },
    requests: ["Make the light in the {place} {color}.", "Turn the lamp in the {place} {color}.", "I want {color} light in the {place}."],
    result: () => ({ done: true }), answer: "The light in the {place} is {color} now." },
  { name: "get_phone_number", description: "Look up the phone number of a person.", parameters: { name: ["string", "person"] },
    requests: ["What is the phone number of {person}?", "How can I call {person}?", "Look up the number of {person}."],
    result: (v) => ({ number: v.a }), answer: "The number of {person} is {a}." },
  { name: "search", description: "Search the library for a word.", parameters: { query: ["string", "word"] },
    requests: ["Search for {word}.", "Find something about {word}.", "What do you have about {word}?"],
    result: (v) => ({ found: v.a }), answer: "I found {a} books about {word}." },
  { name: "remove_user", description: "Remove a user.", parameters: { id: ["string", "code"] },
    requests: ["Remove the user {code}.", "Delete user {code}.", "The user {code} has to go."],
    result: () => ({ removed: true }), answer: "The user {code} is removed." },
  { name: "get_user_balance", description: "Get the balance of a user.", parameters: { name: ["string", "person"] },
    requests: ["How much money does {person} have?", "What is the balance of {person}?", "Show me {person}'s balance."],
    result: (v) => ({ balance: v.a }), answer: "{person} has {a} dollars." },
];

const verbs =
  "get set open close start stop show delete create update check print move copy lock paint clean repair count sell".split(
    " ",
  );
const nouns =
  "door lamp window file page table song list report picture account ticket robot engine heater garden bill card letter map camera pump tank gate radio bus mail clock task note order".split(
    " ",
  );

/** What a put-together tool may take: name of the parameter, type, how a request says it, the value. */
export interface Slot {
  name: string;
  type: "string" | "integer";
  said: readonly string[];
  value: keyof Values;
}

export const slots: readonly Slot[] = [
  { name: "city", type: "string", said: ["in {}", "for the city {}", "of {}"], value: "city" },
  { name: "name", type: "string", said: ["called {}", "named {}", "with the name {}"], value: "word" },
  { name: "person", type: "string", said: ["for {}", "of {}", "that belongs to {}"], value: "person" },
  { name: "number", type: "integer", said: ["number {}", "with the number {}", "{}"], value: "a" },
  { name: "id", type: "string", said: ["with the id {}", "{}", "that has the id {}"], value: "code" },
  { name: "color", type: "string", said: ["in {}", "with the color {}", "that is {}"], value: "color" },
  { name: "day", type: "string", said: ["on {}", "for {}", "next {}"], value: "day" },
  { name: "time", type: "string", said: ["at {}", "for {}"], value: "time" },
];

/** Puts the values into the braces of a template. */
export function withValues(template: string, values: Values): string {
  const words: Record<string, unknown> = { ...values, sum: values.a + values.b, product: values.a * values.b };
  return template.replace(/\{(\w+)\}/g, (_, key: string) => String(words[key]));
}

function schema(name: string, description: string, parameters: Record<string, string>): ToolSchema {
  const properties = Object.fromEntries(Object.entries(parameters).map(([key, type]) => [key, { type }]));
  return { name, description, parameters: { type: "object", properties, required: Object.keys(parameters) } };
}

/** A case of a well-known tool. */
export function knownCase(
  random: Random,
  tool: KnownTool,
  requests: readonly string[] = tool.requests,
  values = drawValues(random),
): ToolCase {
  const types = Object.fromEntries(Object.entries(tool.parameters).map(([key, [type]]) => [key, type]));
  return {
    tool: schema(tool.name, tool.description, types),
    request: withValues(pick(random, requests), values),
    arguments: Object.fromEntries(Object.entries(tool.parameters).map(([key, [, value]]) => [key, values[value]])),
    result: tool.result(values),
    answer: withValues(tool.answer, values),
  };
}

const politeness = ["{}.", "Please {}.", "Can you {}?", "Could you {}, please?", "I want you to {}.", "{} now."];

/** What tools are put together from, and how requests for them are worded. */
export interface Parts {
  verbs: readonly string[];
  nouns: readonly string[];
  slots: readonly Slot[];
  wordings: readonly string[];
  values(random: Random): Values;
}

const parts: Parts = { verbs, nouns, slots, wordings: politeness, values: drawValues };

/** A case of a tool put together from a verb and a noun. */
export function builtCase(random: Random, { verbs, nouns, slots, wordings, values: draw }: Parts = parts): ToolCase {
  const [verb, noun] = [pick(random, verbs), pick(random, nouns)];
  const values = draw(random);
  const chosen = sample(random, slots, pick(random, [1, 1, 1, 2]));
  const said = chosen.map((slot) => pick(random, slot.said).replace("{}", String(values[slot.value])));
  const name = pick(random, [`${verb}_${noun}`, `${verb}_${noun}`, `${verb}${capital(noun)}`, `${noun}_${verb}`]);
  return {
    tool: schema(
      name,
      pick(random, [
        `${capital(verb)} ${withArticle(noun)}.`,
        `${capital(verb)} the ${noun}`,
        `Use this to ${verb} the ${noun}.`,
      ]),
      Object.fromEntries(chosen.map((slot) => [slot.name, slot.type])),
    ),
    request: capital(pick(random, wordings).replace("{}", `${verb} the ${noun} ${said.join(" ")}`)),
    arguments: Object.fromEntries(chosen.map((slot) => [slot.name, values[slot.value]])),
    result: pick(random, [{ ok: true }, { status: "done" }, "done"]),
    answer: `Done: I could ${verb} the ${noun}.`,
  };
}

function anyCase(random: Random): ToolCase {
  return chance(random, 0.5) ? knownCase(random, pick(random, knownTools)) : builtCase(random);
}

/** Some cases with tools of different names: the first is what the user asks for, the others only stand in the list. */
function toolCases(random: Random, count: number, draw: (random: Random) => ToolCase): ToolCase[] {
  const cases = new Map<string, ToolCase>();
  while (cases.size < count) {
    const next = draw(random);
    if (!cases.has(next.tool.name)) cases.set(next.tool.name, next);
  }
  return [...cases.values()];
}

/** The beginning of a conversation with tools. */
function toolPrompt(random: Random, cases: readonly ToolCase[]): string {
  const system = pick(random, ["", "", "You are a helpful assistant.\n\n", "Use the tools.\n\n"]);
  return (
    system +
    toolList(
      shuffled(
        random,
        cases.map(({ tool }) => tool),
      ),
    )
  );
}

function called(one: ToolCase): ToolCall {
  return { name: one.tool.name, arguments: one.arguments };
}

const meanings: Record<string, string> = {
  location: "The city and state, e.g. San Francisco, CA",
  city: "The name of the city",
  name: "The name",
  person: "Who it is for",
  number: "The number",
  id: "The id",
  day: "A day of the week",
  time: "Hours and minutes",
  text: "What to say",
  amount: "How much",
};

/** Gives some of a tool's parameters a description, as most real tools have. */
function describe(random: Random, { parameters: { properties } }: ToolSchema): void {
  for (const [name, property] of Object.entries(properties))
    if (chance(random, 0.5)) property.description = meanings[name] ?? `The ${name}`;
}

/** A conversation in which tools are called, sometimes two at once, sometimes none; `described`: parameters have descriptions. */
export function toolChat(random: Random, described = false, draw = anyCase): string {
  const cases = toolCases(random, whole(random, 1, 4), draw);
  if (described) for (const { tool } of cases) describe(random, tool);
  let text = toolPrompt(random, cases);
  if (chance(random, 0.06)) return text + smallTalk(random);
  const askedFor = cases.slice(0, chance(random, 0.2) ? 2 : 1);
  const request = askedFor.map((one) => one.request).join(" ");
  text += `${user}${request}${assistant}${toolCalls(askedFor.map(called))}${endOfSentence}`;
  if (chance(random, 0.6))
    text +=
      toolOutputs(askedFor.map(({ result }) => result)) +
      askedFor.map(({ answer }) => answer).join(" ") +
      endOfSentence;
  if (askedFor.length < cases.length && chance(random, 0.5)) {
    const next = cases[askedFor.length];
    text += `${user}${next.request}${assistant}${toolCalls([called(next)])}${endOfSentence}`;
    if (chance(random, 0.5)) text += toolOutputs([next.result]) + next.answer + endOfSentence;
  }
  return text;
}
