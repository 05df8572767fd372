// Tokens that end a turn are known by their text, where the chat template writes them; the model then stops at them.

import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { convertToGguf } from "../../src/export/gguf.ts";
import { load } from "../../src/index.ts";
import { defaultModel } from "../../src/plainformer.ts";
import { endOfTurnIds } from "../../src/tokenizer/end-of-turn.ts";

/** A vocabulary of these texts, numbered from 10. */
const vocabulary = (...texts: string[]) => ({
  idOf: (text: string) => (texts.includes(text) ? 10 + texts.indexOf(text) : undefined),
});
const chatMl = "{% for m in messages %}{{ '<|im_start|>' + m.role + m.content + '<|im_end|>' }}{% endfor %}";

describe("ids", () => {
  test.each<[what: string, template: string | null, texts: string[], ids: number[]]>([
    ["ChatML", chatMl, ["<|endoftext|>", "<|im_end|>"], [11]],
    ["Llama 3", "{{ '<|eot_id|>' }}", ["<|eot_id|>", "<|eom_id|>"], [10]],
    ["Gemma", "{{ '<end_of_turn>' }}", ["<end_of_turn>"], [10]],
    ["Phi-3", "{{ '<|end|>' }}", ["<|end|>", "<|endoftext|>"], [10]],
    ["Cohere", "{{ '<|END_OF_TURN_TOKEN|>' }}", ["<|END_OF_TURN_TOKEN|>"], [10]],
    [
      "gpt-oss, where <|end|> ends a message",
      "<|end|><|return|><|call|>",
      ["<|end|>", "<|return|>", "<|call|>"],
      [11, 12],
    ],
    ["Gemma 4, where </s> is no end", "</s><turn|>", ["</s>", "<turn|>", "<|tool_response>"], [11]],
    ["no such token", chatMl, ["<|endoftext|>"], []],
    ["no template", null, ["<|im_end|>"], []],
    ["another template", "{{ messages[0].content }}", ["<|im_end|>"], []],
  ])("%s", (_, template, texts, ids) => {
    expect(endOfTurnIds(template, vocabulary(...texts))).toEqual(ids);
  });
});

describe("a model whose files name another end than its template", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "end-of-turn-"));
    await cp(defaultModel, folder, { recursive: true });
    const json = async (name: string) => JSON.parse(await readFile(join(folder, name), "utf8"));
    const tokenizer = await json("tokenizer.json");
    // The last added token becomes ChatML's.
    const last = tokenizer.added_tokens.at(-1);
    delete tokenizer.model.vocab[last.content];
    last.content = "<|im_end|>";
    await writeFile(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
    const config = await json("tokenizer_config.json");
    await writeFile(join(folder, "tokenizer_config.json"), JSON.stringify({ ...config, chat_template: chatMl }));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test("stops at both, from a folder and from a GGUF file", async () => {
    const original = await load(defaultModel, { kernels: "reference" });
    const own = original.endIds;
    await original.close();
    const file = join(folder, "model.gguf");
    await convertToGguf(folder, file);
    for (const place of [folder, file]) {
      const model = await load(place, { kernels: "reference" });
      const id = model.tokenizer.idOf("<|im_end|>");
      expect(id).toBeGreaterThan(0);
      expect(model.endIds).toEqual([...own, id]);
      await model.close();
    }
  });
});
