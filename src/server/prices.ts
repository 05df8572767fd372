// What tokens cost, in whole numbers. Amounts are millionths of the currency unit; a price per million tokens with up to six
// decimals is then a whole number of millionths of a millionth per token, and no sum is ever rounded but once, upward.

import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { Usage } from "../engine/generate.ts";

/** Per token, in 10⁻¹² of the currency unit. */
export interface Prices {
  currency: string;
  cacheHit: number;
  cacheMiss: number;
  output: number;
}

const price = z
  .union([z.string(), z.number()])
  .transform((value) => microsOf(String(value)))
  .pipe(z.number({ error: "expected an amount with at most six decimals" }));

const priceList = z.object({
  currency: z.string().regex(/^[A-Z]{3}$/, "expected three capital letters"),
  prompt_cache_hit: price,
  prompt_cache_miss: price,
  completion: price,
});

/**
 * Reads a price list: {"currency": "USD", "prompt_cache_hit": 0.07, "prompt_cache_miss": 0.27, "completion": 1.1}, each per
 * million tokens. @throws one sentence that names file and field.
 */
export async function readPrices(path: string): Promise<Prices> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new Error(`prices: cannot read ${path} (${error.code})`);
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Error(`${path}: it is not JSON, expected a price list`);
  }
  const { data, error } = priceList.safeParse(json);
  if (error) throw new Error(`${path}: ${error.issues[0].path.join(".") || "price list"}: ${error.issues[0].message}`);
  return {
    currency: data.currency,
    cacheHit: data.prompt_cache_hit,
    cacheMiss: data.prompt_cache_miss,
    output: data.completion,
  };
}

/** What a request costs, in millionths, rounded up: ⌈Σ tokens · price / 10⁶⌉ */
export function costOf(prices: Prices, { promptTokens, cachedTokens, completionTokens }: Usage): number {
  const trillionths =
    BigInt(cachedTokens) * BigInt(prices.cacheHit) +
    BigInt(promptTokens - cachedTokens) * BigInt(prices.cacheMiss) +
    BigInt(completionTokens) * BigInt(prices.output);
  return Number((trillionths + 999_999n) / 1_000_000n);
}

/** "1.5" → 1500000; undefined for what is no amount ≥ 0 with at most six decimals and below 10⁹. */
export function microsOf(text: string): number | undefined {
  const match = /^(\d{1,9})(?:\.(\d{1,6}))?$/.exec(text);
  return match ? Number(match[1]) * 1_000_000 + Number((match[2] ?? "").padEnd(6, "0")) : undefined;
}

/** 1500000 → "1.50": at least two decimals, as many as there are. */
export function amountText(micros: number): string {
  const digits = String(Math.abs(micros)).padStart(7, "0");
  const decimals = digits.slice(-6).replace(/0{1,4}$/, "");
  return `${micros < 0 ? "-" : ""}${digits.slice(0, -6)}.${decimals}`;
}
