// Random schemas of every keyword, small enough that random values often meet what they ask for.

type Json = Record<string, unknown>;

/** Gives a function that gives a schema (2020-12), `depth` schemas deep. */
export function schemaSource(random: () => number): (depth: number) => unknown {
  const integer = (from: number, to: number) => from + Math.floor(random() * (to - from + 1));
  const pick = <T>(list: readonly T[]): T => list[integer(0, list.length - 1)];
  const chance = (of: number) => random() < of;
  const names = ["a", "b", "c", "x1"];
  const some = <T>(list: readonly T[], most: number): T[] => {
    const left = [...list];
    return Array.from({ length: integer(1, most) }, () => left.splice(integer(0, left.length - 1), 1)[0]).filter(
      (one) => one !== undefined,
    );
  };
  const scalar = () => pick<unknown>([null, true, false, 0, 1, 2, -1, 0.5, 1.5, "", "a", "b", "ab", "foo"]);
  const constant = (): unknown => pick([scalar, scalar, scalar, () => [scalar()], () => ({ a: scalar() })])();
  const range = (low: string, high: string, from: number, to: number): Json => {
    const [a, b] = [integer(from, to), integer(from, to)].sort((a, b) => a - b);
    return { ...(chance(0.6) ? { [low]: a } : {}), ...(chance(0.6) ? { [high]: b } : {}) };
  };

  const numbers = (): Json => ({
    ...(chance(0.5) ? { type: pick(["integer", "number"]) } : {}),
    ...(chance(0.6) ? range("minimum", "maximum", -2, 4) : range("exclusiveMinimum", "exclusiveMaximum", -2, 4)),
    ...(chance(0.3) ? { multipleOf: pick([1, 2, 3, 0.5, 0.25, 1.5]) } : {}),
  });
  const strings = (): Json => ({
    ...(chance(0.5) ? { type: "string" } : {}),
    ...(chance(0.5) ? range("minLength", "maxLength", 0, 3) : {}),
    ...(chance(0.5) ? { pattern: pick(["^a", "b$", "^[ab]*$", "o+", "^(?!a)", "^\\w{2}$", "^$"]) } : {}),
    ...(chance(0.15) ? { format: pick(["date", "ipv4", "uuid", "time", "duration", "unheard-of"]) } : {}),
  });
  const arrays = (depth: number): Json => {
    const prefix = chance(0.3);
    return {
      ...(chance(0.5) ? { type: "array" } : {}),
      ...(chance(0.5) ? range("minItems", "maxItems", 0, 3) : {}),
      ...(prefix ? { prefixItems: [schema(depth - 1), schema(depth - 1)].slice(0, integer(1, 2)) } : {}),
      ...(chance(0.5) ? { items: schema(depth - 1) } : {}),
      // Beside prefixItems and items, ajv 8.20 passes over contains.
      ...(chance(0.3) && !prefix ? { contains: schema(depth - 1), ...range("minContains", "maxContains", 0, 2) } : {}),
      ...(chance(0.2) ? { uniqueItems: true } : {}),
    };
  };
  const objects = (depth: number): Json => {
    const byName = (list: readonly string[]) => Object.fromEntries(list.map((name) => [name, schema(depth - 1)]));
    return {
      ...(chance(0.6) ? { type: "object" } : {}),
      ...(chance(0.7) ? { properties: byName(some(names, 3)) } : {}),
      ...(chance(0.4) ? { required: some(names, 2) } : {}),
      ...(chance(0.2) ? { patternProperties: { [pick(["^x", "[ab]", "1$"])]: schema(depth - 1) } } : {}),
      ...(chance(0.4) ? { additionalProperties: chance(0.5) ? false : schema(depth - 1) } : {}),
      ...(chance(0.15)
        ? { propertyNames: pick<unknown>([{ pattern: "^[a-c]" }, { maxLength: 1 }, { enum: names }, strings()]) }
        : {}),
      ...(chance(0.15) ? range("minProperties", "maxProperties", 0, 3) : {}),
      ...(chance(0.15) ? { dependentRequired: { [pick(names)]: some(names, 2) } } : {}),
      ...(chance(0.1) ? { dependentSchemas: { [pick(names)]: schema(depth - 1) } } : {}),
    };
  };
  const combined = (depth: number): Json => {
    const conditional = (...parts: string[]) =>
      Object.fromEntries(["if", ...parts].map((keyword) => [keyword, schema(depth - 1)]));
    const several = () => Array.from({ length: integer(2, 3) }, () => schema(depth - 1));
    const made = pick<() => Json>([
      () => ({ allOf: several() }),
      () => ({ anyOf: several() }),
      () => ({ anyOf: names.slice(0, 3).map((name) => ({ required: [name] })) }),
      () => ({ oneOf: several() }),
      () => ({ oneOf: names.slice(0, integer(2, 3)).map((name) => ({ required: [name] })) }),
      () => ({ not: schema(depth - 1) }),
      () => ({ not: { required: some(names, 2) } }),
      () => conditional("then"),
      () => conditional("else"),
      () => conditional("then", "else"),
    ])();
    return chance(0.5) ? { ...made, ...plain(depth - 1) } : made;
  };
  const plain = (depth: number): Json => {
    const kinds = [
      numbers,
      strings,
      () => ({ type: pick(["null", "boolean", "integer", "string", "object", "array"]) }),
    ];
    const nested = depth > 0 ? [arrays, objects, objects] : [];
    return pick<(depth: number) => Json>([...kinds, ...nested])(depth);
  };
  const schema = (depth: number): unknown => {
    if (chance(0.06)) return chance(0.7);
    if (chance(0.12)) return chance(0.5) ? { const: constant() } : { enum: some([scalar(), scalar(), constant()], 3) };
    return depth > 0 && chance(0.4) ? combined(depth) : plain(depth);
  };
  return schema;
}

/** Gives a function that gives a value, `depth` brackets deep. */
export function valueSource(random: () => number): (depth: number) => unknown {
  const integer = (from: number, to: number) => from + Math.floor(random() * (to - from + 1));
  const pick = <T>(list: readonly T[]): T => list[integer(0, list.length - 1)];
  const scalars = [
    ...[null, true, false, 0, 1, 2, 3, -1, -2, 0.5, 1.5, 0.25, 7, "", "a", "b", "ab", "foo", "ba", "abc"],
    ...["2024-02-29", "1.2.3.4", "P1D", "é"],
  ];
  const value = (depth: number): unknown => {
    const kind = depth > 0 ? integer(0, 3) : 0;
    if (kind === 2) return Array.from({ length: integer(0, 3) }, () => value(depth - 1));
    if (kind !== 3) return pick(scalars);
    const names = ["a", "b", "c", "x1", "zz"].filter(() => random() < 0.45);
    return Object.fromEntries(names.map((name) => [name, value(depth - 1)]));
  };
  return value;
}
