// The OpenAPI document: complete, every reference resolves, every schema compiles under ajv, and answers are as it says.
// By hand, with Python: openapi-spec-validator on /openapi.json, and schemathesis on a server that runs.

import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { expect, test } from "vitest";
import { z } from "zod";
import { buildOpenApi } from "../../src/server/openapi.ts";
import { operations } from "../../src/server/operations.ts";
import { start } from "./start.ts";

type Json = Record<string, unknown>;

const document = buildOpenApi(operations, ["plainformer", "deepseek-chat"]) as {
  paths: Record<string, Record<string, Json & { operationId: string; responses: Record<string, Json> }>>;
};

const ajv = new Ajv2020({ strict: false });
addFormats.default(ajv);
ajv.addSchema({ ...document, $id: "document" });

/** Where a schema stands in the document. */
const pointer = (...keys: string[]) =>
  `document#/${keys.map((key) => encodeURIComponent(key.replace(/~/g, "~0").replace(/\//g, "~1"))).join("/")}`;

test("every operation stands in it once, under a name of its own", () => {
  const names = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId }]) => [
      operationId,
      `${method} ${path.replace(/\{(\w+)\}/g, ":$1")}`,
    ]),
  );
  expect(names.map(([, route]) => route).sort()).toEqual(
    operations.map(({ method, path }) => `${method} ${path}`).sort(),
  );
  expect(new Set(names.map(([name]) => name)).size).toBe(operations.length);
  for (const [name] of names) expect(name).toMatch(/^[a-z][A-Za-z]+$/);
});

test("every schema compiles, references included", () => {
  let compiled = 0;
  const visit = (value: unknown, path: string[]): void => {
    if (value === null || typeof value !== "object") return;
    for (const [key, inner] of Object.entries(value)) {
      if (key === "schema") {
        expect(ajv.compile({ $ref: pointer(...path, key) })).toBeTypeOf("function");
        compiled++;
      } else visit(inner, [...path, key]);
    }
  };
  visit(document, []);
  expect(compiled).toBeGreaterThan(operations.length * 4);
});

test("a schema that refers to itself is moved to where the document can refer to it", () => {
  const tree: z.ZodType = z.object({
    value: z.number(),
    get children() {
      return z.array(tree);
    },
  });
  const built = buildOpenApi(
    [
      {
        method: "post",
        path: "/tree",
        summary: "",
        body: z.object({ root: tree }),
        responses: { 200: tree },
        handle: async () => new Response(),
      },
    ],
    ["m"],
  );
  const own = new Ajv2020({ strict: false }).addSchema({ ...built, $id: "document" });
  for (const place of [
    ["requestBody", "content", "application/json", "schema"],
    ["responses", "200", "content", "application/json", "schema"],
  ]) {
    const valid = own.compile({ $ref: pointer("paths", "/tree", "post", ...place) });
    const wrap = (node: unknown) => (place[0] === "requestBody" ? { root: node } : node);
    expect(valid(wrap({ value: 1, children: [{ value: 2, children: [] }] }))).toBe(true);
    expect(valid(wrap({ value: 1, children: [{ value: "2", children: [] }] }))).toBe(false);
  }
});

test("answers are as it says: data, errors of each kind, health", async () => {
  const { url } = await start();
  const json = { "content-type": "application/json" };
  const asked: [string, string, RequestInit, number][] = [
    ["/models", "/models", {}, 200],
    ["/models/{id}", "/models/plainformer", {}, 200],
    ["/models/{id}", "/models/none", {}, 404],
    ["/user/balance", "/user/balance", {}, 200],
    ["/health", "/health", {}, 200],
    ["/openapi.json", "/openapi.json", {}, 200],
    ["/completions", "/completions", { method: "POST", headers: json, body: "{" }, 400],
    ["/completions", "/completions", { method: "POST", headers: json, body: '{"model":"x","prompt":"a"}' }, 400],
    [
      "/completions",
      "/completions",
      { method: "POST", headers: json, body: '{"model":"plainformer","prompt":"a","stream_options":3}' },
      422,
    ],
    ["/completions", "/completions", { method: "POST", body: "a" }, 415],
    [
      "/completions",
      "/completions",
      { method: "POST", headers: json, body: '{"model":"plainformer","prompt":"a","max_tokens":2}' },
      200,
    ],
  ];
  for (const [path, route, init, status] of asked) {
    const response = await fetch(url + route, init);
    expect([route, response.status]).toEqual([route, status]);
    const method = (init.method ?? "get").toLowerCase();
    const valid = ajv.compile({
      $ref: pointer("paths", path, method, "responses", String(status), "content", "application/json", "schema"),
    });
    valid(await response.json());
    expect([route, valid.errors]).toEqual([route, null]);
  }
});
