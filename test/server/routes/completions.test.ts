// /completions, /completions_from_embeds, /token_embeddings and /score over HTTP, held against the library in this thread.

import { expect, test } from "vitest";
import type { GenerateEnd, GenerateOptions } from "../../../src/engine/generate.ts";
import { load } from "../../../src/plainformer.ts";
import { formatsOf } from "../../../src/server/formats.ts";
import { stories260k } from "../../outside-data.ts";
import { api, type Json } from "./api.ts";

const { ask, send, stream, refused, served } = await api();
const { tokenizer, config } = served;
const greedy = { temperature: 0, max_tokens: 12 };
const text = "Once upon a time, there was a little";

async function directly(options: GenerateOptions) {
  let end: GenerateEnd | undefined;
  const tokens = [];
  for await (const event of served.generate({ temperature: 0, maxTokens: 12, ...options })) {
    if (event.type === "end") end = event as GenerateEnd;
    if (event.type === "token") tokens.push(event);
  }
  return { ...(end as GenerateEnd), tokens };
}

/** Rows of the embedding table, as nested arrays. */
async function rowsOf(ids: readonly number[]): Promise<number[][]> {
  const flat = await served.embed(ids);
  return ids.map((_, i) => Array.from(flat.subarray(i * config.dModel, (i + 1) * config.dModel)));
}

test("a text is continued as the library does; usage counts", async () => {
  const answer = await ask("/completions", { prompt: text, ...greedy });
  const expected = await directly({ input: text });
  expect(answer).toEqual({
    id: expect.stringMatching(/^[\w-]{36}$/),
    object: "text_completion",
    created: expect.closeTo(Date.now() / 1000, -2),
    model: "plainformer",
    system_fingerprint: `fp_${served.fingerprint.slice(0, 10)}`,
    choices: [{ index: 0, text: expected.text, logprobs: null, finish_reason: "length" }],
    usage: {
      prompt_tokens: expected.usage.promptTokens,
      prompt_cache_hit_tokens: 0,
      prompt_cache_miss_tokens: expected.usage.promptTokens,
      completion_tokens: 12,
      total_tokens: expected.usage.promptTokens + 12,
      prompt_tokens_details: { cached_tokens: 0, embed_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 0 },
    },
  });
});

test("every form of the prompt gives the same text", async () => {
  const ids = tokenizer.encode(text);
  const rows = await rowsOf(ids);
  const packed = (dtype: string, from: number, to: number, bytes: Buffer) => ({
    shape: [to - from, config.dModel],
    dtype,
    data: bytes.toString("base64"),
  });
  const f32 = Buffer.from(Float32Array.from(rows.flat()).buffer);
  // The table is bf16: the upper halves of its f32 lose nothing.
  const bf16 = Buffer.from(Uint8Array.from(f32.filter((_, i) => i % 4 >= 2)));
  const segments = [
    { type: "tokens", ids: ids.slice(0, 2) },
    { type: "embeds", id: "p", embeds: rows.slice(2, 5) },
    { type: "tokens", ids: ids.slice(5) },
  ];
  const bodies: [string, object, number][] = [
    ["/completions", { prompt: text }, 0],
    ["/completions", { prompt: [text] }, 0],
    ["/completions", { prompt: ids }, 0],
    ["/completions", { prompt: [ids] }, 0],
    ["/completions", { prompt_embeds: rows }, ids.length],
    ["/completions", { prompt_embeds: rows, prompt: "" }, ids.length],
    ["/completions", { prompt_embeds: rows.slice(0, 3), prompt: ids.slice(3) }, 3],
    ["/completions", { prompt_embeds: packed("f32", 0, ids.length, f32) }, ids.length],
    ["/completions", { prompt_embeds: packed("bf16", 0, ids.length, bf16) }, ids.length],
    ["/completions", { input: segments }, 3],
    ["/completions", { input: text }, 0],
    ["/completions_from_embeds", { prompt_embeds: rows }, ids.length],
    ["/completions_from_embeds", { prompt_embeds: rows, prompt_text: "" }, ids.length],
    ["/completions_from_embeds", { input: segments }, 3],
  ];
  const expected = await directly({ input: text });
  for (const [path, body, embedTokens] of bodies) {
    const { choices, usage } = await ask(path, { ...greedy, ...body });
    const what = `${path} ${Object.keys(body)}`;
    expect(choices[0].text, what).toBe(expected.text);
    expect(usage.prompt_tokens, what).toBe(ids.length);
    expect(usage.prompt_tokens_details.embed_tokens, what).toBe(embedTokens);
  }
});

test("f16 and bf16 bytes are the numbers that IEEE 754 and bfloat16 say", async () => {
  const numbers = [0.5, -0.25, 2 ** -24, 1.5]; // each exact in f16; 2^-24 is its smallest
  const patterns = { f16: [0x3800, 0xb400, 0x0001, 0x3e00], bf16: [0x3f00, 0xbe80, 0x3380, 0x3fc0] };
  const repeated = (list: number[]) => Array.from({ length: config.dModel }, (_, i) => list[i % 4]);
  const body = { max_tokens: 1, temperature: 0, logprobs: 5 };
  const expected = await ask("/completions_from_embeds", { ...body, prompt_embeds: [repeated(numbers)] });
  for (const [dtype, list] of Object.entries(patterns)) {
    const data = Buffer.from(Uint16Array.from(repeated(list)).buffer).toString("base64");
    const tensor = { shape: [1, config.dModel], dtype, data };
    const { choices } = await ask("/completions_from_embeds", { ...body, prompt_embeds: tensor });
    expect(choices, dtype).toEqual(expected.choices);
  }
});

test("the RFC's body: rows of one's own, then text", async () => {
  const rows = (await rowsOf(tokenizer.encode("The happy fox", { addSpecialTokens: false }))).map((row, i) =>
    row.map((x, j) => Math.fround(x + 0.01 * Math.sin(i + j))),
  );
  const body = { prompt_embeds: rows, prompt_text: "Once upon", ...greedy };
  const { choices, usage } = await ask("/completions_from_embeds", body);
  const embeds = Float32Array.from(rows.flat());
  const expected = await directly({ input: [{ embeds, shape: [rows.length, config.dModel] }, { text: "Once upon" }] });
  expect(choices[0].text).toBe(expected.text);
  expect(usage.prompt_tokens).toBe(expected.usage.promptTokens);
  expect(usage.prompt_tokens_details.embed_tokens).toBe(rows.length);
});

test("prompts and continuations stand in order; seeds make them independent and repeatable", async () => {
  const body = { prompt: ["The fox", tokenizer.encode("A bird")], n: 3, seed: 7, temperature: 1.5, max_tokens: 8 };
  const [a, b] = await Promise.all([ask("/completions", body), ask("/completions", body)]);
  expect(a.choices).toEqual(b.choices);
  expect(a.choices.map((choice: Json) => choice.index)).toEqual([0, 1, 2, 3, 4, 5]);
  const texts = a.choices.map((choice: Json) => choice.text);
  expect(new Set(texts.slice(0, 3)).size).toBe(3);
  for (const [i, prompt] of ["The fox", "A bird"].entries()) {
    const alone = await ask("/completions", { ...body, prompt, n: 1 });
    expect(alone.choices[0].text).toBe(texts[3 * i]);
  }
  // Each prompt counts once, however many continuations it has.
  expect(a.usage.prompt_tokens).toBe(tokenizer.encode("The fox").length + tokenizer.encode("A bird").length);
  expect(a.usage.completion_tokens).toBeLessThanOrEqual(6 * 8);
});

test("a stream says the same as the whole answer, with usage on the last chunk", async () => {
  const body = { prompt: text, n: 2, seed: 3, max_tokens: 10, logprobs: 2, echo: true };
  const whole = await ask("/completions", body);
  const { chunks, done } = await stream("/completions", body);
  expect(done).toBe(true);
  for (const choice of whole.choices) {
    const pieces = chunks.flatMap((chunk) => chunk.choices).filter(({ index }) => index === choice.index);
    expect(pieces.map((piece) => piece.text).join("")).toBe(choice.text);
    expect(pieces.flatMap((piece) => piece.logprobs?.token_logprobs ?? [])).toEqual(choice.logprobs.token_logprobs);
    expect(pieces.flatMap((piece) => piece.logprobs?.text_offset ?? [])).toEqual(choice.logprobs.text_offset);
    expect(pieces.map((piece) => piece.finish_reason)).toEqual([...pieces.slice(1).map(() => null), "length"]);
  }
  expect(chunks.filter((chunk) => "usage" in chunk)).toEqual([chunks.at(-1)]);
  expect(chunks.at(-1).usage).toEqual({ ...whole.usage, ...hits(chunks.at(-1).usage) });
  expect(chunks.at(-1).choices).toHaveLength(1);
});

/** What depends on what the cache holds. */
function hits(usage: Json): Json {
  const { prompt_cache_hit_tokens, prompt_cache_miss_tokens, prompt_tokens_details } = usage;
  expect(prompt_cache_hit_tokens + prompt_cache_miss_tokens).toBe(usage.prompt_tokens);
  return { prompt_cache_hit_tokens, prompt_cache_miss_tokens, prompt_tokens_details };
}

test("usage in every chunk, and in a chunk of its own, when asked for", async () => {
  const body = { prompt: text, max_tokens: 3 };
  const every = await stream("/completions", { ...body, stream_options: { include_usage: true } });
  expect(every.chunks.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
  expect(every.chunks.at(-1).choices[0].finish_reason).toBe("length");
  expect(every.chunks.at(-1).usage.completion_tokens).toBe(3);
  const own = await stream("/completions", { ...body, stream_options: { include_usage: true, usage_chunk: true } });
  expect(own.chunks.at(-2).choices[0].finish_reason).toBe("length");
  expect(own.chunks.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
  expect(own.chunks.at(-1).choices).toEqual([]);
  expect(own.chunks.at(-1).usage.completion_tokens).toBe(3);
});

test("echo with logprobs: the prompt's true log-probabilities, by name and offset", async () => {
  const full = `${text} fox who`;
  const scored = await ask("/completions", { prompt: full, echo: true, logprobs: 3, max_tokens: 0 });
  const [{ text: echoed, logprobs, finish_reason }] = scored.choices;
  expect(echoed).toBe(full);
  expect(finish_reason).toBe("length");
  expect(scored.usage.completion_tokens).toBe(0);
  const ids = tokenizer.encode(full);
  const [score] = await served.score({ input: [{ ids: ids.slice(0, 1) }], targets: [ids.slice(1)] });
  expect(logprobs.token_logprobs).toEqual([null, ...score.logprobs]);
  expect(logprobs.top_logprobs[0]).toBeNull();
  for (const [i, offset] of logprobs.text_offset.entries()) {
    if (i === 0) continue; // the token that begins a text has none itself
    expect(full.startsWith(logprobs.tokens[i], offset), `token ${i}`).toBe(true);
    expect(Object.keys(logprobs.top_logprobs[i])).toContain(logprobs.tokens[i]);
    expect([3, 4]).toContain(Object.keys(logprobs.top_logprobs[i]).length);
  }
  // The form in which lm-evaluation-harness asks: one token more.
  const one = await ask("/completions", {
    prompt: [ids],
    echo: true,
    logprobs: 1,
    max_tokens: 1,
    temperature: 0,
    seed: 1,
  });
  expect(one.choices[0].logprobs.token_logprobs.slice(0, -1)).toEqual(logprobs.token_logprobs);
});

test("a token that is part of a character is named by its bytes; offsets stay on characters", async () => {
  const { choices } = await ask("/completions", { prompt: "a🦊b", echo: true, logprobs: 0, max_tokens: 0 });
  const { tokens, text_offset } = choices[0].logprobs;
  const bytes = tokens.filter((token: string) => token.startsWith("bytes:"));
  expect(bytes.join("").replaceAll("bytes:", "")).toBe("\\xf0\\x9f\\xa6\\x8a");
  expect(tokens.at(-1)).toBe("b");
  expect(text_offset.at(-1)).toBe(3);
});

test("offsets where a tokenizer drops the space that begins a text", async (context) => {
  if (stories260k.missing) return context.skip(stories260k.missing);
  const stories = await load(stories260k.directory);
  const { ask } = await api({ model: stories });
  for (const echo of [false, true]) {
    const body = { prompt: "Once upon a time", echo, logprobs: 0, ...greedy };
    const [{ text, logprobs }] = (await ask("/completions", body)).choices;
    expect(text.startsWith(echo ? "Once" : ",")).toBe(true);
    const words = logprobs.tokens.map((token: string, i: number) => [token.trim(), logprobs.text_offset[i]]);
    for (const [word, offset] of words.slice(echo ? 1 : 0))
      expect(text.slice(offset).trimStart().startsWith(word)).toBe(true);
    expect(logprobs.text_offset.at(-1) + logprobs.tokens.at(-1).length).toBe(text.length);
  }
  await stories.close();
});

test("tokens of a stop string are neither told nor counted out of the text", async () => {
  const { text: all, tokens } = await directly({ input: text });
  const stop = tokens[4].text + tokens[5].text;
  const answer = await ask("/completions", { prompt: text, ...greedy, stop: ["never", stop], logprobs: 0 });
  const [{ text: cut, logprobs, finish_reason }] = answer.choices;
  expect(cut).toBe(all.slice(0, all.indexOf(stop)));
  expect(finish_reason).toBe("stop");
  expect(logprobs.tokens.join("")).toBe(cut);
});

test("an end-of-text token is no text and has no log-probability told", async () => {
  const [end] = served.endIds;
  const body = { prompt: text, ...greedy, logit_bias: { [end]: 100 }, logprobs: 1 };
  const { choices, usage } = await ask("/completions", body);
  expect(choices[0]).toEqual({
    index: 0,
    text: "",
    finish_reason: "stop",
    logprobs: { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] },
  });
  expect(usage.completion_tokens).toBe(1);
});

test("fill in the middle ends at its family's tokens, which are no text", async () => {
  const { fim } = formatsOf(served);
  const own = (fim?.endIds ?? []).filter((id) => !served.endIds.includes(id));
  expect(own.length).toBeGreaterThan(3);
  for (const id of own) {
    const body = { prompt: "def f():\n", suffix: "\n", max_tokens: 5, logit_bias: { [id]: 100 }, logprobs: 0 };
    const { choices, usage } = await ask("/beta/completions", body);
    expect(choices[0], `token ${id}`).toMatchObject({ text: "", finish_reason: "stop", logprobs: { tokens: [] } });
    expect(usage.completion_tokens).toBe(1);
  }
});

test("/token_embeddings: rows of the table, in both forms", async () => {
  const ids = tokenizer.encode("The fox");
  const { object, model, data, usage } = await ask("/token_embeddings", { input: ["The fox", [5, 6]] });
  expect({ object, model }).toEqual({ object: "list", model: "plainformer" });
  expect(data.map(({ index, ids }: Json) => [index, ids])).toEqual([
    [0, ids],
    [1, [5, 6]],
  ]);
  expect(data[0].tokens.slice(1).join("")).toBe("The fox");
  expect(Float32Array.from(data[0].embeddings.flat())).toEqual(await served.embed(ids));
  expect(usage).toMatchObject({ prompt_tokens: ids.length + 2, completion_tokens: 0, total_tokens: ids.length + 2 });
  const packed = await ask("/token_embeddings", { input: ids, encoding_format: "base64" });
  const { shape, dtype, data: bytes } = packed.data[0].embeddings;
  expect({ shape, dtype }).toEqual({ shape: [ids.length, config.dModel], dtype: "f32" });
  expect(new Float32Array(new Uint8Array(Buffer.from(bytes, "base64")).buffer)).toEqual(await served.embed(ids));
  const bare = await ask("/token_embeddings", { input: "The fox", add_special_tokens: false });
  expect(bare.data[0].ids).toEqual(ids.slice(1));
});

test("/score: by token and summed, for targets and candidates", async () => {
  const targets = [" cat", tokenizer.encode(" little dog", { addSpecialTokens: false })];
  const plain = await ask("/score", { input: "Once upon a", targets });
  const expected = await served.score({ input: "Once upon a", targets });
  expect(
    plain.data.map(({ candidate, target, ids, logprobs, sum }: Json) => ({ candidate, target, ids, logprobs, sum })),
  ).toEqual(expected.map(({ ids, logprobs, sum }, target) => ({ candidate: null, target, ids, logprobs, sum })));
  expect(plain.data[0].tokens).toEqual([" cat"]);
  const tokens = tokenizer.encode("Once upon a").length + expected[0].ids.length + expected[1].ids.length;
  expect(plain.usage).toMatchObject({ prompt_tokens: tokens, completion_tokens: 0 });

  const first = await rowsOf(tokenizer.encode("The sad", { addSpecialTokens: false }));
  const second = await rowsOf(tokenizer.encode("A happy", { addSpecialTokens: false }));
  const fixed = { type: "embeds", embeds: first };
  const input = [fixed, { type: "embeds", id: "p", candidate: true }, { type: "text", text: "Once" }];
  const many = await ask("/score", { input, targets, candidates: [first, second] });
  expect(many.data.map(({ candidate, target }: Json) => [candidate, target])).toEqual([
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ]);
  for (const [c, rows] of [first, second].entries()) {
    const alone = await ask("/score", { input: [fixed, { ...fixed, embeds: rows }, input[2]], targets });
    expect(many.data.filter(({ candidate }: Json) => candidate === c).map(({ sum }: Json) => sum)).toEqual(
      alone.data.map(({ sum }: Json) => sum),
    );
  }
  expect(many.data[0].sum).not.toBe(many.data[2].sum);
});

test.each<[string, string, object, string]>([
  ["no prompt", "/completions", {}, "prompt"],
  ["an empty list", "/completions", { prompt: [] }, "prompt"],
  ["no token ids", "/completions", { prompt: [[]] }, "prompt"],
  ["an id outside the vocabulary", "/completions", { prompt: [5, 4096] }, "prompt"],
  ["a negative id", "/completions", { prompt: [5, -1] }, "prompt[1]"],
  ["a prompt longer than the context", "/completions", { prompt: new Array(8200).fill(5) }, "prompt"],
  ["too many prompts", "/completions", { prompt: new Array(129).fill("a") }, "prompt"],
  ["huge n", "/completions", { prompt: "a", n: 2 ** 40 }, "n"],
  ["best_of", "/completions", { prompt: "a", best_of: 2 }, "best_of"],
  ["max_tokens 0 without echo", "/completions", { prompt: "a", max_tokens: 0 }, "max_tokens"],
  ["suffix outside beta", "/completions", { prompt: "a", suffix: "b" }, "suffix"],
  ["suffix with echo", "/beta/completions", { prompt: "a", suffix: "b", echo: true }, "echo"],
  ["suffix with a list", "/beta/completions", { prompt: ["a"], suffix: "b" }, "prompt"],
  ["suffix for more than 4096", "/beta/completions", { prompt: "a", suffix: "b", max_tokens: 4097 }, "max_tokens"],
  ["input and prompt", "/completions", { prompt: "a", input: "b" }, "prompt"],
  ["stream_options without stream", "/completions", { prompt: "a", stream_options: {} }, "stream_options"],
  ["an empty stop", "/completions", { prompt: "a", stop: "" }, "stop"],
  ["17 stops", "/completions", { prompt: "a", stop: new Array(17).fill("x") }, "stop"],
  ["a bias of no id", "/completions", { prompt: "a", logit_bias: { x: 1 } }, "logit_bias"],
  ["a bias outside the vocabulary", "/completions", { prompt: "a", logit_bias: { 9999: 1 } }, "logit_bias"],
  ["a bias of 101", "/completions", { prompt: "a", logit_bias: { 5: 101 } }, "logit_bias.5"],
  ["no such soft prompt", "/completions", { input: [{ type: "soft_prompt", name: "x" }] }, "input[0].name"],
  ["an unknown segment", "/completions", { input: [{ type: "image" }] }, "input[0].type"],
  ["an id in a segment", "/completions", { input: [{ type: "tokens", ids: [4096] }] }, "input[0].ids"],
  ["no rows", "/completions_from_embeds", { prompt_text: "a" }, "prompt_embeds"],
  ["no target", "/score", { input: "a", targets: [] }, "targets"],
  ["an empty target", "/score", { input: "a", targets: ["x", ""] }, "targets[1]"],
  ["an id in a target", "/score", { input: "a", targets: [[4096]] }, "targets[0]"],
  ["candidates for nothing", "/score", { input: "a", targets: ["x"], candidates: [[[0]]] }, "candidates[0][0]"],
  ["no input", "/token_embeddings", {}, "input"],
  ["an empty input", "/token_embeddings", { input: [] }, "input"],
  ["an id beyond", "/token_embeddings", { input: [4096] }, "input"],
  ["more rows than the context", "/token_embeddings", { input: new Array(8193).fill(5) }, "input"],
  ["more numbers than are written out", "/token_embeddings", { input: new Array(4097).fill(5) }, "input"],
  ["a text of a million letters", "/token_embeddings", { input: "x".repeat(3e6) }, "input"],
])("%s: 400 that names the field", async (_, path, body, param) => {
  const { status, message, param: named } = await refused(path, body);
  expect({ status, named }, message).toEqual({ status: 400, named: param });
});

test("an empty prompt is the token that begins a text, or a 400: never a crash", async () => {
  const { usage } = await ask("/completions", { prompt: "", max_tokens: 1 });
  expect(usage.prompt_tokens).toBe(1);
  const after = await send("/completions", { prompt: "still there", max_tokens: 1 });
  expect(after.status).toBe(200);
});

test("a suffix without characters is none where there is no fill-in-the-middle, and an empty one where there is", async () => {
  const plain = await ask("/v1/completions", { prompt: text, ...greedy });
  for (const suffix of ["", null])
    expect((await ask("/v1/completions", { prompt: text, suffix, echo: false, ...greedy })).choices).toEqual(
      plain.choices,
    );
  expect((await ask("/v1/completions", { prompt: text, suffix: "", echo: true, ...greedy })).choices[0].text).toMatch(
    text,
  );
  const fim = await ask("/beta/completions", { prompt: text, suffix: "", ...greedy });
  expect(fim.usage.prompt_tokens).toBe(plain.usage.prompt_tokens + 3); // begin, hole, end
  const bare = await api({ beta: true, model: { ...served, tokenizer: withoutFim() } });
  expect((await bare.ask("/completions", { prompt: text, suffix: "", ...greedy })).choices).toEqual(plain.choices);
});

/** The same vocabulary, in which no token is known by the names of those for filling in. */
function withoutFim(): typeof tokenizer {
  return { ...tokenizer, idOf: (text) => (/fim/i.test(text) ? undefined : tokenizer.idOf(text)) };
}

test("control tokens that a prompt spells out count where a request, or the server, says so", async () => {
  const chatMl = "<｜User｜>Hello!<｜Assistant｜>";
  const parsed = tokenizer.encode(chatMl, { parseSpecialTokens: true });
  const control = tokenizer.idOf("<｜Assistant｜>") as number;
  expect(parsed.filter((id) => id === control)).toHaveLength(1);
  const expected = await ask("/completions", { prompt: parsed, ...greedy });
  const plain = await ask("/completions", { prompt: chatMl, ...greedy });
  expect(plain.choices[0].text).not.toBe(expected.choices[0].text);
  const parse = { parse_special_tokens: true, ...greedy };
  const ways: object[] = [
    { prompt: chatMl },
    { prompt: [chatMl] },
    { input: [{ type: "text", text: chatMl }] },
    { input: chatMl },
  ];
  for (const way of ways) expect((await ask("/completions", { ...way, ...parse })).choices).toEqual(expected.choices);
  const echoed = { echo: true, logprobs: 1, ...greedy };
  expect((await ask("/completions", { prompt: chatMl, ...parse, ...echoed })).choices).toEqual(
    (await ask("/completions", { prompt: parsed, ...echoed })).choices,
  );
  const byDefault = await api({ parseSpecialTokens: true });
  expect((await byDefault.ask("/completions", { prompt: chatMl, ...greedy })).choices).toEqual(expected.choices);
  const not = { prompt: chatMl, parse_special_tokens: false, ...greedy };
  expect((await byDefault.ask("/completions", not)).choices).toEqual(plain.choices);
  // A message of a chat stays text, whatever the server says of prompts.
  const said = { messages: [{ role: "user", content: "<｜Assistant｜>" }], ...greedy };
  expect((await byDefault.ask("/chat/completions", said)).usage).toEqual((await ask("/chat/completions", said)).usage);
  const both = { prompt: "a", suffix: "b", parse_special_tokens: true };
  expect((await refused("/beta/completions", both)).param).toBe("parse_special_tokens");
});
