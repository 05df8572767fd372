// The commands chat and fim as a person has them, on the default model.

import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runHere as run } from "./in-process.ts";

const greedy = ["--temperature", "0"];

test("chat: a message a line, commands in between, a prefix", async () => {
  const { code, out, err } = await run(
    ["chat", ...greedy, "--max-tokens", "12"],
    "Hello!\n\n/nonsense\n/prefix I am a\\nvery\nWho are you?\n/help\n",
  );
  expect(err).toBe("plainformer: /nonsense: there is no such command; /help shows those there are\n");
  expect(out).toMatch(/^\S.*\nI am a\nvery .+\n\/prefix TEXT/s);
  expect(code).toBe(0);
});

test("chat --json: one object a line; a second question sees the first", async () => {
  const { out } = await run(
    ["chat", "--json", ...greedy, "--max-tokens", "8"],
    "Hello!\nWho are you?\n/reset\nHello!\n",
  );
  const answers = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(answers).toHaveLength(3);
  expect(answers[0]).toEqual(answers[2]);
  expect(answers[0]).toMatchObject({ role: "assistant", content: expect.any(String) });
  expect(answers[1].usage.prompt_tokens).toBeGreaterThan(
    answers[0].usage.prompt_tokens + answers[0].usage.completion_tokens,
  );
});

test("chat: near the best guess, and an answer that repeats itself ends, unless it is told otherwise", async () => {
  const story = "Tell me a story.\n";
  const usual = await run(["chat", "--seed", "1", "--max-tokens", "12"], story);
  expect(await run(["chat", "--seed", "1", "--max-tokens", "12", "--temperature", "0.3"], story)).toEqual(usual);
  const question = "Ben has a red bike and Mia has a blue kite. What does Mia have?\n";
  const { out } = await run(["chat", "--json", "--seed", "2", "--temperature", "0.7"], question);
  const { content, finish_reason, usage } = JSON.parse(out);
  expect({ finish_reason, content }).toEqual({
    finish_reason: "length",
    content: expect.stringMatching(/^(.+?)\1{3,}/s),
  });
  expect(usage.completion_tokens).toBeLessThan(100);
});

test("chat: a question that does not fit is refused, and the conversation goes on", async () => {
  const { code, out, err } = await run(["chat", ...greedy, "--max-tokens", "4"], `${"word ".repeat(9000)}\nHello!\n`);
  expect(err).toMatch(/^plainformer: messages: got \d+ tokens, expected at most 8191: /);
  expect(out.trim()).not.toBe("");
  expect(code).toBe(1);
});

test("fim: from options and from a file with a mark", async () => {
  const prefix = "// Adds two numbers.\nfunction add(a: number, b: number): number {\n  ";
  const suffix = "\n}\n";
  const fromOptions = await run(["fim", "--prefix", prefix, "--suffix", suffix, ...greedy]);
  expect(fromOptions).toMatchObject({ code: 0, err: "" });
  expect(fromOptions.out.trim()).not.toBe("");
  expect(fromOptions.out).not.toContain("fim▁");
  const file = join(tmpdir(), `plainformer-fim-${process.pid}.ts`);
  writeFileSync(file, `${prefix}<FILL>${suffix}`);
  const fromFile = await run(["fim", file, "--json", ...greedy]);
  expect(`${JSON.parse(fromFile.out).text}\n`).toBe(fromOptions.out);
  const two = await run(["fim", "--mark", "a", file]);
  expect(two.code).toBe(2);
  expect(two.err).toMatch(/: got \d+ marks a, expected exactly one\n$/);
});
