// The forms in which a checkpoint takes conversations and gaps, as far as it has them.

import { type ChatFormat, createChatFormat } from "../prompt/chat-format.ts";
import { type FimFormat, fimFormat } from "../prompt/fim.ts";
import type { ServedModel } from "../served-model.ts";

export interface Formats {
  /** null: the checkpoint has none. */
  chat: ChatFormat | null;
  fim: FimFormat | null;
  /** Why a chat template that is there cannot be run: chat is off, and the rest of the server works without it. */
  chatProblem?: string;
}

/** A model's formats of conversations and gaps. */
export function formatsOf({ chatTemplate, tokenizer }: Pick<ServedModel, "chatTemplate" | "tokenizer">): Formats {
  const fim = fimFormat(tokenizer);
  if (chatTemplate === null) return { chat: null, fim };
  try {
    return { chat: createChatFormat(chatTemplate, tokenizer), fim };
  } catch (error) {
    return { chat: null, fim, chatProblem: (error as Error).message };
  }
}
