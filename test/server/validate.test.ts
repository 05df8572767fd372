// Refusals of bodies: which field, what came, what was expected; and that a huge wrong body costs no more than a right one.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { apiErrorOf } from "../../src/server/errors.ts";
import { parseValue } from "../../src/server/parse-value.ts";
import { validate } from "../../src/server/validate.ts";
import { cpuClock } from "../cpu-time.ts";
import { times } from "../long.ts";

const ids = z.array(z.int().min(0));

const schema = z.object({
  model: z.string(),
  messages: z
    .array(
      z.object({
        role: z.enum(["user", "assistant"]),
        content: z.union([z.string(), z.array(z.object({ type: z.literal("text"), text: z.string() }))]).nullable(),
      }),
    )
    .min(1)
    .max(8)
    .optional(),
  prompt: z.union([z.string(), ids, z.array(z.string()), z.array(ids)]).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  n: z.int().min(1).max(16).nullish(),
  thinking: z.object({ type: z.enum(["enabled", "disabled"]) }).nullish(),
  logit_bias: z.record(z.string(), z.number().min(-100).max(100)).nullish(),
  input: z
    .array(
      z.discriminatedUnion("type", [
        z.object({ type: z.literal("text"), text: z.string() }),
        z.object({ type: z.literal("tokens"), ids }),
      ]),
    )
    .nullish(),
  user_id: z
    .string()
    .regex(/^[a-z]+$/)
    .nullish(),
});

function refusal(body: unknown): [number, string, string | undefined] {
  try {
    validate(schema, body);
  } catch (error) {
    const { status, message, options } = apiErrorOf(error);
    if (status < 500) return [status, message, options.param];
    throw error;
  }
  throw new Error("it was accepted");
}

const message = { role: "user", content: "a" };

test.each<[object | unknown[] | string, number, string, string | undefined]>([
  [[], 400, "body: got an empty array, expected an object", undefined],
  ["a", 400, 'body: got "a", expected an object', undefined],
  [{}, 400, "model: missing, expected a string", "model"],
  [{ model: null }, 400, "model: got null, expected a string", "model"],
  [{ model: "m", temperature: 2.5 }, 400, "temperature: got 2.5, expected a number ≤ 2", "temperature"],
  [{ model: "m", temperature: "1" }, 400, 'temperature: got "1", expected a number', "temperature"],
  [{ model: "m", n: 0 }, 400, "n: got 0, expected a number ≥ 1", "n"],
  [{ model: "m", n: 1.5 }, 400, "n: got 1.5, expected a whole number", "n"],
  [{ model: "m", n: 2 ** 60 }, 400, "n: got 1152921504606847000, expected a number ≤ 16", "n"],
  [{ model: "m", thinking: false }, 422, "thinking: got false, expected an object", "thinking"],
  [
    { model: "m", thinking: { type: "on" } },
    400,
    'thinking.type: got "on", expected "enabled" or "disabled"',
    "thinking.type",
  ],
  [{ model: "m", messages: [] }, 400, "messages: got an empty array, expected at least 1 elements", "messages"],
  [
    { model: "m", messages: Array(9).fill(message) },
    400,
    "messages: got an array of 9, expected at most 8 elements",
    "messages",
  ],
  [{ model: "m", messages: [message, 3] }, 400, "messages[1]: got 3, expected an object", "messages[1]"],
  [
    { model: "m", messages: [message, { role: "user", content: 3 }] },
    400,
    "messages[1].content: got 3, expected a string or an array",
    "messages[1].content",
  ],
  [
    { model: "m", messages: [{ role: "user", content: [{ type: "image" }] }] },
    400,
    'messages[0].content[0].type: got "image", expected "text"',
    "messages[0].content[0].type",
  ],
  [{ model: "m", prompt: [1, 2, -3] }, 400, "prompt[2]: got -3, expected a number ≥ 0", "prompt[2]"],
  [{ model: "m", prompt: [[1], [2, 0.5]] }, 400, "prompt[1][1]: got 0.5, expected a whole number", "prompt[1][1]"],
  [{ model: "m", logit_bias: { 5: 1, 7: 101 } }, 400, "logit_bias.7: got 101, expected a number ≤ 100", "logit_bias.7"],
  [
    { model: "m", input: [{ type: "txt" }] },
    400,
    'input[0].type: got "txt", expected "text" or "tokens"',
    "input[0].type",
  ],
  [
    { model: "m", input: [{ type: "tokens", ids: "1" }] },
    400,
    'input[0].ids: got "1", expected an array',
    "input[0].ids",
  ],
  [{ model: "m", user_id: "A" }, 400, 'user_id: got "A", expected a text of the form /^[a-z]+$/', "user_id"],
  [{ model: "x".repeat(100), n: "x".repeat(100) }, 400, "n: got a text of 100 characters, expected a number", "n"],
])("%j", (body, status, text, param) => {
  expect(refusal(body)).toEqual([status, text, param]);
});

test("unknown fields are dropped, __proto__ among them", () => {
  expect(validate(schema, JSON.parse('{"model":"m","x":1,"__proto__":{"n":3}}'))).toEqual({ model: "m" });
});

describe("a megabyte of wrong elements is refused as fast as right ones are read", () => {
  test.each([
    ["halves for ids", "prompt", "0.5"],
    ["objects for ids", "prompt", "{}"],
    ["lists of objects for ids", "prompt", "[{}]"],
    ["numbers for messages", "messages", "1"],
    ["empty segments", "input", "{}"],
  ])("%s", (_, field, element) => {
    const count = Math.floor(2 ** 20 / (element.length + 1));
    const body = { model: "m", [field]: JSON.parse(`[${Array(count).fill(element).join(",")}]`) };
    const before = process.memoryUsage().heapUsed;
    const elapsed = cpuClock();
    expect(refusal(body)[2]).toMatch(new RegExp(`^${field}`));
    expect(elapsed()).toBeLessThan(1000);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(50e6);
  });

  test("texts that a union tries as ids first are read", () => {
    const body = { model: "m", prompt: Array(300_000).fill("a") };
    const before = process.memoryUsage().heapUsed;
    const result = validate(schema, body);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(50e6);
    expect(result.prompt).toHaveLength(300_000);
  });

  test("a wrong bias among a hundred thousand", () => {
    const entries = Array.from({ length: 100_000 }, (_, i) => [i, i === 90_000 ? 101 : 1]);
    expect(refusal({ model: "m", logit_bias: Object.fromEntries(entries) })[2]).toBe("logit_bias.90000");
  });
});

test("the walk gives what Zod gives, and a fault where Zod sees one", () => {
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom(null, true, "text", "tokens", "user", "a", 0, 1, 0.5, -1, 300),
      fc.array(tie("any"), { maxLength: 4 }),
      fc.dictionary(fc.constantFrom("type", "text", "ids", "role", "content"), tie("any")),
    ),
  })).any;
  const body = fc.record(
    Object.fromEntries(Object.keys(schema.shape).map((key) => [key, value])) as Record<string, fc.Arbitrary<unknown>>,
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(body, (candidate) => {
      const { issues, ...parsed } = parseValue(schema, candidate);
      const { data, error } = schema.safeParse(candidate);
      if (!issues) {
        expect([error, parsed]).toEqual([undefined, { value: data }]);
        return;
      }
      const paths = error?.issues.map(({ path }) => JSON.stringify(path)) ?? [];
      const above = issues[0].path.map((_, i) => JSON.stringify(issues[0].path.slice(0, i)));
      expect([...above, JSON.stringify(issues[0].path)].some((path) => paths.includes(path))).toBe(true);
    }),
    { numRuns: times(500, 3000), seed: 1 },
  );
});
