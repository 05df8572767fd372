// Oniguruma patterns, as tokenizer.json writes them, as JavaScript regular expressions. A translation of syntax, not an
// engine: what has no exact counterpart is refused. The differences that matter here: \s is Unicode White_Space (JavaScript
// adds U+FEFF and lacks U+0085), (?i:...) is not in every engine we run on, ^ and $ are line anchors, and groups need
// not capture. Source: Oniguruma doc/RE (Ruby syntax, UTF-8), which the Rust `tokenizers` library compiles with.

const classes: Readonly<Record<string, string>> = {
  s: "\\p{White_Space}",
  S: "\\P{White_Space}",
  d: "\\p{Nd}",
  D: "\\P{Nd}",
};

const anchors: Readonly<Record<string, string>> = { A: "(?<![^])", z: "(?![^])" };

/**
 * The JavaScript RegExp (flags "gu") that matches what Oniguruma matches with `source`; throws an Error that names the
 * construct if it has no exact counterpart.
 */
export function toRegExp(source: string): RegExp {
  // Searched from every place inside a run, \s+$ costs the square of the run's length; a match starts only where a run does.
  if (source === "\\s+$") return /(?<!\p{White_Space})\p{White_Space}+(?![^\n])/gu;
  let out = "";
  let at = 0;
  let atomStart = 0;
  let possessives = 0;
  let ignoreCase = false;
  const groups: { start: number; ignoreCase: boolean }[] = [];

  const refuse = (what: string): never => {
    throw new Error(`the pattern ${JSON.stringify(source)} uses ${what}, which is not supported (at ${at})`);
  };
  const atom = (text: string) => {
    atomStart = out.length;
    out += text;
  };

  while (at < source.length) {
    const rest = source.slice(at, at + 32);
    const char = String.fromCodePoint(source.codePointAt(at) as number);
    const quantifier = /^(?:[*+?]|\{\d+(?:,\d*)?\})/.exec(rest)?.[0];
    if (char === "\\") {
      const [text, length] = escapeAt(source, at, false, refuse);
      atom(text);
      at += length;
    } else if (char === "[") {
      if (ignoreCase) refuse("a character class inside (?i:...)");
      const [text, length] = classAt(source, at, refuse);
      atom(text);
      at += length;
    } else if (char === "(") {
      const opening = /^\((?:\?(?:i?:|<?[=!]))?/.exec(rest)?.[0] as string;
      if (source[at + opening.length] === "?") refuse(`the group ${rest.slice(0, 3)}`);
      groups.push({ start: out.length, ignoreCase });
      if (opening === "(?i:") ignoreCase = true;
      out += opening === "(" || opening === "(?i:" ? "(?:" : opening;
      at += opening.length;
    } else if (char === ")") {
      const group = groups.pop() ?? refuse("an unmatched )");
      out += ")";
      atomStart = group.start;
      ignoreCase = group.ignoreCase;
      at++;
    } else if (quantifier !== undefined) {
      at += quantifier.length;
      if (source[at] !== "+") {
        out += quantifier;
        if (source[at] === "?") out += source[at++];
      } else {
        if (quantifier.startsWith("{")) refuse("a quantifier on a quantifier");
        // A lookahead is never entered again once it matched, so what it captured is possessive.
        const name = `p${possessives++}`;
        out = `${out.slice(0, atomStart)}(?=(?<${name}>${out.slice(atomStart)}${quantifier}))\\k<${name}>`;
        at++;
      }
    } else {
      if (char === "|") out += "|";
      else if (char === "^") atom("(?<![^\\n])");
      else if (char === "$") atom("(?![^\\n])");
      else if (char === ".") atom("[^\\n]");
      else atom(ignoreCase ? anyCase(char) : literal(char));
      at += char.length;
    }
  }
  if (groups.length > 0) refuse("an unclosed (");
  return new RegExp(out, "gu");
}

/** A pattern that matches exactly `text`, for use inside a larger one or alone. */
export function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

function anyCase(char: string): string {
  const cases = new Set([char, char.toLowerCase(), char.toUpperCase()]);
  if (cases.has("s")) cases.add("\u017f"); // long s
  if (cases.has("k")) cases.add("\u212a"); // the Kelvin sign
  return cases.size === 1 ? literal(char) : `[${[...cases].join("")}]`;
}

/** The escape that starts at `at`, translated, and how long it is in the source. */
function escapeAt(source: string, at: number, inClass: boolean, refuse: (what: string) => never): [string, number] {
  const property = /^\\([pP])\{(\w+)\}/.exec(source.slice(at, at + 64));
  if (property) {
    const [whole, letter, name] = property;
    return [`\\${letter}{${isProperty(name) ? name : `Script=${name}`}}`, whole.length];
  }
  const code = /^\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|[rntfv])/.exec(source.slice(at, at + 6));
  if (code) return [code[0], code[0].length];
  if (at + 1 >= source.length) refuse("a lone \\");
  const char = String.fromCodePoint(source.codePointAt(at + 1) as number);
  if (Object.hasOwn(classes, char)) return [inClass ? classes[char] : `[${classes[char]}]`, 2];
  if (!inClass && Object.hasOwn(anchors, char)) return [anchors[char], 2];
  if (/[A-Za-z0-9]/.test(char)) refuse(`\\${char}`);
  return [inClass && char === "-" ? "\\-" : literal(char), 1 + char.length];
}

/** The character class that starts at `at`, translated, and how long it is in the source. */
function classAt(source: string, at: number, refuse: (what: string) => never): [string, number] {
  let end = at + 1;
  let out = "[";
  if (source[end] === "^") out += source[end++];
  for (let first = true; first || source[end] !== "]"; first = false) {
    if (end >= source.length) refuse("an unclosed [");
    if (source[end] === "[" || source.startsWith("&&", end)) refuse("set operations in a character class");
    const [text, length] =
      source[end] === "\\"
        ? escapeAt(source, end, true, refuse)
        : [source[end] === "-" ? "-" : literal(source[end]), 1];
    out += text;
    end += length;
  }
  return [`${out}]`, end + 1 - at];
}

function isProperty(name: string): boolean {
  try {
    return new RegExp(`\\p{${name}}`, "u") !== undefined;
  } catch {
    return false;
  }
}
