// A fault in what a caller gave has the same field, the same words and the same code whichever way it comes in: the library,
// a model in a worker, HTTP. On the wire the field is the one that the value came in.

import { afterAll, describe, expect, test } from "vitest";
import { FieldError } from "../src/field-error.ts";
import { loadInWorker } from "../src/plainformer.ts";
import type { ServedModel } from "../src/served-model.ts";
import { encodeF32 } from "../weights/dtype.ts";
import { api } from "./server/routes/api.ts";

const { send, served: here } = await api({ beta: true });
const there = await loadInWorker();
afterAll(() => there.close());

const { dModel, vocabSize, maxSeqLen } = here.config;

/** One fault, said to the library and to the server. */
interface Fault {
  /** The library's call: a method and its options. */
  call: [
    method: "generate" | "score" | "candidateScores" | "gradients" | "candidateGradients" | "chat",
    options: object,
  ];
  field: string;
  problem: string | RegExp;
  code?: string;
  /** The request, and its `param` where that is not the field in the wire's letters. */
  request: [path: string, body: object];
  param?: string;
}

/** `n` rows as both sides take them; `at` is where a number that is not finite is. */
function rows(n: number, width = dModel, bad?: number) {
  const embeds = new Float32Array(n * width).fill(0.1);
  if (bad !== undefined) embeds[bad] = Number.POSITIVE_INFINITY;
  const wire = { shape: [n, width], dtype: "f32", data: Buffer.from(encodeF32("f32", embeds)).toString("base64") };
  return { library: { embeds, shape: [n, width] }, wire };
}

/** A parameter of generate whose name differs in letters only. */
function parameter(name: string, value: unknown, problem: string, code = "invalid_value"): [string, Fault] {
  const wire = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return [
    `${name}: ${JSON.stringify(value)}`,
    {
      call: ["generate", { input: "Once", [name]: value }],
      field: name,
      problem,
      code,
      request: ["/completions", { prompt: "Once", [wire]: value }],
    },
  ];
}

const type = "invalid_type";
const parameters: [string, Fault][] = [
  parameter(
    "maxTokens",
    maxSeqLen - 1,
    `${maxSeqLen - 1} tokens do not fit, expected at most`,
    "context_length_exceeded",
  ),
  parameter("temperature", -1, "got -1, expected a number ≥ 0"),
  parameter("temperature", "hot", 'got "hot", expected a number', type),
  parameter("topK", -1, "got -1, expected a whole number ≥ 0"),
  parameter("topK", 1.5, "got 1.5, expected a whole number ≥ 0"),
  parameter("topP", 1.5, "got 1.5, expected a number from 0 to 1"),
  parameter("topP", [], "got an empty array, expected a number", type),
  parameter("minP", -0.1, "got -0.1, expected a number from 0 to 1"),
  parameter("frequencyPenalty", 2.5, "got 2.5, expected a number from -2 to 2"),
  parameter("presencePenalty", -3, "got -3, expected a number from -2 to 2"),
  parameter("repetitionPenalty", 0, "got 0, expected a number > 0"),
  parameter("repetitionPenalty", {}, "got an object, expected a number", type),
  parameter("seed", 0.5, "got 0.5, expected a whole number from -2^63 to 2^63 - 1"),
  parameter("seed", true, "got true, expected a whole number", type),
  parameter("stop", "", "it is empty, expected at least one character"),
  parameter("stop", 5, "got 5, expected a string or a list of strings", type),
  parameter("stopRepeats", "yes", 'got "yes", expected true or false', type),
  parameter("logprobs", -1, `got -1, expected a whole number from 0 to ${vocabSize}`),
  parameter("logitBias", { 999999: 1 }, `got the token id 999999, expected a whole number from 0 to ${vocabSize - 1}`),
  parameter("logitBias", { x: 1 }, `got the token id x, expected a whole number from 0 to ${vocabSize - 1}`),
  parameter("logitBias", 5, "got 5, expected numbers by token id", type),
];

const inside: [string, Fault][] = [
  [
    "a stop among several",
    {
      call: ["generate", { input: "Once", stop: ["a", ""] }],
      field: "stop[1]",
      problem: "it is empty, expected at least one character",
      request: ["/completions", { prompt: "Once", stop: ["a", ""] }],
    },
  ],
  [
    "one bias among several",
    {
      call: ["generate", { input: "Once", logitBias: { 5: 1, 7: 101 } }],
      field: "logitBias.7",
      problem: "got 101, expected a number from -100 to 100",
      request: ["/completions", { prompt: "Once", logit_bias: { 5: 1, 7: 101 } }],
    },
  ],
  [
    "the alternatives of a chat",
    {
      call: ["generate", { input: "Once", logprobs: 0.5 }],
      field: "logprobs",
      problem: `got 0.5, expected a whole number from 0 to ${vocabSize}`,
      request: [
        "/chat/completions",
        { messages: [{ role: "user", content: "Hi" }], logprobs: true, top_logprobs: 0.5 },
      ],
      param: "top_logprobs",
    },
  ],
];

const tooLong = new Array(maxSeqLen).fill(5);
const contextProblem = `got ${maxSeqLen} tokens, expected at most ${maxSeqLen - 1}: the maximum context length is ${maxSeqLen} tokens`;

const segments: [string, Fault][] = [
  [
    "a prompt longer than the context",
    {
      call: ["generate", { input: [{ ids: tooLong }] }],
      field: "input",
      problem: contextProblem,
      code: "context_length_exceeded",
      request: ["/completions", { prompt: tooLong }],
      param: "prompt",
    },
  ],
  [
    "an input longer than the context, judged",
    {
      call: ["score", { input: [{ ids: tooLong }], targets: [[5]] }],
      field: "input",
      problem: contextProblem,
      code: "context_length_exceeded",
      request: ["/score", { input: [{ type: "tokens", ids: tooLong }], targets: [[5]] }],
    },
  ],
  [
    "an id",
    {
      call: ["generate", { input: [{ text: "a" }, { ids: [5, vocabSize] }] }],
      field: "input[1].ids",
      problem: `token 1 is ${vocabSize}, expected a whole number from 0 to ${vocabSize - 1}`,
      request: [
        "/completions",
        {
          input: [
            { type: "text", text: "a" },
            { type: "tokens", ids: [5, vocabSize] },
          ],
        },
      ],
    },
  ],
  [
    "an id of a whole prompt",
    {
      call: ["generate", { input: [{ ids: [5, vocabSize] }] }],
      field: "input[0].ids",
      problem: `token 1 is ${vocabSize}, expected a whole number from 0 to ${vocabSize - 1}`,
      request: ["/completions", { prompt: [5, vocabSize] }],
      param: "prompt",
    },
  ],
  [
    "rows of another width",
    {
      call: ["generate", { input: [{ text: "a" }, rows(2, 3).library] }],
      field: "input[1].shape",
      problem: `rows are 3 wide, expected the model's width of ${dModel}`,
      request: [
        "/completions",
        {
          input: [
            { type: "text", text: "a" },
            { type: "embeds", embeds: rows(2, 3).wire },
          ],
        },
      ],
      param: "input[1].embeds.shape",
    },
  ],
  [
    "a number that is not finite",
    {
      call: ["score", { input: [rows(2, dModel, dModel + 3).library], targets: ["a"] }],
      field: "input[0].embeds",
      problem: "row 1, column 3 is Infinity in f32, expected finite numbers",
      request: ["/score", { input: [{ type: "embeds", embeds: rows(2, dModel, dModel + 3).wire }], targets: ["a"] }],
    },
  ],
  [
    "an unknown soft prompt",
    {
      call: ["generate", { input: [{ text: "a" }, { softPrompt: "nobody" }] }],
      field: "input[1].softPrompt",
      problem: 'there is none named "nobody"',
      code: "unknown",
      request: [
        "/completions",
        {
          input: [
            { type: "text", text: "a" },
            { type: "soft_prompt", name: "nobody" },
          ],
        },
      ],
      param: "input[1].name",
    },
  ],
];

const p = { id: "p", ...rows(2).library };
const wireP = { type: "embeds", id: "p", embeds: rows(2).wire };
const judged: [string, Fault][] = [
  [
    "an empty target",
    {
      call: ["score", { input: "a", targets: ["x", ""] }],
      field: "targets[1]",
      problem: "it is empty, expected at least one token",
      request: ["/score", { input: "a", targets: ["x", ""] }],
    },
  ],
  [
    "an id in a target",
    {
      call: ["gradients", { input: [p], targets: [[5], [vocabSize]] }],
      field: "targets[1]",
      problem: `token 0 is ${vocabSize}, expected a whole number from 0 to ${vocabSize - 1}`,
      request: ["/gradients", { input: [wireP], targets: [[5], [vocabSize]] }],
    },
  ],
  [
    "a target longer than the context",
    {
      call: ["score", { input: "a", targets: [tooLong] }],
      field: "targets[0]",
      problem: /^8192 tokens do not fit, expected at most \d+ after this input$/,
      request: ["/score", { input: "a", targets: [tooLong] }],
    },
  ],
  [
    "no embeds",
    {
      call: ["gradients", { input: "a", targets: ["x"] }],
      field: "input",
      problem: "it has no embeds segment, expected at least one that gradients are wanted by",
      code: "missing",
      request: ["/gradients", { input: "a", targets: ["x"] }],
    },
  ],
  [
    "an id twice",
    {
      call: ["gradients", { input: [p, p], targets: ["x"] }],
      field: "input[1].id",
      problem: '"p" is there twice, expected different ids',
      request: ["/gradients", { input: [wireP, wireP], targets: ["x"] }],
    },
  ],
  [
    "few weights",
    {
      call: ["gradients", { input: [p], targets: [[5, 6]], weights: [[1]] }],
      field: "weights[0]",
      problem: "got 1 numbers, expected 2, one for each token of targets[0]",
      request: ["/gradients", { input: [wireP], targets: [[5, 6]], weights: [[1]] }],
    },
  ],
  [
    "weights and a loss",
    {
      call: ["gradients", { input: [p], targets: [[5]], weights: [[1]], loss: "cross_entropy" }],
      field: "weights",
      problem: "there is a loss too, expected one of both",
      request: ["/gradients", { input: [wireP], targets: [[5]], weights: [[1]], loss: "cross_entropy" }],
    },
  ],
  [
    "a narrow candidate",
    {
      call: ["candidateGradients", { input: [p], targets: [[5]], candidates: [rows(2).library, rows(2, 3).library] }],
      field: "candidates[1].shape",
      problem: `rows are 3 wide, expected the model's width of ${dModel}`,
      request: ["/gradients", { input: [wireP], targets: [[5]], candidates: [rows(2).wire, rows(2, 3).wire] }],
    },
  ],
  [
    "a narrow candidate, judged",
    {
      call: ["candidateScores", { input: [p], targets: [[5]], candidates: [rows(2).library, rows(2, 3).library] }],
      field: "candidates[1].shape",
      problem: `rows are 3 wide, expected the model's width of ${dModel}`,
      request: ["/score", { input: [wireP], targets: [[5]], candidates: [rows(2).wire, rows(2, 3).wire] }],
    },
  ],
  [
    "a candidate that is not finite",
    {
      call: ["candidateGradients", { input: [p], targets: [[5]], candidates: [rows(1, dModel, 4).library] }],
      field: "candidates[0].embeds",
      problem: "row 0, column 4 is Infinity in f32, expected finite numbers",
      request: ["/gradients", { input: [wireP], targets: [[5]], candidates: [rows(1, dModel, 4).wire] }],
      param: "candidates[0]",
    },
  ],
];

const user = (content: unknown) => ({ role: "user", content });
const schema = { type: "object", properties: { a: { $ref: "b.json" } } };
const schemaProblem = '"$ref" "b.json" is not supported: it leads out of the schema (at #/properties/a/$ref)';
const asFormat = (schema: unknown) => ({ type: "json_schema", json_schema: { name: "s", schema } });
const tool = (name: string, parameters: object) => ({ type: "function", function: { name, parameters, strict: true } });
const frame = { begin: [], before: [], between: [{ text: "(" }], after: [{ text: ")" }], separator: [], end: [] };
const begun = { role: "assistant", content: '{"b":', prefix: true };
const strictSchema = {
  type: "object",
  properties: { a: { type: "integer" } },
  required: ["a"],
  additionalProperties: false,
};

const grammars: [string, Fault][] = [
  [
    "a schema that is not honored",
    {
      call: ["generate", { input: "a", grammar: { kind: "json_schema", schema } }],
      field: "grammar.schema.properties.a.$ref",
      code: "unsupported",
      problem: schemaProblem,
      request: ["/chat/completions", { messages: [user("json")], response_format: asFormat(schema) }],
      param: "response_format.json_schema.schema",
    },
  ],
  [
    "a prefix that no valid text begins with",
    {
      call: ["generate", { input: "a", grammar: { kind: "json_schema", schema: strictSchema, prefix: '{"b":' } }],
      field: "grammar.prefix",
      problem: 'the prefix "{\\"b\\":" does not begin any valid text: byte 2 is refused',
      request: ["/chat/completions", { messages: [user("json"), begun], response_format: asFormat(strictSchema) }],
      param: "messages[1].content",
    },
  ],
  [
    "parameters of a tool",
    {
      call: [
        "generate",
        {
          input: "a",
          grammar: {
            kind: "tools",
            tools: [{ name: "good" }, { name: "bad", parameters: schema }],
            choice: "required",
            parallel: false,
            frame,
          },
        },
      ],
      field: "grammar.tools[1].parameters.properties.a.$ref",
      code: "unsupported",
      problem: schemaProblem,
      request: ["/chat/completions", { messages: [user("Hi")], tools: [tool("good", {}), tool("bad", schema)] }],
      param: "tools[1].function.parameters",
    },
  ],
];

const twoTools = [tool("good", {}), tool("bad", schema)];
const answers: [string, Fault][] = [
  [
    "a schema that is not honored",
    {
      call: ["chat", { messages: [user("json")], responseFormat: { type: "json_schema", schema } }],
      field: "responseFormat.schema",
      code: "unsupported",
      problem: schemaProblem,
      request: ["/chat/completions", { messages: [user("json")], response_format: asFormat(schema) }],
      param: "response_format.json_schema.schema",
    },
  ],
  [
    "no schema",
    {
      call: ["chat", { messages: [user("json")], responseFormat: { type: "json_schema" } }],
      field: "responseFormat.schema",
      problem: "missing, expected a JSON schema",
      code: "missing",
      request: ["/chat/completions", { messages: [user("json")], response_format: asFormat(undefined) }],
      param: "response_format.json_schema.schema",
    },
  ],
  [
    "a prefix that no valid text begins with",
    {
      call: [
        "chat",
        { messages: [user("json"), begun], responseFormat: { type: "json_schema", schema: strictSchema } },
      ],
      field: "messages[1].content",
      problem: 'the prefix "{\\"b\\":" does not begin any valid text: byte 2 is refused',
      request: ["/chat/completions", { messages: [user("json"), begun], response_format: asFormat(strictSchema) }],
    },
  ],
  [
    "parameters of a tool",
    {
      call: ["chat", { messages: [user("Hi")], tools: twoTools }],
      field: "tools[1].function.parameters",
      code: "unsupported",
      problem: schemaProblem,
      request: ["/chat/completions", { messages: [user("Hi")], tools: twoTools }],
    },
  ],
  [
    "a tool twice",
    {
      call: ["chat", { messages: [user("Hi")], tools: [tool("a", {}), tool("a", {})] }],
      field: "tools[1].function.name",
      problem: '"a" is the name of tools[0] too',
      request: ["/chat/completions", { messages: [user("Hi")], tools: [tool("a", {}), tool("a", {})] }],
    },
  ],
  [
    "a choice of what is not there",
    {
      call: ["chat", { messages: [user("Hi")], tools: [tool("a", {})], toolChoice: { name: "b" } }],
      field: "toolChoice.name",
      problem: 'no tool is named "b", expected one of tools',
      code: "unknown",
      request: [
        "/chat/completions",
        {
          messages: [user("Hi")],
          tools: [tool("a", {})],
          tool_choice: { type: "function", function: { name: "b" } },
        },
      ],
      param: "tool_choice.function.name",
    },
  ],
  [
    "a pattern and calls, both free",
    {
      call: [
        "chat",
        { messages: [user("Hi")], tools: [tool("a", {})], responseFormat: { type: "regex", pattern: "a+" } },
      ],
      field: "responseFormat",
      problem: "regex with tools needs a choice among them: none, required or a name",
      request: ["/chat/completions", { messages: [user("Hi")], tools: [tool("a", {})], guided_regex: "a+" }],
      param: "guided_regex",
    },
  ],
  [
    "a pattern that is none",
    {
      call: ["chat", { messages: [user("Hi")], responseFormat: { type: "regex", pattern: "(" } }],
      field: "responseFormat.pattern",
      code: "unsupported",
      problem: 'it is refused: the pattern "("',
      request: ["/chat/completions", { messages: [user("Hi")], structured_outputs: { regex: "(" } }],
      param: "structured_outputs.regex",
    },
  ],
  [
    "no choices",
    {
      call: ["chat", { messages: [user("Hi")], responseFormat: { type: "choice", choices: [] } }],
      field: "responseFormat.choices",
      code: "invalid_type",
      problem: "got an empty array, expected a list of at least one text",
      request: ["/chat/completions", { messages: [user("Hi")], guided_choice: [] }],
      param: "guided_choice",
    },
  ],
  [
    "beside tools, a schema that is not honored",
    {
      call: [
        "chat",
        { messages: [user("json")], tools: [tool("a", {})], responseFormat: { type: "json_schema", schema } },
      ],
      field: "responseFormat.schema",
      code: "unsupported",
      problem: schemaProblem,
      request: ["/chat/completions", { messages: [user("json")], tools: [tool("a", {})], guided_json: schema }],
      param: "guided_json",
    },
  ],
];

const wide = rows(1, 3);
const messages: [string, Fault][] = [
  [
    "rows in a part of a message",
    {
      call: [
        "chat",
        {
          messages: [
            user("Hi"),
            { role: "assistant", content: "Yes?" },
            user("So."),
            user([
              { type: "text", text: "a" },
              { type: "embeds", ...wide.library },
            ]),
          ],
        },
      ],
      field: "messages[3].content[1].shape",
      problem: `rows are 3 wide, expected the model's width of ${dModel}`,
      request: [
        "/chat/completions",
        {
          messages: [
            user("Hi"),
            { role: "assistant", content: "Yes?" },
            user("So."),
            user([
              { type: "text", text: "a" },
              { type: "embeds", embeds: wide.wire },
            ]),
          ],
        },
      ],
      param: "messages[3].content[1].embeds.shape",
    },
  ],
  [
    "a number in a part of a message",
    {
      call: ["chat", { messages: [user("Hi"), user([{ type: "embeds", ...rows(1, dModel, 7).library }])] }],
      field: "messages[1].content[0].embeds",
      problem: "row 0, column 7 is Infinity in f32, expected finite numbers",
      request: [
        "/chat/completions",
        { messages: [user("Hi"), user([{ type: "embeds", embeds: rows(1, dModel, 7).wire }])] },
      ],
    },
  ],
  [
    "a soft prompt in a part of a prefix",
    {
      call: [
        "chat",
        {
          messages: [
            user("Hi"),
            {
              role: "assistant",
              prefix: true,
              content: [
                { type: "text", text: "So" },
                { type: "soft_prompt", name: "x" },
              ],
            },
          ],
        },
      ],
      field: "messages[1].content[1].name",
      problem: 'there is none named "x"',
      code: "unknown",
      request: [
        "/chat/completions",
        {
          messages: [
            user("Hi"),
            {
              role: "assistant",
              prefix: true,
              content: [
                { type: "text", text: "So" },
                { type: "soft_prompt", name: "x" },
              ],
            },
          ],
        },
      ],
    },
  ],
  [
    "a tool message for no call",
    {
      call: ["chat", { messages: [user("Hi"), { role: "tool", content: "7", tool_call_id: "a" }] }],
      field: "messages[1].tool_call_id",
      problem: 'no call before it has the id "a", expected one of an assistant\'s tool_calls',
      request: ["/chat/completions", { messages: [user("Hi"), { role: "tool", content: "7", tool_call_id: "a" }] }],
    },
  ],
  [
    "a prefix by the user",
    {
      call: ["chat", { messages: [{ ...user("Hi"), prefix: true }] }],
      field: "messages[0].prefix",
      problem: "the role is user, expected it on assistant messages only",
      request: ["/chat/completions", { messages: [{ ...user("Hi"), prefix: true }] }],
    },
  ],
  [
    "a conversation longer than the context",
    {
      call: ["chat", { messages: [user("word ".repeat(maxSeqLen))] }],
      field: "messages",
      problem: /^got \d+ tokens, expected at most 8191: the maximum context length is 8192 tokens$/,
      code: "context_length_exceeded",
      request: ["/chat/completions", { messages: [user("word ".repeat(maxSeqLen))] }],
    },
  ],
  [
    "a variable that no template knows",
    {
      call: ["chat", { messages: [user("Hi")], templateArguments: { ofMine: 1 } }],
      field: 'templateArguments["ofMine"]',
      problem: "it is not known, expected one of enable_thinking, thinking, reasoning_effort, date_string",
      code: "unknown",
      request: ["/chat/completions", { messages: [user("Hi")], chat_template_kwargs: { ofMine: 1 } }],
      param: 'chat_template_kwargs["ofMine"]',
    },
  ],
];

/** The library's refusal. Its callers here have no compiler. */
async function faultOf(model: ServedModel, [method, options]: Fault["call"]): Promise<FieldError> {
  const call = model[method] as (options: object) => AsyncIterable<unknown> | Promise<unknown>;
  const attempt = async () => {
    const work = call({ ...(method === "generate" || method === "chat" ? { maxTokens: 1 } : {}), ...options });
    if (Symbol.asyncIterator in work) for await (const _ of work);
    else await work;
  };
  const error = await attempt().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(FieldError);
  return error as FieldError;
}

describe.each([
  ["parameters", parameters],
  ["lists and records", inside],
  ["segments", segments],
  ["targets, candidates, weights", judged],
  ["grammars", grammars],
  ["what an answer is to be", answers],
  ["messages", messages],
])("%s", (_, faults) => {
  test.each(faults)("%s", async (_, { call, field, problem, code = "invalid_value", request, param }) => {
    const error = await faultOf(here, call);
    expect({ field: error.field, code: error.code }).toEqual({ field, code });
    if (typeof problem === "string") expect(error.problem.slice(0, problem.length)).toBe(problem);
    else expect(error.problem).toMatch(problem);
    expect(error.message).toBe(`${field}: ${error.problem}`);
    expect(await faultOf(there, call)).toEqual(error);

    const response = await send(`/beta${request[0]}`, request[1]);
    const body = (await response.json()) as { error: { message: string; param: string; code: string } };
    const wire = param ?? field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    expect({ status: response.status, ...body.error }).toEqual({
      status: 400,
      type: "invalid_request_error",
      param: wire,
      message: `${wire}: ${error.problem}`,
      code: code === "context_length_exceeded" ? code : "invalid_request_error",
    });
  });
});
