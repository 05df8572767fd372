// Bad input at the borders of every field: a 4xx that names the field, or an answer where the value is allowed; never a 500,
// and the server goes on.

import { expect, test } from "vitest";
import { api } from "./api.ts";

const { send, refused, served } = await api({ beta: true });
const { dModel } = served.config;

/** Each number as JSON text, because JSON.stringify cannot write some. */
const values = [
  "-1",
  "0",
  "1.5",
  "1e999",
  "-1e999",
  '"NaN"',
  '"x"',
  '"1"',
  "null",
  "9007199254740992",
  "[]",
  "{}",
  "true",
];

/** Field → its least and greatest value, and whether it is a whole number. */
const sampling: Record<string, [min: number, max: number, whole: boolean]> = {
  max_tokens: [1, 8192, true],
  temperature: [0, 2, false],
  top_p: [0, 1, false],
  top_k: [0, 2 ** 53 - 1, true],
  min_p: [0, 1, false],
  frequency_penalty: [-2, 2, false],
  presence_penalty: [-2, 2, false],
  repetition_penalty: [0.01, 100, false],
  n: [1, 16, true],
};

const operations: [path: string, body: string, fields: typeof sampling][] = [
  [
    "/chat/completions",
    '"messages":[{"role":"user","content":"Hi"}],"logprobs":true',
    { ...sampling, max_completion_tokens: [1, 8192, true], top_logprobs: [0, 20, true] },
  ],
  ["/completions", '"prompt":"Once"', { ...sampling, logprobs: [0, 20, true], best_of: [1, 1, true] }],
  [
    "/completions_from_embeds",
    `"prompt_embeds":[[${new Array(dModel).fill("0.1")}]]`,
    { ...sampling, logprobs: [0, 20, true] },
  ],
];

for (const [path, body, fields] of operations)
  test.each(Object.entries(fields))(`${path} %s`, async (field, [min, max, whole]) => {
    const limit = field.startsWith("max_") ? "" : ',"max_tokens":1';
    // A continuation as long as the context leaves would be slow: max_tokens is asked for with a stop at once.
    const bias = field.startsWith("max_") ? `,"logit_bias":{"${served.endIds[0]}":100}` : "";
    const above = whole ? max + 1 : max + 1e-9;
    const below = whole ? min - 1 : min - 1e-9;
    for (const value of [...values, `${max}`, `${above}`, `${min}`, `${below}`]) {
      const text = `{"model":"plainformer",${body}${limit}${bias},"${field}":${value}}`;
      const number = /^-?[\d.e-]+$/.test(value) ? Number(value) : Number.NaN;
      const fits = number >= min && number <= max && (!whole || Number.isSafeInteger(number));
      // What the context leaves is less than the greatest max_tokens.
      const allowed = value === "null" || (fits && !(field.startsWith("max_") && number > 8000));
      if (allowed) {
        const response = await send(path, text);
        expect(response.status, `${field}: ${value}: ${await response.text()}`).toBe(200);
        continue;
      }
      const { status, param, message } = await refused(path, text);
      expect(status, message).toBeLessThanOrEqual(422);
      expect(param?.replace(/\[\d+\]$/, ""), `${value}: ${message}`).toBe(
        field.startsWith("max_") && fits ? "max_tokens" : field,
      );
      expect(message.length).toBeLessThan(300);
    }
  });

test.each(operations)("%s seed: any integer of 64 bits", async (path, body) => {
  const sent = (value: string) => `{"model":"plainformer",${body},"max_tokens":1,"seed":${value}}`;
  const least = "-9223372036854775808";
  for (const value of ["null", "-1", "0", "-0", "9007199254740993", "9223372036854775807", least, "1e18"])
    expect((await send(path, sent(value))).status, value).toBe(200);
  const odd = ["0.5", '"1"', "true", "[]", "{}", "1e999", "9223372036854775808", "-9223372036854775809", "1e19"];
  for (const value of odd) expect((await refused(path, sent(value))).param, value).toBe("seed");
});

const row = (value: unknown) => new Array(dModel).fill(value);
const base64 = (bytes: number) => Buffer.alloc(bytes).toString("base64");
const packed = { shape: [1, dModel], dtype: "f32", data: base64(dModel * 4) };
const infinite = Buffer.from(Uint16Array.from(row(0x7c00)).buffer).toString("base64");

test.each<[string, string, string]>([
  ["a narrow row", JSON.stringify([row(0).slice(1)]), "[0]"],
  ["a wide row", JSON.stringify([[...row(0), 0]]), "[0]"],
  ["ragged rows", JSON.stringify([row(0), row(0).slice(1)]), "[1]"],
  ["no rows", "[]", ""],
  ["an empty row", "[[]]", "[0]"],
  ["numbers in place of rows", JSON.stringify(row(0)), "[0]"],
  ["three dimensions", JSON.stringify([[row(0)]]), "[0]"],
  ["a text", '"AAAA"', ""],
  ["a number", "1", ""],
  ["null in a row", JSON.stringify([row(null)]), "[0][0]"],
  ["NaN as text", JSON.stringify([row("NaN")]), "[0][0]"],
  ["too large for a double", `[[${row("1e999")}]]`, "[0][0]"],
  ["too large for f32", `[[${row("1e39")}]]`, ""],
  [
    "more rows than the context",
    JSON.stringify({ shape: [8193, dModel], dtype: "f16", data: base64(8193 * dModel * 2) }),
    "",
  ],
  ["another width", JSON.stringify({ ...packed, shape: [1, dModel + 1] }), ".shape"],
  ["a negative shape", JSON.stringify({ ...packed, shape: [-1, dModel] }), ".shape"],
  ["a broken shape", JSON.stringify({ ...packed, shape: [1.5, dModel] }), ".shape"],
  ["a shape of three", JSON.stringify({ ...packed, shape: [1, 1, dModel] }), ".shape"],
  ["a shape of no rows", JSON.stringify({ shape: [0, dModel], dtype: "f32", data: "" }), ""],
  ["a shape that would take all memory", JSON.stringify({ ...packed, shape: [2 ** 40, dModel] }), ".data"],
  ["an unknown dtype", JSON.stringify({ ...packed, dtype: "f64" }), ".dtype"],
  ["no data", JSON.stringify({ shape: packed.shape, dtype: "f32" }), ".data"],
  ["data too short", JSON.stringify({ ...packed, data: base64(dModel * 4 - 3) }), ".data"],
  ["data too long", JSON.stringify({ ...packed, data: base64(dModel * 4 + 3) }), ".data"],
  ["data of f32 called f16", JSON.stringify({ ...packed, dtype: "f16" }), ".data"],
  ["data that is not base64", JSON.stringify({ ...packed, data: `!${packed.data.slice(1)}` }), ".data"],
  ["data of one byte more", JSON.stringify({ ...packed, data: packed.data.replace(/=$/, "A") }), ".data"],
  ["data that ends within", JSON.stringify({ ...packed, data: `AA==${packed.data.slice(4)}` }), ".data"],
  ["infinity in f16", JSON.stringify({ shape: [1, dModel], dtype: "f16", data: infinite }), ""],
])("embeddings: %s", async (_, tensor, where) => {
  const from = await refused(
    "/completions_from_embeds",
    `{"model":"plainformer","prompt_embeds":${tensor},"max_tokens":1}`,
  );
  expect(from.status, from.message).toBe(400);
  expect(from.param, from.message).toBe(`prompt_embeds${where}`);
  const part = `{"type":"embeds","embeds":${tensor}}`;
  const chat = await refused(
    "/chat/completions",
    `{"model":"plainformer","messages":[{"role":"user","content":[${part}]}],"max_tokens":1}`,
  );
  expect(chat.param, chat.message).toBe(`messages[0].content[0].embeds${where}`);
});

test.each<[string, object, string]>([
  ["no messages", {}, "messages"],
  ["null messages", { messages: null }, "messages"],
  ["[] messages", { messages: [] }, "messages"],
  ["a message that is a text", { messages: ["Hi"] }, "messages[0]"],
  ["an unknown role", { messages: [{ role: "robot", content: "Hi" }] }, "messages[0].role"],
  ["no content", { messages: [{ role: "user" }] }, "messages[0].content"],
  ["content that is a number", { messages: [{ role: "user", content: 5 }] }, "messages[0].content"],
  [
    "a picture",
    { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }] },
    "messages[0].content[0].type",
  ],
  ["a sound", { messages: [{ role: "user", content: [{ type: "input_audio" }] }] }, "messages[0].content[0].type"],
  ["a part without text", { messages: [{ role: "user", content: [{ type: "text" }] }] }, "messages[0].content[0].text"],
  ["a prefix by the user", { messages: [{ role: "user", content: "Hi", prefix: true }] }, "messages[0].prefix"],
  [
    "a tool message for no call",
    { messages: [{ role: "tool", content: "x", tool_call_id: "a" }] },
    "messages[0].tool_call_id",
  ],
  ["top_logprobs alone", { messages: [{ role: "user", content: "Hi" }], top_logprobs: 3 }, "top_logprobs"],
  [
    "two counts",
    { messages: [{ role: "user", content: "Hi" }], max_tokens: 3, max_completion_tokens: 4 },
    "max_completion_tokens",
  ],
  ["functions", { messages: [{ role: "user", content: "Hi" }], functions: [] }, "functions"],
  [
    "129 tools",
    {
      messages: [{ role: "user", content: "Hi" }],
      tools: new Array(129).fill({ type: "function", function: { name: "f" } }),
    },
    "tools",
  ],
  [
    "a tool with a bad name",
    { messages: [{ role: "user", content: "Hi" }], tools: [{ type: "function", function: { name: "f g" } }] },
    "tools[0].function.name",
  ],
  ["a bad user_id", { messages: [{ role: "user", content: "Hi" }], user_id: "a b" }, "user_id"],
])("chat: %s", async (_, body, param) => {
  const { param: named, message } = await refused("/chat/completions", body);
  expect(named, message).toBe(param);
});

test("thinking that is no object is a 422, as clients have seen it", async () => {
  const { status, param } = await refused("/chat/completions", {
    messages: [{ role: "user", content: "Hi" }],
    thinking: false,
  });
  expect({ status, param }).toEqual({ status: 422, param: "thinking" });
});
