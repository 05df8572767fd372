// The decoder under a constraint: what may come, what must come, what is reported, and when the text ends.

import { expect, test } from "vitest";
import { createOps } from "../../kernels/ops.ts";
import { selectKernels } from "../../kernels/select.ts";
import type { Constraint } from "../../src/decode/constraint.ts";
import { createDecoder, type DecodedToken } from "../../src/decode/decoder.ts";
import { type DecodeParameters, decodingOf } from "../../src/decode/parameters.ts";
import { choose } from "../../src/decode/sampler.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { generate } from "../../src/engine/generate.ts";
import { loadModel } from "../../src/model/load.ts";
import { defaultModel } from "../../src/plainformer.ts";
import { loadTokenizer } from "../../src/tokenizer/load-tokenizer.ts";

const tokenizer = await loadTokenizer(defaultModel);
const ops = createOps((await selectKernels()).kernels);
const { model, endIds } = await loadModel(ops, defaultModel);
const { vocabSize } = model.config;
const [end] = endIds;
const idOf = (text: string) => tokenizer.encode(text, { addSpecialTokens: false })[0];
const [a, b, c, d] = ["a", "b", "c", "d"].map(idOf);

/** Lets only some tokens come: those listed for each position, the last list for all that follow. */
function only(lists: readonly (readonly number[])[], state: { complete?: boolean; length?: number } = {}) {
  const accepted: number[] = [];
  const allowed = () => lists[Math.min(accepted.length, lists.length - 1)];
  const constraint: Constraint = {
    mask(logits) {
      for (let id = 0; id < logits.length; id++) if (!allowed().includes(id)) logits[id] = -Infinity;
    },
    accept: (id) => accepted.push(id),
    forced() {
      const choice = lists.findIndex((list, i) => i >= accepted.length && list.length !== 1);
      return lists.slice(accepted.length, choice < 0 ? undefined : choice).flat();
    },
    get complete() {
      return state.complete ?? accepted.length === state.length;
    },
    get finished() {
      return accepted.length === state.length;
    },
  };
  return { constraint, accepted };
}

/** Logits that like `id` best, then the others in order of id. */
function liking(id: number): Float32Array {
  const logits = Float32Array.from({ length: vocabSize }, (_, i) => -i / vocabSize);
  logits[id] = 10;
  return logits;
}

function decoder(parameters: DecodeParameters, constraint?: Constraint) {
  return createDecoder(decodingOf({ seed: 1, ...parameters }, vocabSize, 1000), tokenizer, endIds, [], constraint);
}

const idsOf = (tokens: DecodedToken[]) => tokens.map((token) => token.id);

test("only allowed tokens come, at any temperature and whatever is liked, biased or penalized", () => {
  for (const temperature of [0, 0.5, 1, 100])
    for (const extra of [{}, { topK: 1 }, { topK: 50 }, { topP: 0.9 }, { minP: 0.2 }, { logitBias: { [d]: 100 } }]) {
      const { constraint } = only([[a, b, c]]);
      const decode = decoder({ temperature, ...extra }, constraint);
      for (let i = 0; i < 20; i++) for (const id of idsOf(decode(liking(d)))) expect([a, b, c]).toContain(id);
    }
});

test("penalties and temperature act among what is allowed", () => {
  // Of a and b the bias decides; a hundred times hotter, both come.
  const pick = (parameters: DecodeParameters) => {
    const decode = decoder({ logitBias: { [b]: 30 }, ...parameters }, only([[a, b]]).constraint);
    return new Set(Array.from({ length: 60 }, () => decode(new Float32Array(vocabSize))[0].id));
  };
  expect(pick({ temperature: 1 })).toEqual(new Set([b]));
  expect(pick({ temperature: 100 })).toEqual(new Set([a, b]));
});

test("log-probabilities are of the allowed tokens: they sum to 1, and impossible ones are not listed", () => {
  const logits = liking(d);
  const decode = decoder({ temperature: 0, logprobs: 10 }, only([[a, b, c]]).constraint);
  const total = Math.log([a, b, c].reduce((sum, id) => sum + Math.exp(logits[id]), 0));
  const [token] = decode(logits.slice());
  expect(token.topLogprobs?.map((top) => top.id).toSorted()).toEqual([a, b, c].toSorted());
  for (const { id, logprob } of token.topLogprobs ?? []) expect(logprob).toBeCloseTo(logits[id] - total, 12);
  expect(token.logprob).toBe(token.topLogprobs?.[0].logprob);
});

test("an end-of-text token comes only where the text is complete, whether the constraint masks it or not", () => {
  const early = decoder({ temperature: 0 }, only([[a, b, end]], { complete: false }).constraint);
  expect(idsOf(early(liking(end)))).not.toContain(end);
  const { constraint, accepted } = only([[a, b]], { complete: true });
  expect(decoder({ temperature: 0 }, constraint)(liking(end))).toMatchObject([{ id: end, finishReason: "stop" }]);
  expect(accepted).toEqual([]); // the end is not told to the constraint
  const on = decoder({ temperature: 0, ignoreEnd: true }, only([[a, b]], { complete: true }).constraint);
  expect(idsOf(on(liking(end)))).not.toContain(end);
});

test("a finished constraint ends the text with its last token", () => {
  const decode = decoder({ temperature: 0 }, only([[a, b]], { length: 3 }).constraint);
  expect([decode(liking(a)), decode(liking(b)), decode(liking(a))].flat()).toMatchObject([
    { id: a, text: "a" },
    { id: b, text: "b" },
    { id: a, text: "a", finishReason: "stop" },
  ]);
});

test("where nothing is allowed, the error says so", () => {
  const decode = decoder({ temperature: 0 }, only([[]]).constraint);
  expect(() => decode(liking(a))).toThrow("the constraint on the output allows no token here");
});

test("forced tokens come with the one before them, certain and in order; at the start without any choice", () => {
  const { constraint, accepted } = only([[a], [b], [c, d], [a], [b], [c, d]]);
  const decode = decoder({ temperature: 0, logprobs: 2 }, constraint);
  const first = decode(new Float32Array(vocabSize).fill(Number.NaN)); // not looked at
  expect(first).toEqual([
    { id: a, text: "a", logprob: 0, topLogprobs: [{ id: a, logprob: 0 }] },
    { id: b, text: "b", logprob: 0, topLogprobs: [{ id: b, logprob: 0 }] },
  ]);
  const second = decode(liking(d));
  expect(idsOf(second)).toEqual([d, a, b]);
  expect(second[0].logprob).toBeLessThan(0);
  expect(second[1].logprob).toBe(0);
  expect(accepted).toEqual([a, b, d, a, b]);
});

test("a limit or a stop string inside forced tokens ends the text there", () => {
  const forced = () => only([[a], [b], [c], [d], [a, b]]).constraint;
  expect(decoder({ maxTokens: 3 }, forced())(liking(a))).toMatchObject([
    { id: a },
    { id: b },
    { id: c, finishReason: "length" },
  ]);
  const stopped = decoder({ stop: "bc" }, forced())(liking(a));
  expect(stopped).toMatchObject([{ id: a }, { id: b }, { id: c, finishReason: "stop" }]);
  expect(stopped.map((token) => token.text).join("")).toBe("a");
});

test("control tokens leave text only when asked for; one that ends the text never does", () => {
  const control = tokenizer.addedTokens.find((token) => token.special && token.id !== end);
  if (!control) throw new Error("the model that ships has no control token beside its end");
  for (const [specialTokens, text] of [
    [false, "ab"],
    [true, `a${control.content}b`],
  ] as const) {
    const decode = decoder({ temperature: 0, specialTokens });
    const tokens = [a, control.id, b, end].flatMap((id) => decode(liking(id)));
    expect(tokens.map((token) => token.text).join("")).toBe(text);
  }
});

test("a draw that rounding leaves over falls on a token that can come", () => {
  expect(choose({ ids: [1, 2, 3], probs: [0.5, 0.4, 0] }, 0.95)).toBe(2);
});

test("forced tokens that the model would have chosen change nothing but the number of steps", async () => {
  const text = async (constraint?: Constraint) => {
    const engine = createEngine(ops, model, { cacheTokens: 512, prefixCache: false });
    const served = { engine, config: model.config, tokenizer, endIds, generatedTokens: 0 };
    const options = { input: "Once upon a time", maxTokens: 60, temperature: 0, ignoreEnd: true };
    for await (const event of generate(served, options, constraint))
      if (event.type === "end") return { ids: event.ids, steps: engine.load().steps };
    throw new Error("generate ended without an end");
  };
  const free = await text();
  expect(free.steps).toBe(60);
  const anything = Array.from({ length: vocabSize }, (_, id) => id);
  const lists = free.ids.map((id, i) => (i % 10 > 2 ? [id] : anything)); // 42 of 60 forced, 7 in a row
  expect(await text(only(lists).constraint)).toEqual({ ids: free.ids, steps: 18 });
});
