// The examples run as they stand, each imported for what it prints, against a server with the model that ships. That model
// never saw a chat about code, so of code in an answer only the form is looked at.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { openSoftPromptStore } from "../../src/server/soft-prompt-store.ts";
import { api } from "../server/routes/api.ts";

const folder = await mkdtemp(join(tmpdir(), "examples-"));
afterAll(() => rm(folder, { recursive: true }));
const { url, ask, served } = await api({ softPrompts: await openSoftPromptStore(folder) });

/** What an example prints. */
async function printed(name: string, more: Record<string, string> = {}): Promise<string> {
  for (const [variable, value] of Object.entries({ PLAINFORMER_URL: url, ...more })) vi.stubEnv(variable, value);
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  try {
    await import(`./examples/${name}.ts`);
    return log.mock.calls.flat().join("\n");
  } finally {
    log.mockRestore();
    vi.unstubAllEnvs();
  }
}

test("assistant prefix: what the fence would hold, and no fence", async () => {
  const code = await printed("assistant-prefix");
  expect(code.length).toBeGreaterThan(10);
  expect(code).not.toContain("```");
  expect(code).not.toMatch(/<｜/);
});

test("fill in the middle of a Fibonacci function", async () => {
  const middle = await printed("fill-in-the-middle");
  expect(middle.trim().length).toBeGreaterThan(0);
  expect(middle).not.toMatch(/<｜/);
});

test("a truncated answer, continued by prefix, is the answer in one piece", async () => {
  const { calls, answer } = JSON.parse(await printed("continue-truncated"));
  const whole = await ask("/chat/completions", {
    messages: [{ role: "user", content: "Tell me a short story." }],
    max_tokens: 400,
    temperature: 0,
  });
  expect(calls).toBeGreaterThan(2);
  expect(whole.choices[0].finish_reason).toBe("stop");
  expect(answer).toBe(whole.choices[0].message.content);
});

test("JSON output: questions and answers as an object", async () => {
  const { free, held } = JSON.parse(await printed("json-output"));
  expect(free).toBeTypeOf("object");
  expect(held).toEqual({ question: expect.any(String), answer: expect.any(String) });
});

test("function calling: a call, its result, an answer", async () => {
  const { name, location, answer } = JSON.parse(await printed("function-calling"));
  expect([name, typeof location]).toEqual(["get_weather", "string"]);
  expect(answer.length).toBeGreaterThan(0);
});

test("RFC 2: embeddings with text, by client and by fetch", async () => {
  const { throughClient, throughFetch, usage, chat, chatUsage } = JSON.parse(await printed("embeddings-with-text"));
  expect(throughFetch).toBe(throughClient);
  expect(throughClient.length).toBeGreaterThan(20);
  const text = served.tokenizer.encode("Once upon a time").length;
  expect(usage).toMatchObject({ prompt_tokens: 5 + text, prompt_tokens_details: { embed_tokens: 5 } });
  expect(chat.length).toBeGreaterThan(0);
  expect(chatUsage.prompt_tokens_details.embed_tokens).toBe(5);
});

test("RFC 3: rows sent back unchanged give the answer of the text; moved ones another", async () => {
  const { tokens, fromText, unchanged, moved, throughFetch } = JSON.parse(await printed("token-embeddings"));
  expect(tokens.slice(1).join("")).toBe("Once upon a time there was a little fox");
  expect(unchanged).toBe(fromText);
  expect(throughFetch).toBe(fromText);
  expect(moved).not.toBe(fromText);
});

test("RFC 4: a soft prompt, chosen by the log-probabilities of labels", async () => {
  const { margins, best, label, usage } = JSON.parse(await printed("soft-prompt"));
  expect(new Set(margins).size).toBe(4);
  expect(margins[best]).toBe(Math.max(...margins));
  expect(margins[best]).toBeGreaterThan(0);
  expect(label).toMatch(/^ \w+$/);
  expect(usage.prompt_tokens_details.embed_tokens).toBeGreaterThan(0);
});

test("RFC 1 and 4: a soft prompt is trained over HTTP by the client's own encoder, kept, and used by name", async () => {
  const { first, last, accuracy, label } = JSON.parse(await printed("train-soft-prompt", { STEPS: "25", BATCH: "4" }));
  expect(last).toBeLessThan(0.1 * first);
  expect(accuracy).toBe(1); // on the four remarks that it learned
  expect(label).toBe(" good");
});
