// What every call goes through, with small operations of the test's own: prefixes, errors, signals, streams, log, counters.

import { describe, expect, test } from "vitest";
import { z } from "zod";
import { EngineBusyError, EngineClosedError } from "../../src/engine/errors.ts";
import type { GenerateEvent } from "../../src/engine/generate.ts";
import { FieldError } from "../../src/field-error.ts";
import type { AppOptions } from "../../src/server/app.ts";
import { ApiError } from "../../src/server/errors.ts";
import { missingRoute } from "../../src/server/foreign-routes.ts";
import { jsonLog } from "../../src/server/log.ts";
import { deepSeekNames } from "../../src/server/model-id.ts";
import type { Call, Operation } from "../../src/server/operation.ts";
import { operations } from "../../src/server/operations.ts";
import { health as healthRoute } from "../../src/server/routes/health.ts";
import { textStream } from "../../src/server/wire/stream.ts";
import { errorOf, start } from "./start.ts";

const usage = { promptTokens: 100, cachedTokens: 64, embedTokens: 0, completionTokens: 7, totalTokens: 107 };

/** An operation that does `handle`; any object is its body. */
function operation(path: string, handle: (call: Call, body: Record<string, unknown>) => Promise<Response> | Response) {
  return {
    method: "post",
    path,
    summary: path,
    body: z.looseObject({ model: z.string().optional() }),
    responses: { 200: z.unknown() },
    handle: async (_, body, call) => handle(call, body as Record<string, unknown>),
  } satisfies Operation;
}

/** Events until the call's signal: the stream ends by itself after `count`. */
function endless(call: Call, count = Number.POSITIVE_INFINITY): Response {
  let n = 0;
  let ended = false;
  return textStream(async () => {
    if (ended) return undefined;
    await new Promise((resolve) => setTimeout(resolve, 5));
    const text = call.signal.aborted ? call.signal.reason.message : n++;
    ended = call.signal.aborted || n === count;
    return `data: ${text}\n\n`;
  }, call);
}

async function serving(operations: readonly Operation[], options: AppOptions = {}) {
  const lines: Record<string, unknown>[] = [];
  const started = await start({ operations, log: jsonLog((line) => lines.push(JSON.parse(line))), ...options });
  const post = (path: string, body: unknown = {}, init: RequestInit = {}) =>
    fetch(started.url + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      ...init,
    });
  return { ...started, lines, post };
}

const until = async (reached: () => boolean) => {
  for (const end = performance.now() + 2000; !reached() && performance.now() < end; )
    await new Promise((resolve) => setTimeout(resolve, 5));
  expect(reached()).toBe(true);
};

test("every route at three prefixes; beta under /beta, or everywhere when asked for", async () => {
  const tell = operation("/tell", (call) => Response.json(call.beta));
  const betas = async (options: AppOptions) => {
    const { post } = await serving([tell], options);
    return Promise.all(["/tell", "/v1/tell", "/beta/tell"].map(async (path) => (await post(path)).json()));
  };
  expect(await betas({})).toEqual([false, false, true]);
  expect(await betas({ beta: true })).toEqual([true, true, true]);
});

test("an unknown route is a 404, another method a 405 with Allow, both in the body of errors", async () => {
  const { url } = await start();
  const missing = await fetch(`${url}/v1/nowhere`, { method: "POST" });
  expect(missing.status).toBe(404);
  expect(await missing.json()).toEqual({
    error: {
      message: "Not Found. There is no route /v1/nowhere; see /openapi.json",
      type: "invalid_request_error",
      param: null,
      code: "invalid_request_error",
    },
  });
  const wrong = await fetch(`${url}/beta/models`, { method: "DELETE" });
  expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "GET"]);
  expect((await errorOf(wrong)).message).toBe("DELETE is not possible on /models, expected GET");
  expect((await fetch(`${url}/models`, { method: "HEAD" })).status).toBe(200);
});

test.each([
  ["/v1/nothing-like-it/responses", "There is no route"],
  ["/v1/assistants", "there is nothing like it here"],
  ["/api/chat", "use /v1/chat/completions"],
  ["/api/generate", "use /v1/completions"],
  ["/api/tags", "use /v1/models"],
  ["/api/pull", "the routes are those of DeepSeek and OpenAI, under /v1"],
  ["/generate", "use /completions"],
  ["/healthz", "use /health"],
  ["/docs", "use /openapi.json"],
  ["/v1/v1/chat/completions", "the base URL ends in it already; use /v1/chat/completions"],
  ["/beta/v1/models", "the base URL ends in it already; use /beta/models"],
  ["/v1/engines/davinci/completions", "use /v1/completions"],
])("%s says what there is instead", async (path, words) => {
  const { url } = await start();
  const response = await fetch(url + path, { method: "POST" });
  expect(response.status).toBe(404);
  expect((await errorOf(response)).message).toContain(words);
});

test("whatever a hint names is there, and no route is hidden behind one", () => {
  const routes = operations.map(({ path }) => path);
  const strange = ["/v1/responses", "/v1/messages", "/v1/embeddings", "/complete", "/tokenize", "/slots", "/infill"];
  for (const path of strange.filter((path) => !routes.includes(path.replace("/v1", "")))) {
    const words = missingRoute(path, ["", "/v1"], routes);
    const named = [...words.replace(path, "").matchAll(/(?<= )\/(?:v1\/)?([a-z_/.]+[a-z])/g)].map(
      ([, name]) => `/${name}`,
    );
    expect(named.length).toBeGreaterThan(1);
    for (const name of named) expect(routes).toContain(name);
  }
});

test("slashes too many do not hide a route", async () => {
  const { url } = await start();
  for (const path of ["/v1/models/", "/v1//models", "//models//", "/v1/models/plainformer/"])
    expect([path, (await fetch(url + path)).status]).toEqual([path, 200]);
});

test("the log names the path of what is not there, without what was asked of it", async () => {
  const { url, lines } = await serving([]);
  await fetch(`${url}/v1/nowhere?key=secret`);
  await fetch(`${url}/${"x".repeat(5000)}`);
  expect(lines[0]).toMatchObject({ status: 404, path: "/v1/nowhere" });
  expect((lines[1].path as string).length).toBe(200);
  expect(JSON.stringify(lines)).not.toContain("secret");
});

test("a request id of the server's own in both headers, whatever the caller sends", async () => {
  const { url } = await start();
  for (const path of ["/health", "/nowhere"]) {
    const { headers } = await fetch(url + path, { headers: { "x-request-id": "mine" } });
    expect(headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    expect(headers.get("x-ds-trace-id")).toBe(headers.get("x-request-id"));
  }
});

const internal = "The server could not answer: an internal error";

test.each<[string, () => unknown, number, string, string | null, string | null]>([
  [
    "FieldError of the library",
    () => new FieldError("maxTokens", "got 0, expected ≥ 1"),
    400,
    "max_tokens: got 0, expected ≥ 1",
    "max_tokens",
    null,
  ],
  [
    "a place within",
    () => new FieldError("input[2].shape", "rows are 3 wide"),
    400,
    "input[2].shape: rows are 3 wide",
    "input[2].shape",
    null,
  ],
  [
    "a name of the caller's",
    () => new FieldError('grammar.someField["keyOfMine"].otherField', "unknown"),
    400,
    'grammar.some_field["keyOfMine"].other_field: unknown',
    'grammar.some_field["keyOfMine"].other_field',
    null,
  ],
  ["a RangeError that is a bug", () => new RangeError("maxTokens: no"), 500, internal, null, null],
  ["a busy engine", () => new EngineBusyError("full"), 503, "The server is overloaded, please retry later", null, "1"],
  ["a closing engine", () => new EngineClosedError("closed"), 503, "The server is shutting down", null, "5"],
  ["a bug", () => new Error("secret /path"), 500, internal, null, null],
  [
    "a TypeError that is a bug",
    () => new TypeError("Cannot read properties of undefined (reading 'x')"),
    500,
    internal,
    null,
    null,
  ],
  ["no error at all", () => "secret", 500, internal, null, null],
  ["an ApiError", () => new ApiError(429, "slow down", { retryAfter: 3 }), 429, "slow down", null, "3"],
])("%s", async (_, error, status, message, param, retryAfter) => {
  const { post, lines } = await serving([
    operation("/fail", () => {
      throw error();
    }),
  ]);
  const response = await post("/fail");
  expect(response.status).toBe(status);
  expect(await errorOf(response)).toMatchObject({ message, param });
  expect(response.headers.get("retry-after")).toBe(retryAfter);
  expect(lines[0].level).toBe(status >= 500 ? "error" : "info");
});

test("another model is a 400 in DeepSeek's words; the model's names are taken", async () => {
  const { post } = await serving([operation("/ok", () => Response.json({}))]);
  for (const model of ["plainformer", ...deepSeekNames]) expect((await post("/ok", { model })).status).toBe(200);
  const response = await post("/ok", { model: "gpt-4" });
  expect(response.status).toBe(400);
  expect(await errorOf(response)).toMatchObject({
    message:
      "The supported API model names are plainformer or deepseek-chat or deepseek-coder or deepseek-reasoner or deepseek-flash or deepseek-v4-flash or deepseek-v4-flash-vision-exp or deepseek-v4-pro, but you passed gpt-4.",
    param: "model",
  });
});

test("warnings go into a header that can hold them", async () => {
  const { post } = await serving([
    operation("/warn", (call) => {
      call.warn('no "é" 漢\r\nhere');
      return Response.json({});
    }),
  ]);
  const response = await post("/warn");
  expect(response.status).toBe(200);
  expect(response.headers.get("x-plainformer-warning")).toBe('no "?" ?here');
  expect(response.headers.get("warning")).toBe('299 - "no \\"?\\" ?here"');
});

describe("the call's signal", () => {
  test("fires when the client goes, before an answer", async () => {
    let signal: AbortSignal | undefined;
    const { post, app, lines } = await serving([
      operation("/wait", async (call) => {
        signal = call.signal;
        await new Promise((resolve) => call.signal.addEventListener("abort", resolve));
        throw call.signal.reason;
      }),
    ]);
    const client = new AbortController();
    const answer = post("/wait", {}, { signal: client.signal });
    answer.catch(() => {});
    await until(() => signal !== undefined);
    expect([signal?.aborted, app.inFlight()]).toEqual([false, 1]);
    client.abort();
    await until(() => signal?.aborted === true);
    await until(() => app.inFlight() === 0);
    expect(lines[0]).toMatchObject({ status: 499, client_gone: true });
  });

  test("fires when the client goes in the middle of a stream", async () => {
    let signal: AbortSignal | undefined;
    const { post, app, lines } = await serving([
      operation("/stream", (call) => {
        signal = call.signal;
        return endless(call);
      }),
    ]);
    const client = new AbortController();
    const response = await post("/stream", {}, { signal: client.signal });
    await response.body?.getReader().read();
    expect(app.inFlight()).toBe(1);
    client.abort();
    await until(() => signal?.aborted === true);
    await until(() => app.inFlight() === 0);
    expect(lines[0]).toMatchObject({ status: 499, client_gone: true });
  });

  test("fires when the time is up, streamed or not", async () => {
    const { post } = await serving(
      [
        operation("/stream", (call) => endless(call)),
        operation("/wait", async (call) => {
          await new Promise((resolve) => call.signal.addEventListener("abort", resolve));
          throw call.signal.reason;
        }),
      ],
      { timeoutSeconds: 0.1 },
    );
    expect(await (await post("/stream")).text()).toMatch(
      /^data: 0\n\n.*data: The request took longer than 0.1 seconds\n\n$/s,
    );
    const response = await post("/wait");
    expect([response.status, (await errorOf(response)).message]).toEqual([
      503,
      "The request took longer than 0.1 seconds",
    ]);
  });

  test("fires when the answer is complete, so that nothing goes on for it", async () => {
    let signal: AbortSignal | undefined;
    const { post } = await serving([
      operation("/leave", (call) => {
        signal = call.signal;
        return Response.json({});
      }),
    ]);
    await post("/leave");
    expect(signal?.aborted).toBe(true);
  });
});

test("a slow reader holds up its own stream and nobody else's", async () => {
  const made = { slow: 0 };
  const { post } = await serving([
    operation("/flood", (call) =>
      textStream(async () => {
        made.slow += 65536;
        return "x".repeat(65536);
      }, call),
    ),
    operation("/ok", () => Response.json({})),
  ]);
  const client = new AbortController();
  const flood = await post("/flood", {}, { signal: client.signal });
  await new Promise((resolve) => setTimeout(resolve, 300));
  const before = made.slow;
  expect((await post("/ok")).status).toBe(200);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(made.slow).toBe(before); // what sockets hold, and no more
  expect(before).toBeLessThan(32e6);
  client.abort();
  await flood.text().catch(() => {});
});

describe("log and counters", () => {
  test("a line per request: route, status, key's hash, tokens; never a text", async () => {
    const { post, lines } = await serving([
      operation("/spend", (call) => {
        call.charge(usage);
        return Response.json({ text: "the answer" });
      }),
    ]);
    await post("/v1/spend", { prompt: "a secret prompt" });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      level: "info",
      event: "request",
      method: "POST",
      route: "/v1/spend",
      status: 200,
      prompt_tokens: 100,
      cached_tokens: 64,
      completion_tokens: 7,
    });
    expect(JSON.stringify(lines)).not.toMatch(/secret|answer/);
  });

  test("what goes wrong inside is in the log, not in the answer", async () => {
    const { post, lines } = await serving([
      operation("/fail", () => {
        throw new Error("a bug");
      }),
    ]);
    await post("/fail");
    expect(lines[0].error).toMatch(/^Error: a bug\n/);
  });

  test("/metrics counts requests and tokens, and times tokens, in Prometheus' form", async () => {
    const { metrics } = await import("../../src/server/routes/metrics.ts");
    const generate: Operation = {
      ...operation("/generate", () => Response.json({})),
      async handle({ model }, _, call) {
        const see = call.tokenClock();
        const options = { input: "Once", maxTokens: 5, temperature: 0, signal: call.signal };
        for await (const event of model.generate(options)) {
          see(event);
          if (event.type === "end") call.charge(event.usage);
        }
        return Response.json({});
      },
    };
    const { post, url, lines } = await serving([generate, metrics]);
    await post("/generate");
    await post("/generate", []);
    const response = await fetch(`${url}/metrics`);
    expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    expect(text).toContain('plainformer_http_requests_total{route="/generate",method="POST",status="200"} 1\n');
    expect(text).toContain('plainformer_http_requests_total{route="/generate",method="POST",status="400"} 1\n');
    expect(text).toContain('plainformer_tokens_total{kind="completion"} 5\n');
    expect(text).toContain("plainformer_first_token_seconds_count 1\n");
    expect(text).toContain("plainformer_inter_token_seconds_count 4\n");
    expect(text).toMatch(/plainformer_sequences\{state="running"\} 0\n/);
    expect(text).toMatch(/plainformer_cache_pages\{state="free"\} \d+\n/);
    expect(lines[0].first_token_ms).toBeTypeOf("number");
  });
});

test("pages of other origins may call only where that was asked for", async () => {
  const origin = "https://example.org";
  const preflight = { method: "OPTIONS", headers: { origin, "access-control-request-method": "POST" } };
  const closed = await start();
  expect(
    (await fetch(`${closed.url}/models`, { headers: { origin } })).headers.get("access-control-allow-origin"),
  ).toBeNull();
  for (const path of ["/models", "/v1/chat/completions"]) {
    const refused = await fetch(closed.url + path, preflight);
    expect(refused.status).toBe(403);
    expect((await errorOf(refused)).message).toBe(
      'Pages of "https://example.org" may not call this server: it runs without --cors (createApp: corsOrigins)',
    );
  }
  expect((await fetch(`${closed.url}/models`, { method: "OPTIONS" })).status).toBe(405);
  const open = await start({ corsOrigins: [origin], keys: [] });
  const answer = await fetch(`${open.url}/models`, preflight);
  expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([204, origin]);
});

test("pages may read the headers that say when to come again, and warnings", async () => {
  const origin = "https://example.org";
  const { post } = await serving(
    [
      operation("/warn", (call) => {
        call.warn("slow");
        return Response.json({});
      }),
    ],
    { corsOrigins: ["*"], rates: { perMinute: 1, concurrent: 0 } },
  );
  const headers = { origin, "content-type": "application/json" };
  const [warned, refused] = [await post("/warn", {}, { headers }), await post("/warn", {}, { headers })];
  expect([warned.headers.get("warning"), refused.headers.get("retry-after")]).toEqual(['299 - "slow"', "60"]);
  for (const response of [warned, refused]) {
    const readable = response.headers.get("access-control-expose-headers")?.split(",");
    expect(readable).toEqual(
      expect.arrayContaining(["retry-after", "warning", "x-plainformer-warning", "x-request-id"]),
    );
  }
});

test("while it drains: 503 to what is new, what runs goes on, /health says so", async () => {
  const { post, url, app } = await serving([operation("/stream", (call) => endless(call, 30)), healthRoute]);
  const stream = await post("/stream");
  app.drain();
  const refused = await post("/stream");
  expect([refused.status, refused.headers.get("retry-after"), refused.headers.get("connection")]).toEqual([
    503,
    "5",
    "close",
  ]);
  const state = await fetch(`${url}/health`);
  expect([state.status, ((await state.json()) as { status: string }).status]).toEqual([503, "stopping"]);
  expect(await stream.text()).toMatch(/data: 29\n\n$/);
  expect(app.inFlight()).toBe(0);
});

describe("health", () => {
  test("counts what is in flight, and how long the oldest waits", async () => {
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const open = (path: string, told: boolean) =>
      operation(path, (call) => {
        if (told) call.tokenClock()({ type: "token", id: 0, text: "", logprob: undefined } as GenerateEvent);
        let first = true;
        return textStream(async () => {
          if (!first) await released;
          const text = first ? "data: 0\n\n" : undefined;
          first = false;
          return text;
        }, call);
      });
    const { post, url, lines } = await serving([open("/told", true), open("/silent", false), healthRoute]);
    const streams = await Promise.all(Array.from({ length: 50 }, (_, i) => post(i < 30 ? "/told" : "/silent")));
    await new Promise((resolve) => setTimeout(resolve, 120));
    const busy = (await (await fetch(`${url}/health`)).json()) as Record<string, number>;
    expect(busy).toMatchObject({ status: "ok", in_flight: 50, waiting: 20 });
    expect(busy.oldest_seconds).toBeGreaterThan(0.1);
    expect(busy.longest_wait_seconds).toBeGreaterThan(0.1);
    expect(busy.longest_wait_seconds).toBeLessThanOrEqual(busy.oldest_seconds);
    release();
    await Promise.all(streams.map((response) => response.text()));
    await until(() => lines.length === 51);
    const idle = { in_flight: 0, oldest_seconds: 0, waiting: 0, longest_wait_seconds: 0 };
    expect(await (await fetch(`${url}/health`)).json()).toMatchObject(idle);
  });

  test("says ok and the engine's counters", async () => {
    const { url } = await start();
    const response = await fetch(`${url}/health`);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      status: "ok",
      model: "plainformer",
      load: { running: 0, waiting: 0 },
    });
  });

  test("answers when the model does not", async () => {
    const { served } = await start();
    const { url } = await start({ model: { ...served, load: () => new Promise(() => {}) } });
    expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ status: "ok", load: null });
  });
});
