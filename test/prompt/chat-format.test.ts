// Conversations → ids, held against transformers; and what is promised beyond it.

import { describe, expect, test } from "vitest";
import { family, goldens } from "./chat-families.ts";

describe(`as transformers ${goldens.versions.transformers}`, () => {
  test.each(Object.keys(goldens.families))("%s", (name) => {
    const { ids } = family(name);
    const differing = Object.entries(goldens.families[name].ids).filter(
      ([conversation, expected]) =>
        JSON.stringify(ids(goldens.conversations[conversation])) !== JSON.stringify(expected),
    );
    const shown = differing.map(([conversation, expected]) => ({
      conversation,
      ours: family(name).tokenizer.decode(ids(goldens.conversations[conversation])),
      theirs: family(name).tokenizer.decode(expected),
    }));
    expect(shown).toEqual([]);
  });
});
