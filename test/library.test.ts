// What an importer gets from load(): generation, scores and embeddings, on the model that ships and on goldens.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  EngineBusyError,
  EngineClosedError,
  type GenerateEnd,
  type GenerateEvent,
  type GenerateOptions,
  type Input,
  load,
  type Plainformer,
} from "../src/index.ts";
import { expectClose, tolerance } from "./expect-close.ts";
import { readGolden } from "./golden/golden.ts";

const model = await load();
const greedy = { temperature: 0, maxTokens: 40 };

async function run(options: GenerateOptions, on: Plainformer = model) {
  const tokens: { id: number; text: string; logprob?: number; topLogprobs?: { id: number; logprob: number }[] }[] = [];
  let end: GenerateEnd | undefined;
  let prompt: Extract<GenerateEvent, { type: "prompt" }> | undefined;
  for await (const event of on.generate(options))
    if (event.type === "token") tokens.push(event);
    else if (event.type === "end") end = event;
    else prompt = event;
  if (!prompt || !end) throw new Error("generate ended without its prompt or end event");
  return { prompt, tokens, end };
}

test("the pieces, joined, are the text; usage counts rows and tokens", async () => {
  const { tokens, end } = await run({ input: "Once upon a time", ...greedy });
  expect(tokens.map((token) => token.text).join("")).toBe(end.text);
  expect(end.ids).toEqual(tokens.map((token) => token.id));
  expect(end.finishReason).toBe("length");
  expect(end.usage).toEqual({
    promptTokens: 5,
    embedTokens: 0,
    cachedTokens: 0,
    completionTokens: 40,
    totalTokens: 45,
  });
  const prompt = model.tokenizer.encode("Once upon a time");
  expect(model.tokenizer.decode([...prompt, ...end.ids], { skipSpecialTokens: true })).toBe(
    `Once upon a time${end.text}`,
  );
});

test("text, ids and embeddings of the same tokens, in any mixture: the same tokens and bits", async () => {
  const ids = model.tokenizer.encode("Once upon a time, there was");
  const rows = await model.embed(ids);
  const { dModel } = model.config;
  const embeds = (from: number, to: number) => ({
    embeds: rows.slice(from * dModel, to * dModel),
    shape: [to - from, dModel] as const,
  });
  const inputs: Input[] = [
    "Once upon a time, there was",
    [{ ids }],
    [embeds(0, ids.length)],
    [embeds(0, 2), { ids: ids.slice(2, 5) }, embeds(5, ids.length)],
    [{ ids: ids.slice(0, 3) }, embeds(3, 4), embeds(4, 5), { ids: ids.slice(5) }],
  ];
  const results = await Promise.all(inputs.map((input) => run({ input, ...greedy, logprobs: 3 })));
  for (const { tokens, end } of results) {
    expect(end.text).toBe(results[0].end.text);
    expect(tokens.map(({ logprob, topLogprobs }) => [logprob, topLogprobs])).toEqual(
      results[0].tokens.map(({ logprob, topLogprobs }) => [logprob, topLogprobs]),
    );
  }
  expect(results[3].end.usage.embedTokens).toBe(2 + ids.length - 5);
});

test("a seed fixes the choice; another seed makes another", async () => {
  const options = { input: "The little", maxTokens: 20, temperature: 1.2 };
  const [a, b, c] = await Promise.all([
    run({ ...options, seed: 1 }),
    run({ ...options, seed: 1 }),
    run({ ...options, seed: 2 }),
  ]);
  expect(b.end.ids).toEqual(a.end.ids);
  expect(c.end.ids).not.toEqual(a.end.ids);
});

test("a stop string ends the text before it, also when it is spread over tokens", async () => {
  const { end } = await run({ input: "Once upon a time", ...greedy });
  const from = Math.floor(end.text.length / 2);
  const stop = end.text.slice(from, from + 9); // begins and ends inside tokens
  const stopped = await run({ input: "Once upon a time", ...greedy, stop: ["never seen", stop] });
  expect(stopped.end.text).toBe(end.text.slice(0, end.text.indexOf(stop)));
  expect(stopped.end.finishReason).toBe("stop");
  expect(stopped.end.ids.length).toBeLessThan(end.ids.length);
});

test("a biased end-of-text token ends the text; ignoreEnd goes on", async () => {
  const [end] = model.endIds;
  const options = { input: "Once upon a time", ...greedy, logitBias: { [end]: 100 } };
  const stopped = await run(options);
  expect(stopped.end).toMatchObject({ text: "", ids: [end], finishReason: "stop" });
  const ignored = await run({ ...options, maxTokens: 3, ignoreEnd: true });
  expect(ignored.end).toMatchObject({ text: "", ids: [end, end, end], finishReason: "length" });
});

test("log-probabilities: of the chosen and of the top tokens, and score gives the same", async () => {
  const { tokens, end } = await run({ input: "Once upon a time", ...greedy, logprobs: 5 });
  for (const { id, logprob, topLogprobs } of tokens) {
    expect(topLogprobs).toHaveLength(5);
    expect(topLogprobs?.[0]).toEqual({ id, logprob }); // greedy
    const sum = (topLogprobs ?? []).reduce((total, top) => total + Math.exp(top.logprob), 0);
    expect(sum).toBeLessThanOrEqual(1 + 1e-9);
  }
  const [score] = await model.score({ input: "Once upon a time", targets: [end.ids] });
  expect(score.logprobs).toEqual(tokens.map((token) => token.logprob));
  expect(score.sum).toBe(score.logprobs.reduce((a, b) => a + b, 0));
});

test("score = log softmax of PyTorch's logits", async () => {
  const golden = await readGolden("llama-gqa");
  if (!golden.score) throw new Error("the golden has no score");
  const { ids, targets, logprobs } = golden.score;
  const tiny = await loadTiny(golden.directory);
  const [score] = await tiny.score({ input: [{ ids }], targets: [targets] });
  for (const [i, logprob] of logprobs.entries())
    expect(Math.abs(score.logprobs[i] - logprob)).toBeLessThan(tolerance.logprob);
});

test("log-probabilities of a prompt = log softmax of PyTorch's logits, with the text that follows or without", async () => {
  const golden = await readGolden("llama-gqa");
  if (!golden.score) throw new Error("the golden has no score");
  const { ids, targets, logprobs } = golden.score;
  const tiny = await loadTiny(golden.directory);
  const input = [{ ids: [...ids, ...targets] }];
  const { prompt, tokens, end } = await run({ input, maxTokens: 0, promptLogprobs: 3 }, tiny);
  expect(tokens).toEqual([]);
  expect(end).toMatchObject({ text: "", ids: [], finishReason: "length", usage: { completionTokens: 0 } });
  expect(prompt.logprobs?.map(({ id }) => id)).toEqual([...ids, ...targets]);
  expect(prompt.logprobs?.[0]).toEqual({ id: ids[0] }); // nothing comes before it
  for (const [i, expected] of logprobs.entries())
    expect(Math.abs((prompt.logprobs?.[ids.length + i].logprob ?? 0) - expected)).toBeLessThan(tolerance.logprob);
  for (const { topLogprobs } of prompt.logprobs?.slice(1) ?? []) expect(topLogprobs).toHaveLength(3);

  const alone = await run({ input, maxTokens: 5, temperature: 0 }, tiny);
  const both = await run({ input, maxTokens: 5, temperature: 0, promptLogprobs: 0 }, tiny);
  expect(both.end.ids).toEqual(alone.end.ids);
  expect(both.prompt.logprobs).toEqual(prompt.logprobs?.map(({ topLogprobs, ...rest }) => rest));
});

test("log-probabilities of a prompt with embeddings: of its tokens, after everything before them", async () => {
  const ids = model.tokenizer.encode("Once upon a time, there was a");
  const { dModel } = model.config;
  const embeds = await model.embed(ids.slice(2, 5));
  const mixed = [{ ids: ids.slice(0, 2) }, { embeds, shape: [3, dModel] as const }, { ids: ids.slice(5) }];
  const whole = await run({ input: [{ ids }], maxTokens: 0, promptLogprobs: 0 });
  const some = await run({ input: mixed, maxTokens: 0, promptLogprobs: 0 });
  expect(some.prompt.logprobs).toEqual(whole.prompt.logprobs?.toSpliced(2, 3));
  const first = await run({ input: [{ embeds, shape: [3, dModel] }, { ids: [5] }], maxTokens: 0, promptLogprobs: 0 });
  expect(first.prompt.logprobs).toEqual([{ id: 5, logprob: expect.any(Number) }]);
});

test("a context that is full to the last token can still be scored", async () => {
  const golden = await readGolden("llama-gqa");
  const tiny = await loadTiny(golden.directory);
  const input = [{ ids: Array.from({ length: tiny.config.maxSeqLen }, (_, i) => i % 90) }];
  const { prompt } = await run({ input, maxTokens: 0, promptLogprobs: 0 }, tiny);
  expect(prompt.logprobs).toHaveLength(tiny.config.maxSeqLen);
  await expect(run({ input, promptLogprobs: 0 }, tiny)).rejects.toThrow(
    "expected at most 127: the maximum context length is 128 tokens",
  );
});

test("a second request that begins with 1,000 rows of the first computes only the rest, and says so", async () => {
  const fresh = await load();
  const ids = Array.from({ length: 1000 }, (_, i) => 3 + ((i * 7919) % 2500));
  const first = await run({ input: [{ ids: [...ids, 7] }], ...greedy, maxTokens: 3 }, fresh);
  const before = await fresh.load();
  const second = await run({ input: [{ ids: [...ids, 8, 9] }], ...greedy, maxTokens: 3 }, fresh);
  const after = await fresh.load();
  expect([first.prompt.cachedTokens, second.prompt.cachedTokens]).toEqual([0, 960]);
  expect(second.end.usage).toMatchObject({ promptTokens: 1002, cachedTokens: 960 });
  expect(after.promptRowsComputed - before.promptRowsComputed).toBe(42);
  const stranger = await run({ input: [{ ids: [...ids, 8, 9] }], ...greedy, maxTokens: 3, tenant: "other" }, fresh);
  expect(stranger.prompt.cachedTokens).toBe(0);
  expect(stranger.end.ids).toEqual(second.end.ids);
  await fresh.close();
});

test("targets of one score share their input: its pages are computed once", async () => {
  const fresh = await load();
  const input = [{ ids: Array.from({ length: 300 }, (_, i) => 3 + ((i * 7919) % 2500)) }];
  const targets = Array.from({ length: 10 }, (_, i) => [i + 5, 6, 7]);
  const together = await fresh.score({ input, targets });
  expect((await fresh.load()).promptRowsComputed).toBe(302 + 9 * (302 - 256));
  for (const [i, target] of targets.entries())
    expect(await model.score({ input, targets: [target] })).toEqual([together[i]]);
  await fresh.close();
});

test("places and queue are bounded where asked for; closing refuses what comes", async () => {
  const small = await load(undefined, { maxRunning: 2, maxWaiting: 1 });
  const outcomes = await Promise.allSettled([1, 2, 3, 4].map(() => run({ input: "Once", maxTokens: 5 }, small)));
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "fulfilled", "rejected"]);
  expect((outcomes[3] as PromiseRejectedResult).reason).toBeInstanceOf(EngineBusyError);
  const narrow = await load(undefined, { cacheTokens: 100 });
  await expect(run({ input: [{ ids: new Array(101).fill(5) }], maxTokens: 9 }, narrow)).rejects.toThrow(
    "input: got 101 tokens, expected at most 100: the maximum context length is 100 tokens (option cacheTokens)",
  );
  expect((await run({ input: [{ ids: new Array(100).fill(5) }] }, narrow)).end.ids).toHaveLength(1);
  await small.close({ drainMs: 1000 });
  await expect(run({ input: "Once" }, small)).rejects.toBeInstanceOf(EngineClosedError);
  await expect(small.embed([1])).rejects.toBeInstanceOf(EngineClosedError);
  await small.close();
});

test("the fingerprint is of the files: the same for a copy, another for other weights", async () => {
  const golden = await readGolden("llama-gqa");
  const [one, copy] = [await loadTiny(golden.directory), await loadTiny(golden.directory)];
  expect(one.fingerprint).toMatch(/^[0-9a-f]{64}$/);
  expect(copy.directory).not.toBe(one.directory);
  expect(copy.fingerprint).toBe(one.fingerprint);
  const file = join(copy.directory, "model.safetensors");
  const bytes = readFileSync(file);
  for (let at = bytes.length - 4096; at < bytes.length; at += 2) bytes[at] ^= 1;
  writeFileSync(file, bytes);
  expect((await load(copy.directory)).fingerprint).not.toBe(one.fingerprint);
  expect((await load(one.directory, { dtype: "bf16" })).fingerprint).toBe(one.fingerprint);
});

test("the chat template: of tokenizer_config.json as text or by name, or of its own file, or none", async () => {
  const tiny = await loadTiny((await readGolden("llama-gqa")).directory);
  const config = join(tiny.directory, "tokenizer_config.json");
  const json = JSON.parse(readFileSync(config, "utf8"));
  const templateWith = async (template: unknown) => {
    writeFileSync(config, JSON.stringify({ ...json, chat_template: template }));
    return (await load(tiny.directory)).chatTemplate;
  };
  expect(tiny.chatTemplate).toBe(json.chat_template);
  expect(await templateWith(undefined)).toBeNull();
  const named = [
    { name: "tool_use", template: "tools" },
    { name: "default", template: "plain" },
  ];
  expect(await templateWith(named)).toBe("plain");
  await expect(templateWith([named[0]])).rejects.toThrow("tokenizer_config.json: chat_template is neither a text nor");
  await expect(templateWith(5)).rejects.toThrow("tokenizer_config.json: chat_template is neither a text nor");
  writeFileSync(join(tiny.directory, "chat_template.jinja"), "own file");
  expect(await templateWith("plain")).toBe("own file");
});

test("leaving the loop early frees the sequence's pages", async () => {
  const small = await load(undefined, { cacheTokens: 128 });
  for (let i = 0; i < 3; i++)
    for await (const event of small.generate({ input: "Once", maxTokens: 100 })) if (event.type === "token") break;
  // With a page leaked, this would wait for ever.
  const { end } = await run({ input: "Once", maxTokens: 100, ignoreEnd: true }, small);
  expect(end.ids).toHaveLength(100);
  small.close();
});

test("an abort ends generation with the signal's reason", async () => {
  const abort = new AbortController();
  const seen: number[] = [];
  const work = (async () => {
    for await (const event of model.generate({
      input: "Once",
      maxTokens: 500,
      ignoreEnd: true,
      signal: abort.signal,
    })) {
      if (event.type === "token") seen.push(event.id);
      if (seen.length === 5) abort.abort(new Error("the reader left"));
    }
  })();
  await expect(work).rejects.toThrow("the reader left");
  expect(seen.length).toBeLessThan(20);
});

test("embed = the rows of the table, whatever runs beside it", async () => {
  const background = run({ input: "Once upon a time", maxTokens: 10 });
  const rows = await model.embed([7, 0, 7]);
  const { dModel } = model.config;
  expect(rows).toHaveLength(3 * dModel);
  expect(rows.slice(0, dModel)).toEqual(rows.slice(2 * dModel));
  const table = await model.embed(Array.from({ length: 8 }, (_, i) => i));
  expectClose(rows.subarray(0, dModel), table.subarray(7 * dModel), 0, "row 7");
  await background;
});

test.each<[string, () => Promise<unknown>, string]>([
  ["maxTokens 0", () => run({ input: "a", maxTokens: 0 }), "maxTokens: got 0, expected a whole number ≥ 1"],
  [
    "NaN temperature",
    () => run({ input: "a", temperature: Number.NaN }),
    "temperature: got NaN, expected a number ≥ 0",
  ],
  [
    "a prompt longer than the context",
    () => run({ input: [{ ids: new Array(9000).fill(5) }] }),
    "input: got 9000 tokens, expected at most 8191: the maximum context length is 8192 tokens",
  ],
  [
    "more tokens than the context leaves",
    () => run({ input: [{ ids: [1, 2] }], maxTokens: 8191 }),
    "maxTokens: 8191 tokens do not fit, expected at most 8190 after this prompt",
  ],
  ["no targets", () => model.score({ input: "a", targets: [] }), "targets: expected a list of at least one text"],
  ["an empty target", () => model.score({ input: "a", targets: ["x", ""] }), "targets[1]: it is empty"],
  [
    "an id outside the vocabulary",
    () => model.embed([99999]),
    "ids: token 0 is 99999, expected a whole number from 0 to",
  ],
  [
    "a target outside the vocabulary",
    () => model.score({ input: "a", targets: [[-1]] }),
    "targets[0]: token 0 is -1, expected a whole number from 0 to",
  ],
])("%s", async (_, attempt, message) => {
  await expect(attempt()).rejects.toThrow(message);
});

/** A checkpoint without a tokenizer, with the default model's: only its ids are used. */
async function loadTiny(directory: string): Promise<Plainformer> {
  const { cp, mkdtemp } = await import("node:fs/promises");
  const { tmpdir } = await import("node:os");
  const copy = await mkdtemp(join(tmpdir(), "plainformer-"));
  await cp(directory, copy, { recursive: true });
  for (const file of ["tokenizer.json", "tokenizer_config.json"])
    await cp(join(model.directory, file), join(copy, file));
  return load(copy);
}

test("the model that ships: transformers' 64 greedy ids (test/golden/make-default-model.py)", async () => {
  const golden = JSON.parse(readFileSync(new URL("golden/default-model.json", import.meta.url), "utf8"));
  expect(model.tokenizer.encode(golden.prompt)).toEqual(golden.ids);
  const { end } = await run({ input: golden.prompt, maxTokens: 64, temperature: 0, ignoreEnd: true });
  expect(end.ids).toEqual(golden.greedy);
});
