// Control tokens that have no place in a text that is held to no grammar: roles, marks of gaps, of calls and of their results.
// Where a call may come, a grammar admits its tokens (answer-grammar.ts); what ends the text is the request's own.

import type { AddedToken } from "../tokenizer/added-tokens.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** What stands round the thoughts of a model that thinks aloud. */
export const thinkTags = { open: "<think>", close: "</think>" } as const;

/** Some vocabularies (Gemma's) have tokens for elements of HTML, which are text. */
const element =
  /^<\/?(a|b|blockquote|caption|code|em|h[1-6]|i|li|ol|p|pre|s|strong|sub|sup|table|tbody|td|tfoot|th|thead|tr|u|ul)>$/;

const found = new WeakMap<Tokenizer, readonly number[]>();

/**
 * Ids of control tokens that are never to be chosen unless the request says so: all but those round thoughts, and the one
 * that begins a text, which models without another one write between two.
 */
export function unspokenIds(tokenizer: Tokenizer): readonly number[] {
  let ids = found.get(tokenizer);
  if (!ids) {
    const hasPlace = ({ id, content, special }: AddedToken) =>
      id === tokenizer.bosId ||
      content === thinkTags.open ||
      content === thinkTags.close ||
      (!special && element.test(content));
    ids = tokenizer.addedTokens.filter((token) => token.control && !hasPlace(token)).map(({ id }) => id);
    found.set(tokenizer, ids);
  }
  return ids;
}
