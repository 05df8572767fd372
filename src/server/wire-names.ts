// Names inside are camelCase, names on the wire are snake_case.

/** maxTokens → max_tokens, input[1].softPrompt → input[1].soft_prompt; what is quoted, a name of the caller's, stays. */
export function snakeCase(path: string): string {
  return path.replace(/"(?:[^"\\]|\\.)*"|[A-Z]/g, (found) => (found.length > 1 ? found : `_${found.toLowerCase()}`));
}

/** The same record with its keys as the wire has them. */
export function wireNames<Value>(record: object & { readonly [key: string]: Value }): Record<string, Value> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [snakeCase(name), value]));
}
