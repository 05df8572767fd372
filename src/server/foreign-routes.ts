// Routes of other servers that clients of theirs ask for here, and what there is instead: one sentence each, for the 404.

/** What does the same here. */
const instead: readonly (readonly [path: RegExp, words: string])[] = [
  [/^\/responses(\/|$)/, "the Responses API is not served; use /chat/completions"],
  [/^\/messages(\/|$)/, "Anthropic's Messages API is not served; use /chat/completions"],
  [/^\/complete$/, "Anthropic's text completions are not served; use /completions"],
  [/^\/embeddings$/, "pooled embeddings are not served; /token_embeddings gives the rows of a text's tokens"],
  [/^\/api\/chat$/, "Ollama's API is not served; use /v1/chat/completions"],
  [/^\/api\/generate$/, "Ollama's API is not served; use /v1/completions"],
  [/^\/api\/(tags|show|ps)$/, "Ollama's API is not served; use /v1/models"],
  [/^\/api\/(embed|embeddings)$/, "Ollama's API is not served; /v1/token_embeddings gives the rows of a text's tokens"],
  [/^\/api(\/|$)/, "Ollama's API is not served; the routes are those of DeepSeek and OpenAI, under /v1"],
  [/^\/(generate|generate_stream)$/, "use /completions"],
  [/^\/(completion|infill)$/, "use /completions, with suffix to fill a hole"],
  [/^\/(tokenize|detokenize)$/, "use /token_embeddings, which gives ids and tokens"],
  [/^\/(healthz|livez|readyz|ready|ping|health_generate|api\/health)$/, "use /health"],
  [/^\/(props|slots)$/, "use /models and /health"],
  [/^\/(docs|swagger|redoc|openapi\.yaml|swagger\.json)(\/|$)/, "use /openapi.json"],
  [/^\/engines\/[^/]+\/(chat\/)?completions$/, "the model is named in the body; use /v1/completions"],
  [/^\/openai\/deployments\//, "the model is named in the body; use /v1/chat/completions"],
  [/^\/models\/[^:]+:(generateContent|streamGenerateContent)$/, "Gemini's API is not served; use /v1/chat/completions"],
  [
    /^\/(audio|images|files|batches|fine_tuning|assistants|threads|vector_stores|uploads|moderations|rerank)(\/|$)/,
    "there is nothing like it here",
  ],
];

/** A sentence for a path that no route has: what it is elsewhere, or where the routes are listed. */
export function missingRoute(path: string, prefixes: readonly string[], routes: readonly string[]): string {
  const list = "see /openapi.json";
  const bare = withoutPrefix(path, prefixes);
  const again = withoutPrefix(bare, prefixes);
  if (bare !== path && again !== bare && routes.includes(again))
    return `Not Found. ${shownPath(path)} names a prefix twice: the base URL ends in it already; use ${path.slice(0, path.length - bare.length)}${again}`;
  const known = instead.find(([pattern]) => pattern.test(bare));
  if (known) return `Not Found. ${shownPath(path)}: ${known[1]}; ${list}`;
  return `Not Found. There is no route ${shownPath(path)}; ${list}`;
}

function withoutPrefix(path: string, prefixes: readonly string[]): string {
  const prefix = prefixes.find((prefix) => prefix !== "" && (path === prefix || path.startsWith(`${prefix}/`)));
  return prefix === undefined ? path : path.slice(prefix.length);
}

function shownPath(path: string): string {
  return path.length > 80 ? `${path.slice(0, 80)}…` : path;
}
