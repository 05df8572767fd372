// The model that ships, under a grammar: what it writes is valid, alone and with others, streamed, cut, or continued.

import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { GenerateEnd, GenerateOptions } from "../../../src/engine/generate.ts";
import { FieldError } from "../../../src/field-error.ts";
import { load, type Plainformer } from "../../../src/plainformer.ts";
import { fimFormat } from "../../../src/prompt/fim.ts";

const schema = {
  type: "object",
  properties: {
    name_of_the_character: { type: "string", maxLength: 20 },
    age_of_the_character: { type: "integer", minimum: 1, maximum: 99 },
    mood: { enum: ["happy", "sad", "curious"] },
  },
  required: ["name_of_the_character", "age_of_the_character", "mood"],
  additionalProperties: false,
};
const isValid = new Ajv2020().compile(schema);
const input = "Once upon a time there was a ";

let model: Plainformer;
beforeAll(async () => {
  model = await load();
});
afterAll(() => model.close());

async function run(options: Partial<GenerateOptions>): Promise<GenerateEnd & { streamed: string }> {
  let streamed = "";
  let end: GenerateEnd | undefined;
  for await (const event of model.generate({ input, grammar: { kind: "json_schema", schema }, ...options })) {
    if (event.type === "token") streamed += event.text;
    if (event.type === "end") end = event;
  }
  return { ...(end as GenerateEnd), streamed };
}

test("many at once, hot and greedy: valid, ended by themselves, and what was streamed", async () => {
  const ends = await Promise.all(
    [0, 0.7, 1.5, 1.5, 2].map((temperature, seed) => run({ temperature, seed, maxTokens: 200 })),
  );
  for (const { text, streamed, finishReason } of ends) {
    expect(finishReason).toBe("stop");
    expect(streamed).toBe(text);
    expect(isValid(JSON.parse(text)), text).toBe(true);
  }
});

test("the same alone as in company", async () => {
  const options = { temperature: 1, seed: 9, maxTokens: 200 };
  const alone = await run(options);
  const [together] = await Promise.all([run(options), run({ seed: 1 }), run({ seed: 2 })]);
  expect(together.text).toBe(alone.text);
});

test("a cut answer says so, and a prefix continues inside the grammar", async () => {
  expect(await run({ maxTokens: 3 })).toMatchObject({ finishReason: "length" });
  const prefix = '{"name_of_the_character": "Zo';
  const { text } = await run({
    input: input + prefix,
    grammar: { kind: "json_schema", schema, prefix },
    maxTokens: 200,
  });
  expect(isValid(JSON.parse(prefix + text)), text).toBe(true);
});

test("text without an alternative takes no step of its own", async () => {
  const before = (await model.load()).steps;
  const { ids } = await run({ seed: 4, maxTokens: 200 });
  expect((await model.load()).steps - before).toBeLessThan(0.7 * ids.length);
});

test("a gap is filled within the grammar, up to a stop string", async () => {
  const fim = fimFormat(model.tokenizer);
  if (!fim) throw new Error("the model that ships fills gaps");
  const input = fim.prompt({ prefix: "const person = ", suffix: ";", room: 100 });
  const { text } = await run({ input, temperature: 1, seed: 3, maxTokens: 200 });
  expect(isValid(JSON.parse(text)), text).toBe(true);
  const cut = await run({ input, temperature: 1, seed: 3, maxTokens: 200, stop: ["age"] });
  expect([cut.finishReason, cut.text]).toEqual(["stop", text.slice(0, text.indexOf("age"))]);
});

test("a schema that cannot be honored is refused before anything is computed", async () => {
  await expect(run({ grammar: { kind: "json_schema", schema: { not: {} } } })).rejects.toThrow(FieldError);
});
