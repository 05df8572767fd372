// Who may call. API keys: a list from a file or the environment, compared in constant time on hashes, so that neither a timing
// nor a memory dump of the table tells a key. Without keys: whoever addresses this machine by a name of its own.

import { createHash, timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";
import { FieldError, shown } from "../field-error.ts";
import { ApiError } from "./errors.ts";
import { microsOf } from "./prices.ts";

export interface ApiKey {
  readonly hash: Buffer;
  /** The hash's first 16 digits: how logs, journal and prefix cache tell keys apart. */
  readonly tenant: string;
  /** What was paid in, in millionths of the currency; undefined: nothing to run out of. */
  readonly paidIn: number | undefined;
}

/**
 * Keys of a text: one a line, each followed by an amount paid in where keys have balances; empty lines and # comments aside.
 * @throws one sentence that names the source and line, never the key.
 */
export function keysOf(text: string, where: string): ApiKey[] {
  const keys: ApiKey[] = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    const [key, amount, ...rest] = line
      .replace(/(^|\s)#.*/, "")
      .trim()
      .split(/\s+/);
    if (!key) continue;
    const fault = (words: string) => new Error(`${where}, line ${i + 1}: ${words}`);
    if (!/^[\x21-\x7e]{8,512}$/.test(key)) throw fault("expected a key of 8 to 512 printable ASCII characters");
    if (rest.length > 0) throw fault('expected "KEY" or "KEY AMOUNT"');
    const paidIn = amount === undefined ? undefined : microsOf(amount);
    if (amount !== undefined && paidIn === undefined)
      throw fault(`got the amount ${JSON.stringify(amount)}, expected a number with at most six decimals`);
    const hash = hashOf(key);
    if (keys.some((other) => other.hash.equals(hash))) throw fault("this key stands here already");
    keys.push({ hash, tenant: hash.toString("hex").slice(0, 16), paidIn });
  }
  if (keys.length === 0) throw new Error(`${where}: it has no keys, expected at least one`);
  return keys;
}

/** @throws one sentence when the file cannot be read or a line is wrong. */
export async function readKeys(path: string): Promise<ApiKey[]> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new Error(`API keys: cannot read ${path} (${error.code})`);
  });
  return keysOf(text, path);
}

/** Whose key a request carries. @throws ApiError 401 */
export function keyOf(keys: readonly ApiKey[], headers: Headers): ApiKey {
  const [, given] = /^Bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "") ?? [];
  if (given === undefined) throw new ApiError(401, "Authentication Fails (auth header format should be Bearer sk-...)");
  const hash = hashOf(given);
  let found: ApiKey | undefined;
  for (const key of keys) if (timingSafeEqual(key.hash, hash)) found = key; // all of them, whichever it is
  const end = given.length < 8 ? "" : given.slice(-4);
  if (!found) throw new ApiError(401, `Authentication Fails, Your api key: ****${end} is invalid`);
  return found;
}

function hashOf(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}

/** Whether a host, as in an address, can only mean this machine. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Names of hosts as addresses have them, in small letters. @throws FieldError for what is no name of a host alone */
export function allowedHostsOf(names: readonly string[]): readonly string[] {
  return names.map((name, i) => {
    const address = `http://${name}/`;
    const isName = typeof name === "string" && /^[\w.[\]:-]+$/.test(name);
    if (!isName || !URL.canParse(address) || new URL(address).hostname !== name.toLowerCase())
      throw new FieldError(`allowedHosts[${i}]`, `got ${shown(name)}, expected the name of a host, without a port`);
    return name.toLowerCase();
  });
}

/**
 * Refuses requests that name another host than this machine: a page may give its own name the address of this machine and then
 * count as of the same origin (DNS rebinding). @throws ApiError 403
 */
export function checkLocalName(url: string, allowed: readonly string[]): void {
  const { hostname } = new URL(url);
  if (isLoopback(hostname) || allowed.includes(hostname)) return;
  const others = allowed.map((name) => `, ${name}`).join("");
  throw new ApiError(
    403,
    `Host ${JSON.stringify(hostname)} is not this machine, expected localhost${others}: without API keys, other names need --allowed-host ${hostname}; pages of other origins need --cors besides`,
  );
}
