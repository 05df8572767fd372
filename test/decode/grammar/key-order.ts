// Our grammars fix the order of keys; suites and ajv do not. Here values are put into that order, so that only what differs
// otherwise shows.

/** Property names in the order in which a schema mentions them. */
export function namesIn(schema: unknown, names: string[] = []): string[] {
  if (typeof schema !== "object" || schema === null) return names;
  const { properties, required } = schema as { properties?: object; required?: unknown };
  for (const name of Object.keys(typeof properties === "object" && properties ? properties : {}))
    if (!names.includes(name)) names.push(name);
  for (const part of Object.values(schema)) namesIn(part, names);
  for (const name of Array.isArray(required) ? required : []) if (!names.includes(name)) names.push(name);
  return names;
}

/** A value with its keys in that order, unknown ones last. */
export function inOrder(value: unknown, order: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((item) => inOrder(item, order));
  if (typeof value !== "object" || value === null) return value;
  const rank = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length);
  const entries = Object.entries(value).sort(([a], [b]) => rank(a) - rank(b));
  return Object.fromEntries(entries.map(([name, item]) => [name, inOrder(item, order)]));
}
