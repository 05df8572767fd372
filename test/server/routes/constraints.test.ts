// Fields that ask an answer for a form, as clients of OpenAI, DeepSeek, vLLM and others send them: each is held to, on every
// route that generates, or refused by its name.

import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { api, type Json } from "./api.ts";

const { ask, send, stream, refused, served } = await api();
const ajv = new Ajv2020({ strict: false });
const user = (content: string) => ({ role: "user", content });
const hot = { temperature: 1.5, seed: 3, max_tokens: 60 };
const age = {
  type: "object",
  properties: { age: { type: "integer", minimum: 1, maximum: 9 } },
  required: ["age"],
  additionalProperties: false,
};
const tools = [{ type: "function", function: { name: "get_weather", parameters: { properties: { location: {} } } } }];
const rows = [new Array(served.config.dModel).fill(0.1)];

/** What is asked on each route that generates. */
const routes: [string, object][] = [
  ["/chat/completions", { messages: [user("Say it, as json.")] }],
  ["/completions", { prompt: "Once" }],
  ["/completions_from_embeds", { prompt_embeds: rows }],
];
const textOf = ({ choices }: Json): string => choices[0].message?.content ?? choices[0].text;

/** A field, and what every answer under it matches. */
const forms: [string, object, RegExp][] = [
  [
    "json_object with a schema",
    { response_format: { type: "json_object", schema: age } },
    /^\{\s*"age":\s*[1-9]\s*\}$/,
  ],
  ["guided_json", { guided_json: age }, /^\{\s*"age":\s*[1-9]\s*\}$/],
  ["guided_json as text", { guided_json: JSON.stringify(age) }, /^\{\s*"age":\s*[1-9]\s*\}$/],
  ["guided_regex", { guided_regex: "(?i)[a-c]{3}-\\d{2}|[éß]{4}" }, /^([a-c]{3}-\d{2}|[éß]{4})$/i],
  ["guided_choice", { guided_choice: ["red wine", "white\nwine", 'a "rosé"'] }, /^(red wine|white\nwine|a "rosé")$/],
  ["structured_outputs.json", { structured_outputs: { json: age } }, /^\{\s*"age":\s*[1-9]\s*\}$/],
  ["structured_outputs.regex", { structured_outputs: { regex: "[0-9]{4}" } }, /^\d{4}$/],
  ["structured_outputs.choice", { structured_outputs: { choice: ["yes", "no"], json: null } }, /^(yes|no)$/],
  ["structured_outputs.json_object", { structured_outputs: { json_object: true } }, /^\{/],
  ["extra_body", { extra_body: { guided_choice: ["yes", "no"] } }, /^(yes|no)$/],
  ["nvext", { nvext: { guided_regex: "[xy]{5}" } }, /^[xy]{5}$/],
  ["two that agree", { response_format: { type: "json_object" }, guided_json: age }, /^\{\s*"age":\s*[1-9]\s*\}$/],
  ["one that asks for nothing", { response_format: { type: "text" }, guided_regex: "[xy]{5}" }, /^[xy]{5}$/],
];

describe.each(routes)("%s", (path, body) => {
  const some = path === "/chat/completions" ? forms : forms.filter(([name]) => name.startsWith("guided"));
  test.each(some)("%s is held to, in pieces too", async (_, form, pattern) => {
    const answer = await ask(path, { ...body, ...hot, ...form });
    expect(textOf(answer)).toMatch(pattern);
    if (pattern.source.endsWith("$")) expect(answer.choices[0].finish_reason).toBe("stop");
    const { chunks } = await stream(path, { ...body, ...hot, ...form });
    const text = chunks.map(({ choices }) => choices[0].delta?.content ?? choices[0].text ?? "").join("");
    expect(text).toBe(textOf(answer));
  });

  test.each<[string, object]>([
    ["guided_grammar", { guided_grammar: 'root ::= "a"' }],
    ["guided_json_object", { guided_json_object: true }],
    ["guided_whitespace_pattern", { guided_whitespace_pattern: " ?" }],
    ["structured_outputs.grammar", { structured_outputs: { grammar: 'root ::= "a"' } }],
    ["structured_outputs.structural_tag", { structured_outputs: { structural_tag: "{}" } }],
    ["structured_outputs.disable_any_whitespace", { structured_outputs: { json: age, disable_any_whitespace: true } }],
    ["extra_body.guided_grammar", { extra_body: { guided_grammar: "a" } }],
    ["nvext.structured_outputs.grammar", { nvext: { structured_outputs: { grammar: "a" } } }],
    ["grammar", { grammar: 'root ::= "a"' }],
    ["grammar", { grammar: { type: "json", value: age } }],
    ["regex", { regex: "a+" }],
    ["ebnf", { ebnf: "a" }],
    ["structural_tag", { structural_tag: "{}" }],
    ["json_schema", { json_schema: age }],
    ["json_mode", { json_mode: true }],
    ["output_schema", { output_schema: age }],
    ["responseSchema", { responseSchema: age }],
    ["responseMimeType", { responseMimeType: "application/json" }],
    ["output_format", { output_format: { type: "json_schema", schema: age } }],
    ["format", { format: "json" }],
    ["text.format", { text: { format: { type: "json_schema", schema: age } } }],
    ["generationConfig.responseSchema", { generationConfig: { responseSchema: age } }],
    ["messages_extra[0].guided_regex", { messages_extra: [{ guided_regex: "a" }] }],
    ["allowed_token_ids", { allowed_token_ids: [1] }],
    ["bad_words", { bad_words: ["a"] }],
    ["logits_processors", { logits_processors: ["x"] }],
    ['"constrain-output"', { "constrain-output": "x" }],
  ])("%s is refused by name", async (param, form) => {
    const refusal = await refused(path, { ...body, ...form });
    expect(refusal).toMatchObject({ status: 400, param, message: expect.stringContaining(param) });
  });

  test("fields that ask for nothing, or for something else than a form, are let be", async () => {
    const nothing = { grammar: null, guided_grammar: "", json_mode: false, format: "", regex: [], json_schema: {} };
    const others = {
      metadata: { schema: "a" },
      guided_decoding_backend: "xgrammar",
      text: { format: { type: "text" }, verbosity: "low" },
      prediction: { type: "content", content: "x" },
      provider: { order: ["a"] },
      store: true,
      reasoning_format: "auto",
      $schema: "https://a.example",
    };
    expect((await send(path, { ...body, max_tokens: 1, ...nothing, ...others })).status).toBe(200);
  });

  test.each<[string, string, object]>([
    ["response_format", "guided_regex", { response_format: { type: "json_object" }, guided_regex: "a" }],
    ["guided_json", "guided_choice", { guided_json: age, guided_choice: ["a"] }],
    ["response_format", "guided_json", { response_format: { type: "json_object" }, guided_json: { type: "array" } }],
    ["structured_outputs.json", "structured_outputs.regex", { structured_outputs: { json: age, regex: "a" } }],
    ["guided_regex", "extra_body.guided_regex", { guided_regex: "a", extra_body: { guided_regex: "b" } }],
  ])("%s against %s: both are named", async (one, other, form) => {
    const { status, param, message } = await refused(path, { ...body, ...form });
    expect({ status, param }).toEqual({ status: 400, param: other });
    expect(message).toContain(one);
  });

  test("the keys of an answer come in the order of the schema's text", async () => {
    const schema = `{"type":"object","properties":{"b":{"const":0},"1":{"const":0},"a":{"properties":{"z":{"const":0},"0":{"const":0}},
      "required":["z","0"],"type":"object"}},"required":["b","1","a"]}`;
    const sent = (form: string) =>
      `${JSON.stringify({ model: "plainformer", ...body, ...hot, temperature: 0, max_tokens: 300 }).slice(0, -1)},${form}}`;
    const fields = [
      `"guided_json":${schema}`,
      `"guided_json":${JSON.stringify(schema)}`,
      `"response_format":{"type":"json_object","schema":${schema}}`,
      `"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":${schema}}}`,
    ];
    for (const form of path === "/chat/completions" ? fields : fields.slice(0, 1)) {
      const answer = textOf(await (await send(path, sent(form))).json());
      expect(answer.match(/"\w"/g), answer).toEqual(['"b"', '"1"', '"a"', '"z"', '"0"']);
    }
  });

  test("a schema that is none, a pattern that is none: the field is named", async () => {
    const cases: [string, object][] = [
      ["guided_json", { guided_json: "{" }],
      ["guided_json", { guided_json: { type: "nothing" } }],
      ["guided_json", { guided_json: { properties: { userName: { $ref: "b.json" } } } }],
      ["response_format.schema", { response_format: { type: "json_object", schema: { type: 5 } } }],
      ["guided_regex", { guided_regex: "(" }],
      ["structured_outputs.regex", { structured_outputs: { regex: "(a)\\1" } }],
      ["guided_regex", { guided_regex: "a^b" }],
      ["guided_choice", { guided_choice: [] }],
      ["guided_choice", { guided_choice: [""] }],
      ["guided_regex", { guided_regex: "()*" }],
      ["guided_choice", { guided_choice: ["\ud800"] }],
    ];
    for (const [param, form] of cases)
      expect(await refused(path, { ...body, ...form })).toMatchObject({ status: 400, param });
  });
});

test("an answer may be empty where that is allowed", async () => {
  const body = { prompt: "Once", ...hot, logit_bias: { [served.endIds[0]]: 100 } };
  for (const form of [{ guided_choice: ["", "a"] }, { guided_regex: "[a-z]*" }]) {
    expect((await ask("/completions", { ...body, ...form })).choices[0]).toMatchObject({
      text: "",
      finish_reason: "stop",
    });
    const more = await ask("/completions", { ...body, ...form, logit_bias: { [served.endIds[0]]: -100 } });
    expect(textOf(more)).toMatch(/^[a-z]+$/);
  }
});

test("a gap is filled in the form that is asked for", async () => {
  const gap = { prompt: "x = ", suffix: "\n", guided_regex: "[1-4]{3}", ...hot };
  expect(textOf(await ask("/beta/completions", gap))).toMatch(/^[1-4]{3}$/);
});

describe("tools beside a response format", () => {
  const weather = [user("What is the weather in Paris?")];
  const format = { response_format: { type: "json_schema", json_schema: { name: "a", schema: age } } };
  const call = "<｜tool▁calls▁begin｜>";
  const bias = (by: number) => ({ logit_bias: { [served.tokenizer.idOf(call) as number]: by } });
  const greedy = { temperature: 0, max_tokens: 100, tools };

  test.each<[string, object]>([
    ["json_schema", format],
    ["json_object", { response_format: { type: "json_object" } }],
    ["guided_json", { guided_json: age }],
  ])("auto: a call, or the JSON of %s; in pieces the same", async (_, form) => {
    for (const [by, calls] of [
      [100, true],
      [-100, false],
    ] as const) {
      const body = { messages: weather, ...greedy, ...form, ...bias(by) };
      const { message, finish_reason } = (await ask("/chat/completions", body)).choices[0];
      if (calls) {
        expect(message).toMatchObject({ content: null, tool_calls: [{ function: { name: "get_weather" } }] });
        expect(finish_reason).toBe("tool_calls");
        for (const { function: made } of message.tool_calls) expect(JSON.parse(made.arguments)).toBeTypeOf("object");
      } else {
        expect(message.tool_calls).toBeUndefined();
        const free = "response_format" in form && form !== format; // an object without a schema may not end in time
        if (free) expect(message.content).toMatch(/^\s*\{/);
        else expect(ajv.validate(age, JSON.parse(message.content))).toBe(true);
      }
      const { chunks } = await stream("/chat/completions", body);
      const parts = chunks.flatMap(({ choices }) => choices[0].delta.tool_calls ?? []);
      expect(chunks.map(({ choices }) => choices[0].delta.content ?? "").join("")).toBe(message.content ?? "");
      expect(parts.filter(({ id }) => id !== undefined)).toHaveLength(message.tool_calls?.length ?? 0);
      expect(chunks.at(-1).choices[0].finish_reason).toBe(finish_reason);
    }
  });

  test("required or a name: the call alone; none: the JSON alone", async () => {
    for (const tool_choice of ["required", { type: "function", function: { name: "get_weather" } }]) {
      const { choices } = await ask("/chat/completions", {
        messages: weather,
        ...greedy,
        ...format,
        ...bias(-100),
        tool_choice,
      });
      expect(choices[0].message).toMatchObject({ content: null, tool_calls: [{ function: { name: "get_weather" } }] });
    }
    const body = { messages: weather, ...greedy, ...format, ...bias(100), tool_choice: "none" };
    const { message } = (await ask("/chat/completions", body)).choices[0];
    expect(message.tool_calls).toBeUndefined();
    expect(ajv.validate(age, JSON.parse(message.content))).toBe(true);
  });

  test("a prefix of the JSON is gone on from", async () => {
    const messages = [...weather, { role: "assistant", content: '{"age":', prefix: true }];
    const { choices } = await ask("/beta/chat/completions", { messages, ...greedy, ...format });
    expect(ajv.validate(age, JSON.parse(`{"age":${choices[0].message.content}`))).toBe(true);
  });

  test("several calls close as they do without a format", async () => {
    const separate = served.tokenizer.idOf("<｜tool▁calls▁end｜>") as number;
    for (const more of [{}, format]) {
      const body = {
        messages: weather,
        ...greedy,
        ...more,
        max_tokens: 300,
        temperature: 1,
        seed: 1,
        tool_choice: "auto",
      };
      const biased = { ...body, logit_bias: { ...bias(100).logit_bias, [separate]: -100 } };
      const { message, finish_reason } = (await ask("/chat/completions", biased)).choices[0];
      expect(message.tool_calls.length).toBeGreaterThan(1);
      expect(message.content).toBe(null);
      const one = await ask("/chat/completions", { ...biased, parallel_tool_calls: false });
      expect(one.choices[0]).toMatchObject({ finish_reason: "tool_calls", message: { tool_calls: [{}] } });
      expect(one.choices[0].message.tool_calls).toHaveLength(1);
      if (finish_reason === "length") message.tool_calls.pop();
      for (const { function: made } of message.tool_calls) expect(JSON.parse(made.arguments)).toBeTypeOf("object");
    }
  });
});
