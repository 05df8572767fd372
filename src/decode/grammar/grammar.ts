// Constrained decoding: what a model emits is made valid by construction, by masking at each step the tokens that cannot go
// on to a valid text. This file is the way in: what may be asked for, and what it compiles to. Reading order, one idea each:
//
//   byte-machine.ts   automata over bytes          recognizer.ts    stacks: arrays, objects, alternatives
//   language.ts       contents of strings          keys.ts          the keys of an object
//   string.ts         their spelling in JSON       satisfiable.ts   what can be written at all
//   number.ts         numbers between bounds       schema.ts        JSON Schema → forms
//   regex.ts          patterns, read               exclusive.ts     which alternatives cannot both hold
//   automaton.ts      patterns, as automata        token-trie.ts    a vocabulary as a trie
//   formats.ts        dates, addresses …           mask.ts          which tokens may come
//   forms.ts          the grammar as data          matcher.ts       one sequence's state; forced.ts: text without a choice
//
// Everything counts bytes and states, never seconds (limits.ts).

import { anyJson, type Script, type Value } from "./forms.ts";
import { createMasks, type Masks } from "./mask.ts";
import { createRecognizer, type Recognizer, type Spaces } from "./recognizer.ts";
import type { Vocabulary } from "./token-trie.ts";
import { valueOfSchema } from "./schema.ts";
import { type ToolsSpec, toolScript } from "./tools.ts";

/** What a text is to be; plain data. */
export type GrammarSpec =
  /** Any JSON value. */
  | { readonly kind: "json" }
  /** Any JSON object, no key twice. */
  | { readonly kind: "json_object" }
  | { readonly kind: "json_schema"; readonly schema: unknown }
  | ToolsSpec;

/** What a text is to be, compiled. Shared by all sequences that ask for it. */
export interface Grammar {
  readonly recognizer: Recognizer;
  /** The masks over a vocabulary; made once for each. */
  masks(vocabulary: Vocabulary): Masks;
}

/** White space in text that a model writes: enough to indent, too little to get lost in. */
export const writtenSpaces: Spaces = { around: 0, inside: 24, tight: 0 };

/** White space in files that are checked. */
export const readSpaces: Spaces = { around: 256, inside: 256, tight: 256 };

/**
 * Compiles a grammar. Throws a RangeError that names the keyword and where it stands (a JSON pointer) if a schema is not
 * one, cannot be honored in full, or cannot be satisfied.
 */
export function compileGrammar(spec: GrammarSpec, spaces: Spaces = writtenSpaces): Grammar {
  const recognizer = createRecognizer(scriptOf(spec), spaces);
  const byVocabulary = new WeakMap<Vocabulary, Masks>();
  return {
    recognizer,
    masks(vocabulary) {
      let masks = byVocabulary.get(vocabulary);
      if (!masks) {
        masks = createMasks(recognizer, vocabulary);
        byVocabulary.set(vocabulary, masks);
      }
      return masks;
    },
  };
}

function scriptOf(spec: GrammarSpec): Script {
  const whole = (value: Value): Script => ({ kind: "value", value, next: { kind: "end" } });
  switch (spec.kind) {
    case "json":
      return whole(anyJson);
    case "json_object":
      return whole(valueOfSchema({ type: "object" }));
    case "json_schema":
      return whole(valueOfSchema(spec.schema));
    case "tools":
      return toolScript(spec);
  }
}
