// JSON as the headers of weight files need it: a key that occurs twice in an object is an error (JSON.parse keeps the last
// in silence), and unsigned integers come back as bigint, because shapes and offsets have 64 bits and a JavaScript number
// is exact only up to 2^53. Not a general parser: it wants the whole text at once.
// Source: RFC 8259; the depth limit is that of serde_json, with which the format's reference reads its headers.

/** A JSON value; an object is a Map, so that no key can reach a prototype, and an unsigned integer is a bigint. */
export type StrictJson = null | boolean | number | bigint | string | StrictJson[] | Map<string, StrictJson>;

const maxDepth = 128;

/** The value that `text` holds. Throws a SyntaxError that says what stands where, also for a duplicate key. */
export function parseStrictJson(text: string): StrictJson {
  let at = 0;

  const fail = (problem: string): never => {
    throw new SyntaxError(`${problem} at character ${at}`);
  };
  const skipSpace = (): void => {
    while (text[at] === " " || text[at] === "\n" || text[at] === "\r" || text[at] === "\t") at++;
  };
  const take = (token: string): boolean => {
    skipSpace();
    if (!text.startsWith(token, at)) return false;
    at += token.length;
    return true;
  };
  const expect = (token: string): void => {
    if (!take(token)) fail(at < text.length ? `${token} expected` : `${token} expected, but the text ends`);
  };

  const string = (): string => {
    const start = at;
    for (at++; at < text.length && text[at] !== '"'; at++) if (text[at] === "\\") at++;
    const token = text.slice(start, ++at);
    at = start;
    let value = "";
    try {
      value = JSON.parse(token);
    } catch {
      fail("a malformed string");
    }
    if (/\p{Surrogate}/u.test(value)) fail("a string with half a surrogate pair");
    at += token.length;
    return value;
  };

  const number = (): bigint | number => {
    const start = at;
    while (at < text.length && "+-.0123456789eE".includes(text[at])) at++;
    const token = text.slice(start, at);
    if (/^(?:0|[1-9]\d{0,19})$/.test(token)) return BigInt(token);
    at = start;
    let value = 0;
    try {
      value = JSON.parse(token);
    } catch {
      fail("no JSON value");
    }
    if (!Number.isFinite(value)) fail("a number beyond the range of a double");
    at += token.length;
    return value;
  };

  const value = (depth: number): StrictJson => {
    if (depth > maxDepth) fail(`more than ${maxDepth} levels of nesting`);
    if (take("{")) {
      const object = new Map<string, StrictJson>();
      if (take("}")) return object;
      do {
        skipSpace();
        if (text[at] !== '"') fail("a key expected");
        const key = string();
        if (object.has(key)) fail(`the key ${JSON.stringify(key.slice(0, 200))} for the second time`);
        expect(":");
        object.set(key, value(depth + 1));
      } while (take(","));
      expect("}");
      return object;
    }
    if (take("[")) {
      const array: StrictJson[] = [];
      if (take("]")) return array;
      do array.push(value(depth + 1));
      while (take(","));
      expect("]");
      return array;
    }
    if (text[at] === '"') return string();
    if (take("true")) return true;
    if (take("false")) return false;
    if (take("null")) return null;
    return number();
  };

  const result = value(1);
  skipSpace();
  if (at < text.length) fail("something after the end of the value");
  return result;
}
