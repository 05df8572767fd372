// Names inside are camelCase, names on the wire are snake_case.

/** maxTokens → max_tokens */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The same record with its keys as the wire has them. */
export function wireNames<Value>(record: object & { readonly [key: string]: Value }): Record<string, Value> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [snakeCase(name), value]));
}
