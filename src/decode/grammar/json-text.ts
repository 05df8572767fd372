// JSON text with the order of its keys: JavaScript moves keys that look like integers to the front of an object, and in a
// schema the order of `properties` is the order in which a model will write them. JSON itself is the runtime's; objects
// whose keys it would move carry their order beside them.

const order = Symbol("keys in the order of the text");

interface Ordered {
  readonly [order]?: readonly string[];
}

/** The keys of an object in the order of the text that it was parsed from; in JavaScript's if it was not. */
export function keysOf(object: object): readonly string[] {
  return (object as Ordered)[order] ?? Object.keys(object);
}

/** As JSON.parse, with the order of all keys kept for `keysOf`. Throws a SyntaxError if the text is not JSON. */
export function parseOrdered(text: string): unknown {
  if (!/"(?:\d|\\u003\d)+"[ \t\n\r]*:/.test(text)) return JSON.parse(text);
  // Keys are set apart from integers by a mark, and it is taken off again where their order has been written down.
  const mark = "~";
  const marked = text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"([ \t\n\r]*:)?/g, (string, colon?: string) =>
    colon === undefined ? string : `"${mark}${string.slice(1)}`,
  );
  return unmarked(JSON.parse(marked), mark.length);
}

function unmarked(value: unknown, length: number): unknown {
  if (Array.isArray(value)) return value.map((item) => unmarked(item, length));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => [key.slice(length), unmarked(item, length)] as const);
  const object = Object.fromEntries(entries);
  const keys = entries.map(([key]) => key);
  if (keys.some((key, i) => key !== Object.keys(object)[i])) Object.defineProperty(object, order, { value: keys });
  return object;
}

/** As JSON.stringify, with keys in the order that `keysOf` tells: text that `parseOrdered` reads back as it was. */
export function orderedText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => orderedText(item ?? null)).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = keysOf(value).flatMap((key) => {
    const item = (value as Record<string, unknown>)[key];
    return item === undefined ? [] : [`${JSON.stringify(key)}:${orderedText(item)}`];
  });
  return `{${members.join()}}`;
}
