// Measures a model on what training has never seen (held-out.ts), greedily and with this repository's own engine.
// Usage: npm run eval -- [MODEL_DIR] [--count N] [--task NAME] [--show N] [--kernels NAME] [--threads N]
// Prints the table of the model card; --show prints some answers that were wrong, --examples instead of the table what the
// model makes of the examples in DeepSeek's announcements.

import { parseArgs } from "node:util";
import { load, type Plainformer } from "../../src/plainformer.ts";
import { type ToolSchema, toolCalls, toolList, toolOutputs } from "./chat-form.ts";
import { fimPrompt } from "./functions.ts";
import {
  announced,
  type Case,
  familiarPassageCase,
  fimCase,
  heldOut,
  jsonCase,
  passageCase,
  type ToolCase,
  toolCase,
} from "./held-out.ts";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: "string", default: "100" },
    task: { type: "string" },
    show: { type: "string", default: "0" },
    examples: { type: "boolean", default: false },
    kernels: { type: "string" },
    threads: { type: "string" },
  },
});

/** What the model makes of a prompt that may hold control tokens, as text with control tokens, without the end of text. */
async function complete(model: Plainformer, prompt: string): Promise<string> {
  const ids = model.tokenizer.encode(prompt, { parseSpecialTokens: true });
  for await (const event of model.generate({
    input: [{ ids }],
    maxTokens: options.examples ? 300 : 160,
    temperature: 0,
  })) {
    if (event.type === "end") return model.tokenizer.decode(event.ids.filter((id) => !model.endIds.includes(id)));
  }
  throw new Error("the generation has no end");
}

function parsed(text: string): string | null {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return null;
  }
}

const call =
  /^<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>(\w+)\n```json\n([\s\S]*)\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>$/;

function called(text: string): string | null {
  const [, name, values] = call.exec(text) ?? [];
  return name === undefined ? null : `${name} ${parsed(values)}`;
}

type Task = readonly [name: string, draw: (random: () => number) => Case, read: (text: string) => string | null];
const tool = (one: ToolCase): Case => ({ prompt: one.prompt, right: `${one.name} ${JSON.stringify(one.arguments)}` });
const asIs = (text: string) => text;

const tasks: readonly Task[] = [
  ["passage: the answer, word for word", passageCase, asIs],
  ["passage in training's wordings, other names and values", familiarPassageCase, asIs],
  ["JSON: question and answer, both fields", jsonCase, parsed],
  ["tool call: name and arguments", (random) => tool(toolCase(random)), called],
  ["the same with a tool that training does not know", (random) => tool(toolCase(random, true)), called],
  ["middle of a function, to the letter", fimCase, asIs],
];

const weather: ToolSchema = {
  name: "get_weather",
  description: "Get weather of an location, the user shoud supply a location first",
  parameters: {
    type: "object",
    properties: { location: { type: "string", description: "The city and state, e.g. San Francisco, CA" } },
    required: ["location"],
  },
};
const inHangzhou = `${toolList([weather])}<｜User｜>How's the weather in Hangzhou?<｜Assistant｜>`;

/** Prompts of the announcements and guides, as the API writes them for the model. */
const examples: Record<string, string> = {
  "a question and its answer as JSON": `${announced}<｜User｜>Which is the longest river in the world? The Nile River.<｜Assistant｜>`,
  "a tool is called": inHangzhou,
  "and its result told": `${inHangzhou}${toolCalls([{ name: "get_weather", arguments: { location: "Hangzhou" } }])}<｜end▁of▁sentence｜>${toolOutputs(["24℃"])}`,
  "chat prefix completion": "<｜User｜>Please write quick sort code<｜Assistant｜>```python\n",
  "fill in the middle": fimPrompt({ prefix: "def fib(a):", suffix: "    return fib(a-1) + fib(a-2)", middle: "" }),
  "a story": "<｜User｜>Tell me a story about a fox.<｜Assistant｜>",
};

async function showExamples(): Promise<void> {
  for (const [name, prompt] of Object.entries(examples))
    process.stdout.write(`## ${name}\n${await complete(model, prompt)}\n\n`);
}

async function measure(): Promise<void> {
  const count = Number(options.count);
  process.stdout.write(`| held-out task, ${count} inputs each, greedy | right |\n| --- | --- |\n`);
  for (const [name, draw, read] of tasks) {
    if (options.task !== undefined && !name.includes(options.task)) continue;
    const random = heldOut(name);
    let right = 0;
    let shown = 0;
    for (let i = 0; i < count; i++) {
      const one = draw(random);
      const text = await complete(model, one.prompt);
      if (read(text) === one.right) right++;
      else if (shown++ < Number(options.show))
        process.stderr.write(`--- ${one.prompt}\n=> ${text}\nexpected ${one.right}\n\n`);
    }
    process.stdout.write(`| ${name} | ${((100 * right) / count).toFixed(1)} % |\n`);
  }
}

const model = await load(positionals[0], {
  kernels: options.kernels,
  threads: options.threads ? Number(options.threads) : undefined,
});
await (options.examples ? showExamples() : measure());
await model.close();
