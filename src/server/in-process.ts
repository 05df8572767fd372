// A model of this thread as the server sees it: for tests and for those who embed the server. Computing keeps this thread
// busy between steps, so `plainformer serve` runs the model in a worker instead.

import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Plainformer } from "../plainformer.ts";
import { promptOf } from "../prompt/segments.ts";
import type { ServedModel } from "./served-model.ts";

export async function inProcess(model: Plainformer): Promise<ServedModel> {
  const { config, tokenizer, kernels, endIds, cacheTokens, directory, files } = model;
  const fingerprint = createHash("sha256").update(JSON.stringify(config));
  for (const file of files) fingerprint.update(String((await stat(file)).size));
  let running = 0;
  return {
    config,
    tokenizer,
    kernels,
    endIds,
    cacheTokens,
    directory,
    files,
    fingerprint: fingerprint.digest("hex"),
    chatTemplate: await chatTemplateOf(directory),
    embed: model.embed,
    async *generate(options) {
      running++;
      try {
        let begun = false;
        for await (const event of model.generate(options)) {
          if (!begun) {
            const { rows, embedRows } = promptOf(options.input, tokenizer, config);
            yield { type: "prompt", promptTokens: rows, embedTokens: embedRows, cachedTokens: 0 };
          }
          begun = true;
          yield event.type === "end" ? { ...event, usage: { ...event.usage, cachedTokens: 0 } } : event;
        }
      } finally {
        running--;
      }
    },
    score: model.score,
    load: async () => ({ freePages: 0, pages: 0, cachedPages: 0, running, waiting: 0, steps: 0 }),
    close: async () => model.close(),
  };
}

async function chatTemplateOf(directory: string): Promise<string | null> {
  const text = await readFile(join(directory, "tokenizer_config.json"), "utf8").catch(() => "{}");
  return JSON.parse(text).chat_template ?? null;
}
