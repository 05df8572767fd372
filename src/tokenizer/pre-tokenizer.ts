// Pre-tokenizers: how text is cut into the words that BPE works on; no merge crosses a cut. Each hands on its pieces one
// by one. The byte alphabet of ByteLevel is not written out here, the model takes bytes where `byteLevel` is set; but it is
// where more steps follow, as Falcon has it: they cut what the alphabet has made of the text, within a character too.
// Source: huggingface/tokenizers src/pre_tokenizers and NormalizedString::split in src/tokenizer/normalizer.rs.

import { textOfBytes } from "./byte-level.ts";
import { componentOf, type Fields, fieldError, fieldsOf, flagOf, listOf, stringOf } from "./fields.ts";
import { patternOf } from "./normalizer.ts";

/** Takes a piece of text; `atStart`: the input begins with it. */
type Sink = (piece: string, atStart: boolean) => void;

export interface PreTokenizer {
  /** Cuts a piece and gives the parts to `sink`, in order. */
  cut(piece: string, atStart: boolean, sink: Sink): void;
  readonly byteLevel: boolean;
}

const behaviors = ["Isolated", "Removed", "Contiguous", "MergedWithPrevious", "MergedWithNext"] as const;
type Behavior = (typeof behaviors)[number];

const gpt2Words = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

const builders: Readonly<Record<string, (config: Fields, where: string) => PreTokenizer>> = {
  Sequence(config, where) {
    const list = listOf(config.pretokenizers, `${where}.pretokenizers`);
    const steps = list.map((step, i) => createPreTokenizer(step, `${where}.pretokenizers[${i}]`));
    return sequence(steps.map((step, i) => (step.byteLevel && i < steps.length - 1 ? writtenOut(step) : step)));
  },
  Split(config, where) {
    const pattern = patternOf(config.pattern, `${where}.pattern`);
    const invert = flagOf(config.invert, `${where}.invert`, false);
    return splitter(pattern, behaviorOf(config.behavior, `${where}.behavior`), invert);
  },
  ByteLevel(config, where) {
    const addSpace = flagOf(config.add_prefix_space, `${where}.add_prefix_space`, true);
    const useRegex = flagOf(config.use_regex, `${where}.use_regex`, true);
    const words = useRegex ? splitter(patternOf({ Regex: gpt2Words }, where), "Isolated") : identity;
    return {
      byteLevel: true,
      cut: (piece, atStart, sink) => words.cut(addSpace && !piece.startsWith(" ") ? ` ${piece}` : piece, atStart, sink),
    };
  },
  Metaspace(config, where) {
    const mark = stringOf(config.replacement, `${where}.replacement`);
    const scheme = schemeOf(config, where);
    const split = flagOf(config.split, `${where}.split`, true);
    const words = split ? splitter(patternOf({ String: mark }, where), "MergedWithNext") : identity;
    return {
      byteLevel: false,
      cut(piece, atStart, sink) {
        const text = piece.split(" ").join(mark);
        const prepend = scheme === "always" || (scheme === "first" && atStart);
        words.cut(prepend && !text.startsWith(mark) ? mark + text : text, atStart, sink);
      },
    };
  },
  Punctuation(config, where) {
    const { behavior = "Isolated" } = config;
    return splitter(new RegExp(punctuation, "gu"), behaviorOf(behavior, `${where}.behavior`));
  },
  Digits(config, where) {
    const individual = flagOf(config.individual_digits, `${where}.individual_digits`, false);
    return splitter(/\p{N}/gu, individual ? "Isolated" : "Contiguous");
  },
};

// The Rust library's table of punctuation is that of Unicode 8: of what JavaScript calls so, these came or changed later.
const laterPunctuation =
  "61d 9fd a76 c77 c84 1b4e-1b4f 1b7d-1b7f 2e43-2e4f 2e52-2e5d 10d6e 10ead 10ed0 10f55-10f59 10f86-10f89 113d4-113d5 " +
  "113d7-113d8 1144b-1144f 1145a-1145b 1145d 11660-1166c 116b9 1183b 11944-11946 119e2 11a3f-11a46 11a9a-11a9c " +
  "11a9e-11aa2 11b00-11b09 11be1 11c41-11c45 11c70-11c71 11ef7-11ef8 11f43-11f4f 11fff 12ff1-12ff2 16d6d-16d6f " +
  "16e97-16e9a 16fe2 1e5ff 1e95e-1e95f";
const later = laterPunctuation.replace(/[0-9a-f]+/g, "\\u{$&}").replaceAll(" ", "");
const punctuation = `[!-/:-@[-\`{-~\\u166d\\u{111c9}]|(?![${later}])\\p{P}`;

const utf8 = new TextEncoder();

/** A ByteLevel step whose pieces are in the alphabet, so that the model takes each character for itself. */
function writtenOut(step: PreTokenizer): PreTokenizer {
  return {
    byteLevel: false,
    cut: (piece, atStart, sink) =>
      step.cut(piece, atStart, (part, partAtStart) => sink(textOfBytes(utf8.encode(part)), partAtStart)),
  };
}

const identity: PreTokenizer = { cut: (piece, atStart, sink) => sink(piece, atStart), byteLevel: false };

/** The pre-tokenizer of tokenizer.json (null: none); throws an Error that names the field on anything unknown. */
export function createPreTokenizer(value: unknown, where = "pre_tokenizer"): PreTokenizer {
  if (value === null || value === undefined) return identity;
  const config = fieldsOf(value, where);
  return componentOf(builders, config, where)(config, where);
}

/** The prepend scheme of a Metaspace component; older files say `add_prefix_space: false` for "never". */
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

// What the later steps of a sequence make of a short piece is remembered: a megabyte of digits is 333,333 pieces of
// three. V8 copies a slice of up to 12 characters, so that these do not keep their text alive.
const rememberedLength = 12;
const rememberedPieces = 1 << 14;

function sequence(steps: readonly PreTokenizer[]): PreTokenizer {
  const [first, ...others] = steps;
  const byteLevel = steps.at(-1)?.byteLevel ?? false;
  if (others.length === 0) return first ?? identity;
  const rest = sequence(others);
  const remembered = new Map<string, readonly string[]>();
  const cutRest = (piece: string, atStart: boolean, sink: Sink) => {
    if (atStart || piece.length > rememberedLength) return rest.cut(piece, atStart, sink);
    let parts = remembered.get(piece);
    if (parts === undefined) {
      const fresh: string[] = [];
      rest.cut(piece, false, (part) => fresh.push(part));
      if (remembered.size >= rememberedPieces) remembered.clear();
      remembered.set(piece, fresh);
      parts = fresh;
    }
    for (const part of parts) sink(part, false);
  };
  return {
    byteLevel,
    cut: (piece, atStart, sink) => first.cut(piece, atStart, (part, partAtStart) => cutRest(part, partAtStart, sink)),
  };
}

/** `pattern` is the splitter's own: it keeps its place in a text while the parts of that are cut further. */
function splitter(pattern: RegExp, behavior: Behavior, invert = false): PreTokenizer {
  const cut: PreTokenizer["cut"] = (piece, atStart, sink) => {
    let start = 0; // of the part that is not handed on yet
    let end = 0; // of the last segment; segments are the matches and what lies between them
    let lastMatched = false;
    const close = () => {
      if (end > start && !(behavior === "Removed" && lastMatched))
        sink(piece.slice(start, end), atStart && start === 0);
      start = end;
    };
    const segment = (stop: number, matched: boolean) => {
      if (!joins(behavior, lastMatched, matched)) close();
      end = stop;
      lastMatched = matched;
    };
    pattern.lastIndex = 0;
    for (let match = pattern.exec(piece); match !== null; match = pattern.exec(piece)) {
      const stop = pattern.lastIndex;
      if (match.index > end) segment(match.index, invert);
      if (stop > match.index) segment(stop, !invert);
      else pattern.lastIndex++; // an empty match cuts and is no piece
    }
    if (end < piece.length) segment(piece.length, invert);
    close();
  };
  return { cut, byteLevel: false };
}

function joins(behavior: Behavior, last: boolean, next: boolean): boolean {
  if (behavior === "Contiguous") return last === next;
  if (behavior === "MergedWithPrevious") return !last && next;
  return behavior === "MergedWithNext" && last && !next;
}
