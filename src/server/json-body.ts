// A request body: its type, its size while it is read, its text, and JSON with a limit on depth and numbers that a double can
// hold. JSON itself is the runtime's; the scanner here only finds where a text that it refused goes wrong (RFC 8259). Of what
// the runtime loses, two things are kept: the order of all keys (a schema's is that of the answer), and the digits of a seed.

import { parseOrdered } from "../decode/grammar/json-text.ts";
import { ApiError } from "./errors.ts";
import type { Limits } from "./limits.ts";
import type { Step } from "./turns.ts";

export interface BodyRules {
  limits: Limits;
  signal: AbortSignal;
  /** Content types that are taken. */
  types: readonly string[];
  /** Seconds that it may take to come. */
  sendSeconds: number;
}

/**
 * The bytes of a body and its type.
 * @throws ApiError 415 for another type, 413 for too many bytes before all are read, 408 when they come too slowly; the
 * signal's reason.
 */
export async function readBody(request: Request, rules: BodyRules): Promise<{ bytes: Uint8Array; type: string }> {
  const type = typeOf(request.headers, rules.types);
  return { type, bytes: await bytesOf(request, rules) };
}

/**
 * Parses a JSON body, step by step.
 * @throws ApiError 400 for what is not UTF-8 or not JSON (with the position), too deep, or holds a number beyond a double;
 * 413 for too many values.
 */
export async function parseBody(bytes: Uint8Array, limits: Limits, step: Step): Promise<unknown> {
  const { result: text } = await step(() => textOf(bytes));
  await step(() => checkStructure(text, limits.maxBodyDepth, limits.maxBodyValues));
  const { result: value } = await step(() => parsed(text));
  await step(() => checkFinite(value));
  const { result } = await step(() => withExactSeed(value, text));
  return result;
}

function typeOf(headers: Headers, types: readonly string[]): string {
  const type = headers.get("content-type");
  const [essence, ...parameters] = (type ?? "").toLowerCase().split(";");
  const charset = parameters.map((text) => text.trim()).find((text) => text.startsWith("charset="));
  if (!types.includes(essence.trim()))
    throw new ApiError(
      415,
      `content-type: got ${type ? JSON.stringify(type) : "none"}, expected ${types.join(" or ")}`,
    );
  if (charset && !/^charset="?utf-?8"?$/.test(charset))
    throw new ApiError(415, `content-type: got ${charset}, expected UTF-8`);
  const encoding = headers.get("content-encoding");
  if (encoding && encoding !== "identity")
    throw new ApiError(
      415,
      `content-encoding: got ${JSON.stringify(encoding)}, expected a body that is not compressed`,
    );
  return essence.trim();
}

async function bytesOf(request: Request, { limits, signal, sendSeconds }: BodyRules): Promise<Uint8Array> {
  const limit = limits.maxBodyBytes;
  const tooMany = () => new ApiError(413, `The request body is larger than ${limit} bytes, the limit of this server`);
  if (Number(request.headers.get("content-length")) > limit) throw tooMany();
  if (!request.body) return new Uint8Array();
  const reader = request.body.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  const cancel = () => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", cancel, { once: true });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    cancel();
  }, sendSeconds * 1000);
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      length += part.value.length;
      if (length > limit) throw tooMany();
      chunks.push(part.value);
    }
  } catch (error) {
    if (error instanceof ApiError) throw error;
    if (!late) throw new ApiError(400, "The request body ended before it was complete");
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", cancel);
  }
  signal.throwIfAborted();
  if (late)
    throw new ApiError(408, `The request body came too slowly: it was not complete after ${sendSeconds} seconds`);
  return Buffer.concat(chunks, length);
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new ApiError(400, "Failed to parse the request body as JSON: it is not valid UTF-8");
  }
}

function parsed(text: string): unknown {
  try {
    return parseOrdered(text);
  } catch {
    const fault = firstFault(text);
    throw new ApiError(400, `Failed to parse the request body as JSON: ${fault.message} ${at(text, fault.position)}`);
  }
}

function checkFinite(value: unknown): void {
  const path = pathOfInfinity(value);
  if (path === undefined) return;
  const param = path.replace(/^\./, "");
  throw new ApiError(400, `${param || "body"}: got a number too large for a double, expected a finite number`, {
    param,
  });
}

/** The same body, its seed a bigint where a double has rounded it: seeds have 64 bits. */
function withExactSeed(body: unknown, text: string): unknown {
  const { seed } = (body ?? {}) as { seed?: unknown };
  if (typeof seed !== "number" || !Number.isInteger(seed) || Number.isSafeInteger(seed)) return body;
  return Object.assign(body as object, { seed: integerOf(text, "seed") ?? BigInt(seed) });
}

/** The integer that the last field of this name has in the text of an object, where digits alone write it. */
function integerOf(text: string, name: string): bigint | undefined {
  let depth = 0;
  let found: bigint | undefined;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === "[" || char === "{") depth++;
    else if (char === "]" || char === "}") depth--;
    else if (char === '"') {
      const end = endOfString(text, i) as number;
      const value = depth === 1 && JSON.parse(text.slice(i, end)) === name ? valueAfter(text, end) : undefined;
      if (value !== undefined) found = /^-?\d+$/.test(value) ? BigInt(value) : undefined;
      i = end - 1;
    }
  }
  return found;
}

/** The value of the field whose name ends here, if it is a number; undefined too where the string is no name. */
function valueAfter(text: string, at: number): string | undefined {
  const field = /[ \t\n\r]*:[ \t\n\r]*([-+.\deE]+)/y;
  field.lastIndex = at;
  return field.exec(text)?.[1];
}

/** Refuses what nests too deeply or holds too many values, whatever else is wrong, before anything is made of it. */
function checkStructure(text: string, maxDepth: number, maxValues: number): void {
  let depth = 0;
  let values = 1; // each comma brings one more; fields and containers take more time and memory than numbers
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === quote) {
      for (i++; i < text.length && text.charCodeAt(i) !== quote; i++) if (text.charCodeAt(i) === backslash) i++;
    } else if (code === 0x5b || code === 0x7b) {
      values += 16;
      if (++depth > maxDepth)
        throw new ApiError(
          400,
          `Failed to parse the request body as JSON: nested deeper than ${maxDepth} ${at(text, i)}`,
        );
    } else if (code === 0x5d || code === 0x7d) depth--;
    else if (code === 0x2c) values++;
    else if (code === 0x3a) values += 8;
    if (values > maxValues)
      throw new ApiError(
        413,
        `The request body holds more values than this server reads at a time (${maxValues}); embeddings can be sent as base64`,
      );
  }
}

const quote = 0x22;
const backslash = 0x5c;

/** Like ".messages[3].x"; "" is the value itself. */
function pathOfInfinity(value: unknown): string | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? undefined : "";
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const inner = pathOfInfinity(value[i]);
      if (inner !== undefined) return `[${i}]${inner}`;
    }
  } else if (value !== null && typeof value === "object") {
    for (const key of Object.keys(value)) {
      const inner = pathOfInfinity((value as Record<string, unknown>)[key]);
      if (inner !== undefined) return `.${key}${inner}`;
    }
  }
  return undefined;
}

interface Fault {
  message: string;
  position: number;
}

/** What comes next in a JSON text: the state of the scanner. */
type Next = "value" | "value or ]" | "key" | "key or }" | "colon" | "comma or ]" | "comma or }" | "the end";

const words: Record<Next, string> = {
  value: "a value",
  "value or ]": 'a value or "]"',
  key: "a string as key",
  "key or }": 'a string as key, or "}"',
  colon: '":"',
  "comma or ]": '"," or "]"',
  "comma or }": '"," or "}"',
  "the end": "the end of the text",
};

/** The first place where a text that is not JSON goes wrong. */
function firstFault(text: string): Fault {
  const open: ("[" | "{")[] = [];
  let next: Next = "value";
  const afterValue = (): Next =>
    open.length === 0 ? "the end" : open[open.length - 1] === "[" ? "comma or ]" : "comma or }";
  for (let i = 0; ; ) {
    i = endOf(/[ \t\n\r]*/y, text, i) as number;
    const char = text[i];
    const wrong = {
      message: `expected ${words[next]}, got ${char === undefined ? "the end" : JSON.stringify(char)}`,
      position: i,
    };
    if (char === undefined) return wrong;
    if (next.startsWith("value") || next.startsWith("key")) {
      const isKey = next.startsWith("key");
      if (char === (isKey ? "}" : "]") && next.includes(" or ")) {
        open.pop();
        next = afterValue();
        i++;
      } else if (char === '"') {
        const end = endOfString(text, i);
        if (typeof end !== "number") return end;
        i = end;
        next = isKey ? "colon" : afterValue();
      } else if (isKey) return wrong;
      else if (char === "[" || char === "{") {
        open.push(char);
        next = char === "[" ? "value or ]" : "key or }";
        i++;
      } else {
        const end = endOf(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y, text, i);
        if (end === undefined) return wrong;
        i = end;
        next = afterValue();
      }
    } else if (next === "colon") {
      if (char !== ":") return wrong;
      next = "value";
      i++;
    } else if (char === "," && open.length > 0) {
      next = next === "comma or ]" ? "value" : "key";
      i++;
    } else if ((char === "]" && next === "comma or ]") || (char === "}" && next === "comma or }")) {
      open.pop();
      next = afterValue();
      i++;
    } else return wrong;
  }
}

function endOf(pattern: RegExp, text: string, from: number): number | undefined {
  pattern.lastIndex = from;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}

function endOfString(text: string, from: number): number | Fault {
  for (let i = from + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === quote) return i + 1;
    if (code < 0x20) return { message: "control character in a string", position: i };
    if (code !== backslash) continue;
    const end = endOf(/\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y, text, i);
    if (end === undefined) return { message: "bad escape in a string", position: i };
    i = end - 1;
  }
  return { message: "a string that does not end", position: from };
}

function at(text: string, position: number): string {
  const before = text.slice(0, position);
  return `at line ${before.split("\n").length} column ${position - before.lastIndexOf("\n")}`;
}
