// Constrained decoding: what a model emits is made valid by construction, by masking at each step the tokens that cannot go
// on to a valid text. This file is the way in: what may be asked for, and what it compiles to. Reading order, one idea each:
//
//   byte-machine.ts       automata over bytes, tabulated as they are met
//   language.ts string.ts the contents of strings, and how JSON spells them
//   number.ts             numbers between bounds, digit by digit
//   code-points.ts regex.ts automaton.ts formats.ts    patterns: read, made automata, intersected; dates, addresses …
//   forms.ts              the grammar as data: values, arrays, objects, scripts
//   recognizer.ts keys.ts stacks of what is open; the keys of an object, none twice
//   schema-keywords.ts schema.ts satisfiable.ts exclusive.ts    JSON Schema → forms; what has no text; what oneOf needs
//   token-trie.ts mask.ts a vocabulary as a trie, and which of its tokens may come
//   matcher.ts forced.ts  one sequence's place in a grammar; text without a choice
//   tools.ts free-text.ts strict-tools.ts    tool calls, the text before them, DeepSeek's rules; expected.ts: words for people
//   plain-text.ts         answers that are not JSON: a pattern, a list of choices
//   notation.ts raw-string.ts    arguments that are not JSON: tags, Python's calls, text that is not quoted
//
// Everything counts bytes and states, never seconds (limits.ts).

import { FieldError, inField, shown } from "../../field-error.ts";
import { anyJson, type Script, type Value } from "./forms.ts";
import { afterThoughts, type ThoughtsSpec } from "./free-text.ts";
import { orderedText, parseOrdered } from "./json-text.ts";
import { maxKeptGrammars } from "./limits.ts";
import { createMasks, type Masks } from "./mask.ts";
import { type TextSpec, textScript } from "./plain-text.ts";
import { createRecognizer, type Recognizer, type Style } from "./recognizer.ts";
import { valueOfSchema } from "./schema/compile.ts";
import { type Types, types } from "./schema/keywords.ts";
import { nearestValue } from "./schema/nearest.ts";
import type { Vocabulary } from "./token-trie.ts";
import { type ToolsSpec, toolScript } from "./tools.ts";

/** What a text is to be; plain data. */
export type GrammarSpec = (
  | /** Any JSON value. */ { readonly kind: "json" }
  | /** Any JSON object, no key twice. */ { readonly kind: "json_object" }
  | {
      readonly kind: "json_schema";
      /** As JSON.parse gives it: then keys that look like integers come first, or as parseOrdered does (json-text.ts). */
      readonly schema?: unknown;
      /** The same as text, whose order of keys is kept. */
      readonly schemaText?: string;
      /** What cannot be honored is left out and named in `dropped`, instead of being refused. */
      readonly nearest?: boolean;
    }
  | TextSpec
  | ToolsSpec
) & {
  /** What a model may think before it writes what it must. */
  readonly thoughts?: ThoughtsSpec;
};

/** A keyword of a schema that an answer is not held to; `field` is that of the schema it stands in. */
export interface DroppedKeyword {
  readonly field: string;
  readonly keyword: string;
}

/** What a text is to be, compiled. Shared by all sequences that ask for it. */
export interface Grammar {
  readonly recognizer: Recognizer;
  /**
   * Places of a schema, as fields, where some valid texts are left out beyond those of the style: of many ways not to match
   * a schema only the plainest are taken; a key that some key must be comes before all other undeclared ones.
   */
  readonly narrowed: readonly string[];
  /** What is not held to, where the nearest grammar was asked for. */
  readonly dropped: readonly DroppedKeyword[];
  /** The masks over a vocabulary; made once for each. */
  masks(vocabulary: Vocabulary): Masks;
}

/** Text that a model writes: white space enough to indent and too little to get lost in, keys spelled in one way. */
export const written: Style = { spaces: { around: 0, inside: 24, tight: 0 }, escapes: "needed", judged: false };

/** Files that are checked. */
export const checked: Style = {
  ...{ spaces: { around: 256, inside: 256, tight: 256 }, escapes: "all", judged: true },
};

/**
 * Compiles a grammar. Throws a FieldError of `schema`, `tools[i].parameters` or `choice`, its field the path of the keyword
 * inside the schema, if a schema is not one, cannot be honored in full, or cannot be satisfied.
 */
export function compileGrammar(spec: GrammarSpec, style: Style = written): Grammar {
  const dropped: DroppedKeyword[] = [];
  const narrowed = new Set<string>();
  const script = scriptOf(spec, style, dropped, narrowed);
  const recognizer = createRecognizer(spec.thoughts ? afterThoughts(spec.thoughts, script) : script, style);
  const byVocabulary = new WeakMap<Vocabulary, Masks>();
  return {
    recognizer,
    dropped,
    narrowed: [...narrowed],
    masks(vocabulary) {
      if (style.judged) throw new Error("texts that are judged have no masks: what has begun may have no end");
      let masks = byVocabulary.get(vocabulary);
      if (!masks) {
        masks = createMasks(recognizer, vocabulary);
        byVocabulary.set(vocabulary, masks);
      }
      return masks;
    },
  };
}

const recent = new Map<string, Grammar>();

/** The grammar for text that a model writes; the last few that were asked for are kept. Throws as `compileGrammar`. */
export function grammarOf(spec: GrammarSpec): Grammar {
  const name = orderedText(spec);
  const grammar = recent.get(name) ?? compileGrammar(spec);
  recent.delete(name);
  recent.set(name, grammar);
  for (const [oldest] of recent) {
    if (recent.size <= maxKeptGrammars) break;
    recent.delete(oldest);
  }
  return grammar;
}

function scriptOf(spec: GrammarSpec, style: Style, dropped: DroppedKeyword[], narrowed: Set<string>): Script {
  const whole = (value: Value): Script => ({ kind: "value", value, next: { kind: "end" } });
  const valueIn = (field: string, schema: unknown, isNearest: boolean, only?: Types): Value => {
    const inside = (path: string) => `${field}${path === "" || path.startsWith("[") ? "" : "."}${path}`;
    const restriction = { only, narrows: (path: string) => narrowed.add(inside(path)) };
    if (!isNearest) return inField(field, () => valueOfSchema(schema, style, restriction));
    const nearest = nearestValue(schema, style, restriction);
    for (const { path, keyword } of nearest.dropped) dropped.push({ field: inside(path), keyword });
    return nearest.value;
  };
  switch (spec.kind) {
    case "json":
      return whole(anyJson);
    case "json_object":
      return whole(valueOfSchema({ type: "object" }, style));
    case "json_schema": {
      const { schema, schemaText, nearest = false } = spec;
      if (schemaText === undefined) return whole(valueIn("schema", schema, nearest));
      return whole(valueIn("schemaText", schemaOf("schemaText", schemaText), nearest));
    }
    case "regex":
    case "choice":
      return textScript(spec);
    case "tools":
      return toolScript(spec, {
        parameters({ parameters, parametersText, nearest = false }, i) {
          const field = `tools[${i}].parameters${parametersText === undefined ? "" : "Text"}`;
          const schema = parametersText === undefined ? (parameters ?? {}) : schemaOf(field, parametersText);
          return valueIn(field, schema, nearest, types.object);
        },
        answer({ schema, schemaText }) {
          if (schemaText === undefined) return valueIn("otherwise.schema", schema, false);
          return valueIn("otherwise.schemaText", schemaOf("otherwise.schemaText", schemaText), false);
        },
        begins,
      });
    default: // a caller without types
      throw new FieldError(
        "kind",
        `got ${shown((spec as { kind?: unknown }).kind)}, expected json, json_object, json_schema, regex, choice or tools`,
        "unknown",
      );
  }
}

/** Whether a text begins one that a script allows, as a model writes it. */
function begins(script: Script, text: string): boolean {
  const recognizer = createRecognizer(script, written);
  let frames = recognizer.start;
  for (const byte of new TextEncoder().encode(text)) frames = frames.flatMap((frame) => recognizer.step(frame, byte));
  return frames.length > 0;
}

/** A schema as text, its keys in order. Throws a FieldError if it is not JSON. */
function schemaOf(field: string, text: string): unknown {
  try {
    return parseOrdered(text);
  } catch (error) {
    throw new FieldError(field, `it is not JSON: ${(error as Error).message}`);
  }
}
