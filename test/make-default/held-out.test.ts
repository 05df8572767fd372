// What the model is measured on is worded otherwise than what it is trained on.

import { expect, test } from "vitest";
import { requests, strangers, worded, wordings } from "../../weights/make-default/held-out.ts";
import { lateWording } from "../../weights/make-default/late.ts";
import { relations } from "../../weights/make-default/passages.ts";
import { knownTools, slots } from "../../weights/make-default/tools.ts";
import { people } from "../../weights/make-default/wide-people.ts";
import { placesAndThings } from "../../weights/make-default/wide-places.ts";
import { wideRequests, wideSlots } from "../../weights/make-default/wide-tools.ts";
import { moreTools } from "../../weights/make-default/wide-tools-list.ts";

/** Every list of training that facts, questions and requests are drawn from. */
const training: readonly (readonly [list: string, templates: readonly string[]])[] = [
  ["passages.ts", relations.flatMap(({ facts, questions }) => [...facts, ...questions])],
  ["late.ts", relations.flatMap((relation) => [...lateWording.facts(relation), ...lateWording.questions(relation)])],
  ["tools.ts", [...knownTools.flatMap((tool) => tool.requests), ...slots.flatMap(({ said }) => said)]],
  ["wide-people.ts", Object.values(people).flatMap(({ facts, questions }) => [...facts, ...questions])],
  ["wide-places.ts", Object.values(placesAndThings).flatMap(({ facts, questions }) => [...facts, ...questions])],
  ["wide-tools.ts", [...Object.values(wideRequests).flat(), ...wideSlots.flatMap(({ said }) => said)]],
  ["wide-tools-list.ts", moreTools.flatMap((tool) => tool.requests)],
];

const heldOut: readonly string[] = [
  ...Object.values(wordings).flatMap(({ facts, questions }) => [...facts, ...questions]),
  ...Object.values(requests).flat(),
  ...strangers.flatMap((tool) => tool.requests),
];

/** The words alone: lower-cased, without punctuation, and every placeholder the same. */
function bare(template: string): string {
  return template
    .toLowerCase()
    .replace(/\{\w*\}/g, " # ")
    .replace(/[^\p{Letter}\p{Number}#]+/gu, " ")
    .trim();
}

const holes = (template: string) => [...new Set(template.match(/\{\w+\}/g))].sort();

test("bare() sees through capitals, punctuation and the names of placeholders", () => {
  expect(bare("Where is {n}'s {t}?")).toBe("where is # s #");
  expect(bare("so, “Where IS {person}'s {thing}” - now!")).toBe("so where is # s # now");
  expect(bare("{a}+{b}")).toBe("# #");
});

test.each(training)("no held-out fact, question or request is one of %s", (_, templates) => {
  expect(templates.length).toBeGreaterThan(10);
  const known = new Set(templates.map(bare));
  expect(heldOut.filter((template) => known.has(bare(template)))).toEqual([]);
});

test("no held-out template is there twice", () => {
  expect(new Set(heldOut).size).toBe(heldOut.length);
});

test("every relation has two facts and three questions, with the placeholders that training's have", () => {
  expect(Object.keys(wordings)).toHaveLength(relations.length);
  for (const relation of relations) {
    const { facts, questions } = worded(relation) ?? { facts: [], questions: [] };
    const name = `${relation.subject} ${relation.key}`;
    expect([facts.length, questions.length], name).toEqual([2, 3]);
    for (const fact of facts) expect(holes(fact), fact).toEqual(holes(relation.answer));
    for (const question of questions)
      expect(holes(question), question).toEqual(holes(relation.answer).filter((hole) => hole !== "{v}"));
  }
});

test("every tool of training has three requests; the tools that it does not know have other names and two", () => {
  expect(Object.keys(requests)).toEqual(knownTools.map(({ name }) => name));
  for (const { name } of strangers) expect([...knownTools, ...moreTools].map((tool) => tool.name)).not.toContain(name);
  const asked = [
    ...knownTools.map((tool) => [tool, requests[tool.name], 3] as const),
    ...strangers.map((tool) => [tool, tool.requests, 2] as const),
  ];
  for (const [{ name, parameters }, own, count] of asked) {
    expect(own, name).toHaveLength(count);
    const needed = Object.values(parameters).map(([, value]) => `{${value}}`);
    for (const request of own) expect(holes(request), request).toEqual(needed.sort());
  }
});
