// Pre-tokenizers: how text is cut into the words that BPE works on; no merge crosses a cut. Each is a function from
// pieces to pieces. The byte alphabet of ByteLevel is not written out here: the model takes bytes when `byteLevel` is set.
// Source: huggingface/tokenizers src/pre_tokenizers and NormalizedString::split in src/tokenizer/normalizer.rs.

import { componentOf, type Fields, fieldError, fieldsOf, flagOf, listOf, stringOf } from "./fields.ts";
import { patternOf } from "./normalizer.ts";

/** `atStart`: the first piece is the beginning of the whole input. */
type Cut = (pieces: string[], atStart: boolean) => string[];

export interface PreTokenizer {
  readonly cut: Cut;
  readonly byteLevel: boolean;
}

const behaviors = ["Isolated", "Removed", "Contiguous", "MergedWithPrevious", "MergedWithNext"] as const;
type Behavior = (typeof behaviors)[number];

const gpt2Words =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

const builders: Readonly<Record<string, (config: Fields, where: string) => PreTokenizer>> = {
  Sequence(config, where) {
    const list = listOf(config.pretokenizers, `${where}.pretokenizers`);
    const steps = list.map((step, i) => createPreTokenizer(step, `${where}.pretokenizers[${i}]`));
    const misplaced = steps.slice(0, -1).findIndex((step) => step.byteLevel);
    if (misplaced >= 0)
      throw fieldError(`${where}.pretokenizers[${misplaced}]`, "ByteLevel", "it last in the sequence");
    return {
      cut: (pieces, atStart) => steps.reduce((result, step) => step.cut(result, atStart), pieces),
      byteLevel: steps.at(-1)?.byteLevel ?? false,
    };
  },
  Split(config, where) {
    const pattern = patternOf(config.pattern, `${where}.pattern`);
    const invert = flagOf(config.invert, `${where}.invert`, false);
    return splitter(pattern, behaviorOf(config.behavior, `${where}.behavior`), invert);
  },
  ByteLevel(config, where) {
    const addSpace = flagOf(config.add_prefix_space, `${where}.add_prefix_space`, true);
    const useRegex = flagOf(config.use_regex, `${where}.use_regex`, true);
    const words = splitter(gpt2Words, "Isolated");
    return {
      byteLevel: true,
      cut(pieces, atStart) {
        const spaced = addSpace ? pieces.map((piece) => (piece.startsWith(" ") ? piece : ` ${piece}`)) : pieces;
        return useRegex ? words.cut(spaced, atStart) : spaced;
      },
    };
  },
  Metaspace(config, where) {
    const mark = stringOf(config.replacement, `${where}.replacement`);
    const scheme = schemeOf(config, where);
    const words = splitter(patternOf({ String: mark }, where), "MergedWithNext");
    const split = flagOf(config.split, `${where}.split`, true);
    return {
      byteLevel: false,
      cut(pieces, atStart) {
        const marked = pieces.map((piece, i) => {
          const text = piece.replaceAll(" ", () => mark);
          const prepend = scheme === "always" || (scheme === "first" && atStart && i === 0);
          return prepend && !text.startsWith(mark) ? mark + text : text;
        });
        return split ? words.cut(marked, atStart) : marked;
      },
    };
  },
  Digits(config, where) {
    const individual = flagOf(config.individual_digits, `${where}.individual_digits`, false);
    return splitter(/\p{N}/gu, individual ? "Isolated" : "Contiguous");
  },
  Punctuation(config, where) {
    return splitter(/[!-/:-@[-`{-~\p{P}]/gu, behaviorOf(config.behavior ?? "Isolated", `${where}.behavior`));
  },
  Whitespace: () =>
    splitter(
      /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+/gu,
      "Removed",
      true,
    ),
  WhitespaceSplit: () => splitter(/\p{White_Space}/gu, "Removed"),
};

/** The pre-tokenizer of tokenizer.json (null: none); throws an Error that names the field on anything unknown. */
export function createPreTokenizer(value: unknown, where = "pre_tokenizer"): PreTokenizer {
  if (value === null || value === undefined) return { cut: (pieces) => pieces, byteLevel: false };
  const config = fieldsOf(value, where);
  return componentOf(builders, config, where)(config, where);
}

/** The field's decoder's or pre-tokenizer's prepend scheme; older files say `add_prefix_space: false` for "never". */
export function schemeOf(config: Fields, where: string): "always" | "first" | "never" {
  if (config.add_prefix_space === false) return "never";
  const scheme = config.prepend_scheme ?? "always";
  if (scheme !== "always" && scheme !== "first" && scheme !== "never") {
    throw fieldError(`${where}.prepend_scheme`, scheme, "always, first or never");
  }
  return scheme;
}

function behaviorOf(value: unknown, where: string): Behavior {
  if (!behaviors.includes(value as Behavior)) throw fieldError(where, value, `one of ${behaviors.join(", ")}`);
  return value as Behavior;
}

function splitter(pattern: RegExp, behavior: Behavior, invert = false): PreTokenizer {
  const cut: Cut = (pieces) => {
    const out: string[] = [];
    for (const piece of pieces) split(piece, pattern, behavior, invert, out);
    return out;
  };
  return { cut, byteLevel: false };
}

/** Appends to `out` the parts of `piece`: the matches of `pattern` and what lies between, joined as `behavior` says. */
function split(piece: string, pattern: RegExp, behavior: Behavior, invert: boolean, out: string[]): void {
  let start = 0; // of the part that is not closed yet
  let end = 0; // of the last segment
  let last: boolean | undefined; // whether the last segment was a match
  const close = () => {
    if (end > start && !(behavior === "Removed" && last)) out.push(piece.slice(start, end));
    start = end;
  };
  const segment = (stop: number, isMatch: boolean) => {
    if (last !== undefined && !joins(behavior, last, isMatch)) close();
    end = stop;
    last = isMatch;
  };
  pattern.lastIndex = 0;
  for (let match = pattern.exec(piece); match !== null; match = pattern.exec(piece)) {
    if (match.index > end) segment(match.index, invert);
    if (match[0].length > 0) segment(pattern.lastIndex, !invert);
    else pattern.lastIndex++;
  }
  if (end < piece.length) segment(piece.length, invert);
  close();
}

function joins(behavior: Behavior, last: boolean, next: boolean): boolean {
  if (behavior === "Contiguous") return last === next;
  if (behavior === "MergedWithPrevious") return !last && next;
  return behavior === "MergedWithNext" && last && !next;
}
