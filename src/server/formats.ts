// The forms in which a checkpoint takes conversations and gaps, as far as it has them.

import { type ChatFormat, createChatFormat } from "../prompt/chat-format.ts";
import { type FimFormat, fimFormat } from "../prompt/fim.ts";
import type { ServedModel } from "../served-model.ts";

/**
 * A model's chat and fill-in-the-middle formats, null where it has none. A chat template that cannot be run turns chat off,
 * and `tell` hears why; the rest of the server works without it.
 */
export function formatsOf(
  { chatTemplate, tokenizer }: ServedModel,
  tell: (problem: string) => void,
): { chat: ChatFormat | null; fim: FimFormat | null } {
  const fim = fimFormat(tokenizer);
  if (chatTemplate === null) return { chat: null, fim };
  try {
    return { chat: createChatFormat(chatTemplate, tokenizer), fim };
  } catch (error) {
    tell((error as Error).message);
    return { chat: null, fim };
  }
}
