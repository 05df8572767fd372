// A model that also chats and fills gaps: the same methods, and two more that are made of `generate` and what the checkpoint
// says of conversations and gaps.

import { chat } from "./chat.ts";
import { fim } from "./fim.ts";
import { type ChatFormat, createChatFormat } from "./prompt/chat-format.ts";
import { type FimFormat, fimFormat } from "./prompt/fim.ts";
import type { ComputedModel, ServedModel } from "./served-model.ts";

export function withChat<Model extends ComputedModel>(model: Model): Model & Pick<ServedModel, "chat" | "fim"> {
  const { chatTemplate, tokenizer, config, cacheTokens } = model;
  let chatForm: ChatFormat | undefined; // what a template can do is found out by trying: when it is first asked for
  let fimForm: FimFormat | null | undefined;
  return {
    ...model,
    async *chat(options) {
      chatForm ??= createChatFormat(chatTemplate, tokenizer);
      yield* chat(model, chatForm, tokenizer, options);
    },
    async *fim(options) {
      fimForm ??= fimFormat(tokenizer);
      if (!fimForm)
        throw new Error("fim: this model's vocabulary has no tokens for filling in the middle; take a code model");
      yield* fim(model.generate, fimForm, Math.min(config.maxSeqLen, cacheTokens), options);
    },
  };
}
