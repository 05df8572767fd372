// The tokens that end a turn are those that the chat template writes behind an answer or a call, whatever the files name as
// the end; a chat then stops at them, from a folder and from a GGUF file.

import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describe as describeFacts, factsOf } from "../../src/cli/inspect.ts";
import { convertToGguf } from "../../src/export/gguf.ts";
import { load } from "../../src/index.ts";
import { defaultModel } from "../../src/plainformer.ts";
import { endOfTurnIds } from "../../src/prompt/end-of-turn.ts";
import { tokenizerOf } from "./template-goldens.ts";

const each = (turn: string) => `{% for m in messages %}${turn}{% endfor %}`;
const chatMl = each("{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}");
const llama3 = each("<|start_header_id|>{{ m.role }}<|end_header_id|>{{ m.content }}<|eot_id|>");
const called = "{{ m.tool_calls[0].function.arguments | tojson }}";

describe("tokens", () => {
  test.each<[what: string, template: string | null, tokens: string[], ends: string[]]>([
    ["ChatML", chatMl, ["<|endoftext|>", "<|im_end|>"], ["<|im_end|>"]],
    ["Llama 3, whose other texts the template does not write", llama3, ["<|eom_id|>", "<|im_end|>"], ["<|eot_id|>"]],
    [
      "Llama 3.1, where calls end otherwise beside tools of the environment",
      each(
        `{% if m.tool_calls %}${called}{{ '<|eot_id|>' if builtin_tools is not defined else '<|eom_id|>' }}{% else %}{{ m.content }}<|eot_id|>{% endif %}`,
      ),
      [],
      ["<|eot_id|>", "<|eom_id|>"],
    ],
    [
      "gpt-oss, where <|end|> ends a message in the middle",
      each(
        `{% if m.tool_calls %}${called}<|call|>{% elif loop.last and m.role == 'assistant' %}{{ m.content }}<|return|>{% else %}{{ m.content }}<|end|>{% endif %}`,
      ),
      [],
      ["<|return|>", "<|call|>"],
    ],
    ["Gemma", each("<start_of_turn>{{ m.role }}\n{{ m.content | trim }}<end_of_turn>\n"), [], ["<end_of_turn>"]],
    [
      "Phi-3, which closes a conversation too",
      `${each("{{ m.content }}<|end|>\n")}{% if not add_generation_prompt %}<|endoftext|>{% endif %}`,
      [],
      ["<|end|>", "<|endoftext|>"],
    ],
    [
      "Command R7B, behind the end of its answer",
      each("<|START_RESPONSE|>{{ m.content }}<|END_RESPONSE|><|END_OF_TURN_TOKEN|>"),
      [],
      ["<|END_OF_TURN_TOKEN|>"],
    ],
    ["a text that nobody knows", each("{{ m.role }}: {{ m.content }}<|over|>\n"), ["<|im_end|>"], ["<|over|>"]],
    [
      "GLM, whose turns end where the next begins",
      each("<|{{ m.role }}|>\n{{ m.content }}"),
      ["<|user|>"],
      ["<|user|>"],
    ],
    ["what tokenizer_config.json names", each("{{ m.content }}{{ eos_token }}{{ bos_token }}"), [], ["<|eos|>"]],
    [
      "a template that leaves the last turn open",
      each("{{ m.content }}{% if not loop.last %}<|im_end|>{% endif %}"),
      [],
      ["<|im_end|>"],
    ],
    [
      "a template that refuses a conversation which ends with an answer",
      `{% if messages[-1].role == 'assistant' %}{{ raise_exception('no') }}{% endif %}${chatMl}`,
      [],
      ["<|im_end|>"],
    ],
    ["a text that is no token of this vocabulary", each("{{ m.content }}<end>"), [], []],
    ["none in the template, though the vocabulary has one", each("{{ m.content }}\n"), ["<|im_end|>"], []],
    ["one that it writes elsewhere", `<|im_end|>${each("{{ m.role }}: {{ m.content }}\n")}`, [], []],
    ["a template that cannot be run", "{% for", ["<|im_end|>"], []],
    ["no template", null, ["<|im_end|>"], []],
  ])("%s", (_, template, tokens, ends) => {
    const tokenizer = tokenizerOf(template ?? "", tokens);
    expect(endOfTurnIds(template, tokenizer).map(tokenizer.tokenOf)).toEqual(ends);
  });
});

describe("a model whose files name another end than its template", () => {
  const turnEnd = "<｜end▁of▁sentence｜>";
  let folder: string;
  const answers = { messages: [{ role: "user" as const, content: "Hello!" }], maxTokens: 60, temperature: 0 };

  /** What the model says, and why it stopped. */
  async function saidBy(place: string) {
    const model = await load(place, { threads: 1 });
    try {
      let end: { text: string | null | undefined; why: string } | undefined;
      for await (const event of model.chat(answers))
        if (event.type === "end") end = { text: event.message.content, why: event.finishReason };
      return { ...end, ends: model.endIds, facts: factsOf(model) };
    } finally {
      await model.close();
    }
  }

  /** The default model, which ends its turns with token 1, under other names: token 2 is what the files call the end. */
  async function renamed(end: string): Promise<string> {
    const place = join(folder, end.replace(/\W/g, ""));
    await cp(defaultModel, place, { recursive: true });
    const change = async (name: string, change: (text: string) => string) =>
      writeFile(join(place, name), change(await readFile(join(place, name), "utf8")));
    const rename = (text: string) => text.replaceAll(turnEnd, end).replaceAll("<｜▁pad▁｜>", "<|endoftext|>");
    await change("tokenizer.json", rename);
    await change("tokenizer_config.json", (text) => {
      const config = JSON.parse(rename(text));
      const chat_template = config.chat_template.replaceAll("eos_token", `'${end}'`);
      return JSON.stringify({ ...config, eos_token: "<|endoftext|>", chat_template });
    });
    for (const name of ["config.json", "generation_config.json"])
      await change(name, (text) => text.replace('"eos_token_id": 1', '"eos_token_id": 2'));
    return place;
  }

  let expected: Awaited<ReturnType<typeof saidBy>>;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "end-of-turn-"));
    expected = await saidBy(defaultModel);
    expect(expected).toMatchObject({ why: "stop", ends: [1] });
  });
  afterAll(() => rm(folder, { recursive: true }));

  test.each(["<|im_end|>", "<end_of_turn>", "<|over and out|>"])("the chat stops at %s, as before", async (end) => {
    const place = await renamed(end);
    const file = join(folder, "model.gguf");
    await convertToGguf(place, file);
    for (const each of [place, file]) {
      const { text, why, ends, facts } = await saidBy(each);
      expect({ text, why, ends }).toEqual({ text: expected.text, why: "stop", ends: [2, 1] });
      expect(facts.tokenizer.end_tokens).toEqual([
        { id: 2, text: "<|endoftext|>" },
        { id: 1, text: end },
      ]);
      expect(describeFacts(facts)).toMatch(`ends at     <|endoftext|> (2), ${end} (1)`);
    }
  });
});
