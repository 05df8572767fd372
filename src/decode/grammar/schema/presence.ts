// Which keys of an object are there: `required`, `dependentRequired` and all that anyOf, oneOf, not and if make of them, as
// one formula over names. An object's keys come in a fixed order, so a formula is decided name by name: what is left of it
// after each is what the rest of the object must satisfy (an ordered decision diagram, Bryant 1986, made as it is walked).

export type Formula =
  | boolean
  | { readonly kind: "has"; readonly name: string }
  | { readonly kind: "not"; readonly part: Formula }
  | { readonly kind: "and" | "or"; readonly parts: readonly Formula[] };

export const has = (name: string): Formula => ({ kind: "has", name });
export const all = (parts: readonly Formula[]): Formula => joined("and", parts);
export const any = (parts: readonly Formula[]): Formula => joined("or", parts);

export function not(part: Formula): Formula {
  if (typeof part === "boolean") return !part;
  return part.kind === "not" ? part.part : { kind: "not", part };
}

/** Exactly one of them holds. */
export function exactlyOne(parts: readonly Formula[]): Formula {
  return any(parts.map((part, i) => all([part, ...parts.flatMap((other, j) => (i === j ? [] : [not(other)]))])));
}

function joined(kind: "and" | "or", parts: readonly Formula[]): Formula {
  const neutral = kind === "and";
  const found = new Map<string, Formula>();
  for (const part of parts.flatMap((part) => (typeof part === "object" && part.kind === kind ? part.parts : [part]))) {
    if (part === neutral) continue;
    if (part === !neutral) return part;
    found.set(keyOf(part), part);
  }
  for (const part of found.values()) if (found.has(keyOf(not(part)))) return !neutral;
  if (found.size <= 1) return [...found.values()][0] ?? neutral;
  return { kind, parts: [...found.values()] };
}

const keys = new WeakMap<object, string>();

/** A text that formulas share only if they are the same. */
export function keyOf(formula: Formula): string {
  if (typeof formula === "boolean") return String(formula);
  let key = keys.get(formula);
  if (key === undefined) {
    if (formula.kind === "has") key = JSON.stringify(formula.name);
    else if (formula.kind === "not") key = `!${keyOf(formula.part)}`;
    else
      key = `(${formula.parts
        .map(keyOf)
        .sort()
        .join(formula.kind === "and" ? "&" : "|")})`;
    keys.set(formula, key);
  }
  return key;
}

/** The names that a formula speaks of, in order. */
export function namesIn(formula: Formula, names = new Set<string>()): Set<string> {
  if (typeof formula === "boolean") return names;
  if (formula.kind === "has") names.add(formula.name);
  else if (formula.kind === "not") namesIn(formula.part, names);
  else for (const part of formula.parts) namesIn(part, names);
  return names;
}

/** What is left of a formula once it is known whether a name is there. */
export function assign(formula: Formula, name: string, present: boolean): Formula {
  if (typeof formula === "boolean") return formula;
  if (formula.kind === "has") return formula.name === name ? present : formula;
  if (!keyOf(formula).includes(JSON.stringify(name))) return formula;
  if (formula.kind === "not") return not(assign(formula.part, name, present));
  return joined(
    formula.kind,
    formula.parts.map((part) => assign(part, name, present)),
  );
}

/** Whether a formula holds for a set of names. */
export function holdsFor(formula: Formula, isPresent: (name: string) => boolean): boolean {
  if (typeof formula === "boolean") return formula;
  if (formula.kind === "has") return isPresent(formula.name);
  if (formula.kind === "not") return !holdsFor(formula.part, isPresent);
  return formula.kind === "and"
    ? formula.parts.every((part) => holdsFor(part, isPresent))
    : formula.parts.some((part) => holdsFor(part, isPresent));
}

/** The names that must be there, those that must not, and what else is to hold; false if nothing can. */
export function units(formula: Formula): { required: Set<string>; forbidden: Set<string>; rest: Formula } {
  const required = new Set<string>();
  const forbidden = new Set<string>();
  for (let rest = formula; ; ) {
    const known = new Map<string, boolean>();
    const others: Formula[] = [];
    for (const part of typeof rest === "object" && rest.kind === "and" ? rest.parts : [rest]) {
      const negative = typeof part === "object" && part.kind === "not";
      const atom = negative ? part.part : part;
      if (typeof atom === "object" && atom.kind === "has") known.set(atom.name, !negative);
      else others.push(part);
    }
    if (known.size === 0) return { required, forbidden, rest };
    for (const [name, present] of known) (present ? required : forbidden).add(name);
    rest = all(
      others.map((other) => {
        let part = other;
        for (const name of namesIn(other)) part = known.has(name) ? assign(part, name, known.get(name) === true) : part;
        return part;
      }),
    );
  }
}
