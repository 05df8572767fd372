// The tokens that end an assistant's turn, found in what the chat template writes behind one. Files often name another end
// (`<|endoftext|>` beside ChatML's `<|im_end|>`): with that alone a chat would never stop.

import { endOfTurnTexts } from "../tokenizer/end-of-turn.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { plainTemplate, type TemplateMessage } from "./chat-template.ts";

const question = { role: "user", content: "a question" };
const answer = { role: "assistant", content: "seven fathoms" };
const more = { role: "user", content: "the next question" };
const given = { depth: 70071, note: "reef" };
const parameters = { type: "object", properties: { depth: { type: "integer" }, note: { type: "string" } } };
const tool = { type: "function", function: { name: "sound_depth", description: "The depth.", parameters } };

function callWith(content: string | null, depths: unknown): TemplateMessage {
  const call = { id: "sounding0", type: "function", function: { name: "sound_depth", arguments: depths } };
  return { role: "assistant", content, tool_calls: [call] };
}

// Llama 3.1 ends a call with another token where it is told of tools of its environment.
const settings = [{ tools: [tool] }, { tools: [tool], builtin_tools: [] }];
const calls = [given, JSON.stringify(given)].flatMap((depths) => [callWith("", depths), callWith(null, depths)]);

/**
 * The ids of the tokens that a chat template writes to end a turn: those behind an answer that are known to end turns, or the
 * last one there; of a template that puts nothing behind an answer, the token that the next turn begins with; and behind
 * calls the known ones. None where there is no template, or one that cannot be run.
 */
export function endOfTurnIds(source: string | null, tokenizer: Tokenizer): number[] {
  if (source === null) return [];
  const { bosId, eosId, tokenOf, isSpecial } = tokenizer;
  const textOf = (id: number | undefined) => (id === undefined ? undefined : tokenOf(id));
  let template: ReturnType<typeof plainTemplate>;
  try {
    template = plainTemplate(source, { bos: textOf(bosId), eos: textOf(eosId) });
  } catch {
    return []; // whoever asks for a chat is told why
  }
  const isKnown = (id: number) => endOfTurnTexts.has(tokenOf(id) ?? "");
  /** The tokens, known or marked as special, between the last of one text and the first of another, or the end. */
  const behind = (from: string, to: string, messages: readonly TemplateMessage[], variables: object = {}) => {
    try {
      const text = template.render({ tools: null, ...variables, messages, add_generation_prompt: false });
      const at = text.lastIndexOf(from) + from.length;
      if (at < from.length) return [];
      const end = to === "" ? text.length : text.indexOf(to, at);
      const ids = tokenizer.encode(text.slice(at, end), { parseSpecialTokens: true, addSpecialTokens: false });
      return ids.filter((id) => id === eosId || (id !== bosId && (isKnown(id) || isSpecial(id))));
    } catch {
      return []; // it cannot do this
    }
  };
  const known = (ids: readonly number[], otherwise: number | undefined) => {
    const some = ids.filter(isKnown);
    return some.length > 0 || otherwise === undefined ? some : [otherwise];
  };
  const last = behind(answer.content, "", [question, answer]);
  const between = last.length > 0 ? [] : behind(answer.content, more.content, [question, answer, more]);
  const found = new Set([...known(last, last.at(-1)), ...known(between, between[0])]);
  const others = [...endOfTurnTexts].filter((text) => source.includes(text) && !found.has(tokenizer.idOf(text) ?? -1));
  if (others.some((text) => tokenizer.idOf(text) !== undefined))
    for (const variables of settings)
      for (const call of calls)
        for (const id of behind(given.note, "", [question, call], variables)) if (isKnown(id)) found.add(id);
  return [...found];
}
