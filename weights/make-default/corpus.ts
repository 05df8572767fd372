// The training text of the default model: an endless, seeded stream of documents of many kinds.
//
// Half of it is copying in some form: answers that stand in a passage, arguments that stand in a request. Nothing is
// read from anywhere: the files beside this one write it all.

import { chance, type Random, weighted, whole } from "./draw.ts";
import { codeChat, fimDocument, functionsFile } from "./functions.ts";
import { lateWording } from "./late.ts";
import { lookup, passageChat, questionJson, recordJson, repeat, type Size, tableChat } from "./questions.ts";
import { story } from "./stories.ts";
import { review, smallTalkChat, storyChat, summaryChat } from "./talk.ts";
import { toolChat } from "./tools.ts";
import { wideFim, wideJson, widePassage, wideTools } from "./wide.ts";
import { wideReview } from "./wide-talk.ts";

/** A document: its text with control tokens in it, and what of it counts in the loss. */
export interface Document {
  text: string;
  /** "answers": only what follows `<｜Assistant｜>`, `<｜fim▁end｜>` or the outputs of tools. */
  learn: "all" | "answers";
}

/** A kind of document and how many of a hundred are of it. */
export type Mix = readonly (readonly [(random: Random) => Document, number])[];

const all =
  (make: (random: Random) => string) =>
  (random: Random): Document => ({ text: make(random), learn: "all" });
const answers =
  (make: (random: Random) => string) =>
  (random: Random): Document => ({ text: make(random), learn: "answers" });
const passages = (size: Size) => answers((random) => passageChat(random, size));

function tale(random: Random): string {
  return story(random).text;
}

/** Stories of two to ten chapters, up to 2,000 tokens. */
function longTale(random: Random): string {
  return story(random, whole(random, 2, 10)).text;
}

const code: Mix = [
  [all(functionsFile), 3],
  [answers(codeChat), 5],
  [answers(fimDocument), 12],
];
const talk: Mix = [
  [all(tale), 5],
  [answers(storyChat), 3],
  [answers(summaryChat), 3],
  [all(review), 4],
  [answers(smallTalkChat), 2],
];
const asks: Mix = [
  [answers(questionJson), 8],
  [answers(recordJson), 7],
  [answers(toolChat), 12],
];

/** First: short passages and plain copying, so that attention learns to look things up. */
export const firstMix: Mix = [
  ...code,
  ...talk,
  ...asks,
  [passages({ subjects: [1, 2], facts: [1, 3] }), 26],
  [answers(lookup), 12],
  [answers(tableChat), 4],
  [answers(repeat), 6],
];

/** Then: longer passages, more holes and stranger names in functions, tools whose parameters are described. */
export const mainMix: Mix = [
  [all(functionsFile), 3],
  [answers(codeChat), 5],
  [answers((random) => fimDocument(random, 0.6)), 22],
  [all(tale), 4],
  [answers(storyChat), 3],
  [answers(summaryChat), 3],
  [all(review), 3],
  [answers(smallTalkChat), 2],
  [answers(questionJson), 8],
  [answers(recordJson), 7],
  [answers((random) => toolChat(random, chance(random, 0.4))), 10],
  [passages({ subjects: [1, 3], facts: [2, 4] }), 38],
  [answers(lookup), 4],
  [answers(tableChat), 2],
  [answers(repeat), 2],
];

/** Third: the same, worded in more ways, with words and names of any kind, and more plain copying again. */
export const lateMix: Mix = [
  [all(functionsFile), 2],
  [answers(codeChat), 4],
  [answers((random) => fimDocument(random, 0.8)), 24],
  [all(tale), 3],
  [answers(storyChat), 3],
  [answers(summaryChat), 2],
  [all(review), 3],
  [answers(smallTalkChat), 1],
  [answers(questionJson), 12],
  [answers(recordJson), 5],
  [answers((random) => toolChat(random, chance(random, 0.4))), 13],
  [answers((random) => passageChat(random, { subjects: [2, 3], facts: [1, 3] }, lateWording)), 44],
  [answers(lookup), 5],
  [answers(tableChat), 1],
  [answers(repeat), 6],
];

/** Fourth: wordings, words and tools of every kind. */
export const wideMix: Mix = [
  [answers((random) => widePassage(random, { subjects: [2, 3], facts: [1, 3] })), 28],
  [answers((random) => widePassage(random, { subjects: [1, 4], facts: [1, 4] })), 6],
  [answers(wideTools), 22],
  [answers((random) => wideFim(random)), 48],
  [answers(wideJson), 12],
  [answers(recordJson), 5],
  [all(wideReview), 8],
  [all(functionsFile), 2],
  [answers(codeChat), 4],
  [all(tale), 2],
  [answers(storyChat), 3],
  [answers(summaryChat), 3],
  [answers(smallTalkChat), 1],
  [answers(lookup), 4],
  [answers(tableChat), 1],
  [answers(repeat), 5],
];

/** Last and longest: the same with more functions, whose bodies have to be known by heart, and fewer stories. */
export const functionsMix: Mix = [
  [answers((random) => widePassage(random, { subjects: [2, 3], facts: [1, 3] })), 28],
  [answers((random) => widePassage(random, { subjects: [1, 4], facts: [1, 4] })), 6],
  [answers(wideTools), 22],
  [answers((random) => wideFim(random, 0.3)), 90],
  [answers(wideJson), 9],
  [answers(recordJson), 4],
  [all(wideReview), 6],
  [all(functionsFile), 1],
  [answers(codeChat), 4],
  [all(tale), 1],
  [answers(storyChat), 2],
  [answers(summaryChat), 2],
  [answers(smallTalkChat), 1],
  [answers(lookup), 4],
  [answers(tableChat), 1],
  [answers(repeat), 5],
];

/** What the vocabulary is learned from: all kinds, with long stories and passages of up to forty facts. */
export const vocabularyMix: Mix = [
  ...code,
  ...talk,
  ...asks,
  [all(longTale), 6],
  [passages({ subjects: [2, 4], facts: [2, 5] }), 30],
  [passages({ subjects: [5, 8], facts: [3, 5] }), 6],
  [answers(lookup), 3],
];

/** The next document of a mix. */
export function document(random: Random, mix: Mix): Document {
  return weighted(random, mix)(random);
}
