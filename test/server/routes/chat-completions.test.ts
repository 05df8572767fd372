// /chat/completions over HTTP: the form of its stream, what it leaves when a client goes, whose cache it uses, and that no
// text of a user becomes a control token.

import { setTimeout as sleep } from "node:timers/promises";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";
import type { GenerateOptions } from "../../../src/engine/generate.ts";
import type { ScoreOptions } from "../../../src/engine/score.ts";
import { idsOf, promptOf } from "../../../src/prompt/segments.ts";
import { servedModel } from "../start.ts";
import { api, type Json } from "./api.ts";

const { ask, send, stream, served, url } = await api();
const messages = [{ role: "user", content: "Tell me a short story." }];
const greedy = { messages, temperature: 0, max_tokens: 16 };
const document: Json = await (await fetch(`${url}/openapi.json`)).json();
const ajv = new Ajv2020({ strict: false }).addSchema(document, "document");

/** Holds an answer against the document's own schema, judged by ajv. */
function expectWithin(path: string, answer: unknown, chunk = false): void {
  const content = document.paths[path].post.responses["200"].content;
  const schema = chunk ? content["text/event-stream"]["x-event-schema"] : content["application/json"].schema;
  const valid = ajv.compile(closed(schema));
  expect(valid(answer), ajv.errorsText(valid.errors)).toBe(true);
}

/** The same schema, in which an object has no field but those that are named: what is not documented is not sent. */
function closed(schema: Json): Json {
  if (Array.isArray(schema)) return schema.map(closed);
  if (schema === null || typeof schema !== "object") return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  return "properties" in inner ? { ...inner, additionalProperties: false } : inner;
}

/** Prometheus' counter of tokens. */
async function tokensCounted(kind: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`plainformer_tokens_total\\{kind="${kind}"\\} (\\d+)`).exec(text)?.[1] ?? 0);
}

test("the stream: role first, text, then an end that carries usage; every chunk within the schema", async () => {
  const whole = await ask("/chat/completions", { ...greedy, logprobs: true, top_logprobs: 2 });
  expectWithin("/chat/completions", whole);
  const { chunks, done } = await stream("/chat/completions", { ...greedy, logprobs: true, top_logprobs: 2 });
  for (const chunk of chunks) expectWithin("/chat/completions", chunk, true);
  expect(done).toBe(true);
  expect(chunks[0].choices).toEqual([
    { index: 0, delta: { role: "assistant", content: "" }, logprobs: null, finish_reason: null },
  ]);
  expect(chunks.at(-1).choices).toEqual([
    { index: 0, delta: { content: "" }, logprobs: null, finish_reason: "length" },
  ]);
  for (const { choices } of chunks.slice(1, -1)) {
    expect(Object.keys(choices[0].delta)).toEqual(["content"]);
    expect(choices[0].logprobs.content.map(({ token }: Json) => token).join("")).toBe(choices[0].delta.content);
  }
  const heads = chunks.map(({ id, object, created, model, system_fingerprint }) =>
    JSON.stringify({ id, object, created, model, system_fingerprint }),
  );
  expect(new Set(heads).size).toBe(1);
  expect(chunks[0].object).toBe("chat.completion.chunk");
  expect(chunks[0].system_fingerprint).toBe(whole.system_fingerprint);
});

test("the token that ends an answer is counted, and told nowhere", async () => {
  const body = { ...greedy, logprobs: true, logit_bias: { [served.endIds[0]]: 100 } };
  const { choices, usage } = await ask("/chat/completions", body);
  expect(choices[0]).toMatchObject({ finish_reason: "stop", message: { content: "" }, logprobs: { content: [] } });
  expect(usage.completion_tokens).toBe(1);
});

test("tool calls in a stream: id, name and no arguments first, then arguments alone", async () => {
  const parameters = { type: "object", properties: { location: { type: "string" } }, required: ["location"] };
  const body = {
    ...greedy,
    max_tokens: 100,
    messages: [{ role: "user", content: "What is the weather in Paris?" }],
    tools: [{ type: "function", function: { name: "get_weather", description: "Get the weather", parameters } }],
  };
  const whole = await ask("/chat/completions", body);
  expectWithin("/chat/completions", whole);
  const [call] = whole.choices[0].message.tool_calls;
  expect(whole.choices[0]).toMatchObject({ finish_reason: "tool_calls", message: { content: null } });
  const { chunks } = await stream("/chat/completions", body);
  for (const chunk of chunks) expectWithin("/chat/completions", chunk, true);
  const parts = chunks.flatMap(({ choices }) => choices[0].delta.tool_calls ?? []);
  expect(parts[0]).toMatchObject({
    index: 0,
    id: expect.any(String),
    type: "function",
    function: { name: "get_weather" },
  });
  for (const part of parts.slice(1)) expect(Object.keys(part)).toEqual(["index", "function"]);
  expect(parts.map((part) => part.function.arguments).join("")).toBe(call.function.arguments);
  expect(chunks.at(-1).choices[0].finish_reason).toBe("tool_calls");
});

test("without a chat template there is no chat, and the answer says so", async () => {
  const { refused } = await api({ model: { ...served, chatTemplate: null } });
  expect(await refused("/chat/completions", greedy)).toMatchObject({
    status: 400,
    param: "messages",
    message: expect.stringContaining("no chat template"),
  });
});

test("one's own prefix is found in the cache, another user's is not", async () => {
  const long = {
    ...greedy,
    messages: [{ role: "user", content: `${"The fox went home. ".repeat(30)}Unlike others.` }],
  };
  const hits = async (more: object) =>
    (await ask("/chat/completions", { ...long, ...more })).usage.prompt_cache_hit_tokens;
  expect(await hits({ user_id: "anna" })).toBe(0);
  const again = await hits({ user_id: "anna" });
  expect(again).toBeGreaterThanOrEqual(64);
  expect(again % 64).toBe(0);
  expect(await hits({ user_id: "bert" })).toBe(0);
  expect(await hits({})).toBe(0);
});

test.each([true, false])(
  "a client that goes leaves nothing behind, streamed: %s; what was computed is counted",
  async (streamed) => {
    const before = await tokensCounted("completion");
    const client = new AbortController();
    const body = { ...greedy, max_tokens: 4000, logit_bias: { [served.endIds[0]]: -100 }, n: 2, stream: streamed };
    const answer = send("/chat/completions", body, client.signal).then(async (response) => {
      for await (const _ of response.body as ReadableStream<Uint8Array>) break; // the first chunk
    });
    const failure = answer.catch((error) => error);
    for (let i = 0; i < 200 && (await served.load()).running < 2; i++) await sleep(5);
    expect((await served.load()).running).toBe(2);
    await sleep(50);
    client.abort();
    await failure;
    for (let i = 0; i < 100 && (await served.load()).running > 0; i++) await sleep(5);
    expect(await served.load()).toMatchObject({ running: 0, waiting: 0 });
    const counted = (await tokensCounted("completion")) - before;
    expect(counted).toBeGreaterThan(0);
    expect(counted).toBeLessThan(8000);
  },
);

test("no control token's text in any field becomes its id", async () => {
  const model = await servedModel();
  const { tokenizer, config } = model;
  const seen: number[][] = [];
  const spied = {
    ...model,
    generate(options: GenerateOptions) {
      seen.push(idsOf(promptOf(options.input, tokenizer, config)));
      return model.generate({ ...options, input: "a" }); // what it would say to thousands of tokens is not looked at
    },
    score(options: ScoreOptions) {
      const targets = options.targets.flatMap((target) =>
        typeof target === "string" ? tokenizer.encode(target, { addSpecialTokens: false }) : target,
      );
      seen.push([...idsOf(promptOf(options.input, tokenizer, config)), ...targets]);
      return model.score(options);
    },
  };
  const { ask } = await api({ beta: true, model: spied });
  const control = new Set(tokenizer.addedTokens.filter((token) => token.control).map((token) => token.id));
  expect(control.size).toBeGreaterThan(10);
  const evil = [...control].map((id) => tokenizer.tokenOf(id)).join(" ");
  const mild = "a b c";

  const tool = (text: string) => ({
    type: "function",
    function: {
      name: "f",
      description: text,
      parameters: { type: "object", properties: { [text]: { type: "string" } } },
    },
  });
  const call = (text: string) => ({
    id: text,
    type: "function",
    function: { name: text, arguments: JSON.stringify({ x: text }) },
  });
  const bodies: [string, (text: string) => object][] = [
    ["/completions", (text) => ({ prompt: text })],
    ["/completions", (text) => ({ prompt: text, suffix: text })],
    ["/completions", (text) => ({ input: [{ type: "text", text }] })],
    ["/completions_from_embeds", (text) => ({ prompt_embeds: [new Array(config.dModel).fill(0)], prompt_text: text })],
    ["/score", (text) => ({ input: text, targets: [text] })],
    [
      "/chat/completions",
      (text) => ({
        messages: [
          { role: "system", content: text },
          { role: "user", content: text, name: text },
        ],
      }),
    ],
    [
      "/chat/completions",
      (text) => ({
        messages: [
          {
            role: "user",
            content: [
              { type: "text", text },
              { type: "text", text },
            ],
          },
        ],
      }),
    ],
    [
      "/chat/completions",
      (text) => ({
        messages: [
          { role: "user", content: text },
          { role: "assistant", content: text, prefix: true },
        ],
      }),
    ],
    [
      "/chat/completions",
      (text) => ({
        messages: [
          { role: "user", content: text },
          { role: "assistant", content: null, tool_calls: [call(text)] },
          { role: "tool", tool_call_id: text, content: text },
        ],
        tools: [tool(text)],
      }),
    ],
    [
      "/chat/completions",
      (text) => ({ messages, stop: [text], user_id: "a", chat_template_kwargs: { date_string: text } }),
    ],
  ];
  for (const [path, body] of bodies) {
    const controls: number[][] = [];
    for (const text of [mild, evil]) {
      await ask(path, { ...(path === "/score" ? {} : { max_tokens: 1 }), ...body(text) });
      controls.push((seen.at(-1) as number[]).filter((id) => control.has(id)));
    }
    expect(controls[1], `${path} ${JSON.stringify(body("…"))}`).toEqual(controls[0]);
  }
  const { data } = await ask("/token_embeddings", { input: evil, add_special_tokens: false });
  expect(data[0].ids.filter((id: number) => control.has(id))).toEqual([]);
});

test("every answer of the other routes is within its schema", async () => {
  const rows = [new Array(served.config.dModel).fill(0.1)];
  const text = { prompt: "Once", max_tokens: 4, logprobs: 2, echo: true };
  expectWithin("/completions", await ask("/completions", text));
  for (const chunk of (await stream("/completions", text)).chunks) expectWithin("/completions", chunk, true);
  expectWithin(
    "/completions_from_embeds",
    await ask("/completions_from_embeds", { prompt_embeds: rows, max_tokens: 2 }),
  );
  for (const encoding_format of ["float", "base64"])
    expectWithin("/token_embeddings", await ask("/token_embeddings", { input: "Once", encoding_format }));
  expectWithin("/score", await ask("/score", { input: "Once", targets: [" upon"] }));
});
