// Bodies as they arrive: nst/JSONTestSuite sent over HTTP, sizes, types, encodings, depth.

import { readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { Operation } from "../../src/server/operation.ts";
import { cpuClock } from "../cpu-time.ts";
import { jsonTestSuite } from "../outside-data.ts";
import { errorOf, type Started, start } from "./start.ts";

/** Answers with the body that it got. */
const echo: Operation = {
  method: "post",
  path: "/echo",
  summary: "Echo",
  body: z.unknown(),
  responses: { 200: z.unknown() },
  handle: async (_, body) => Response.json(body ?? null),
};

let server: Promise<Started> | undefined;

function started(): Promise<Started> {
  server ??= start({ operations: [echo], limits: { maxBodyBytes: 300_000 } });
  return server;
}

async function send(body: string | Buffer, headers: Record<string, string> = { "content-type": "application/json" }) {
  const { url } = await started();
  return fetch(`${url}/echo`, { method: "POST", body, headers });
}

async function post(body: string | Buffer, headers?: Record<string, string>) {
  const response = await send(body, headers);
  return { status: response.status, json: await response.json() };
}

async function refusal(body: string | Buffer, headers?: Record<string, string>): Promise<string> {
  const response = await send(body, headers);
  return `${response.status} ${(await errorOf(response)).message}`;
}

describe.skipIf(jsonTestSuite.missing)(
  `JSONTestSuite${jsonTestSuite.missing ? ` (${jsonTestSuite.missing})` : ""}`,
  () => {
    const files = (kind: string) =>
      jsonTestSuite.missing ? [] : readdirSync(jsonTestSuite.directory).filter((name) => name.startsWith(kind));
    const bytes = (name: string) => readFileSync(join(jsonTestSuite.directory, name));

    test("each of the 188 n_ files is a 400", async () => {
      const names = files("n_");
      expect(names).toHaveLength(188);
      for (const name of names) {
        const text = await refusal(bytes(name));
        expect(text, name).toMatch(/^400 Failed to parse the request body as JSON: /);
      }
    });

    test("each y_ file comes back as JSON.parse reads it", async () => {
      const names = files("y_");
      expect(names.length).toBeGreaterThan(90);
      for (const name of names) {
        const { status, json } = await post(bytes(name));
        const expected = JSON.stringify(JSON.parse(bytes(name).toString("utf8"))); // -0 is written as 0
        expect([status, JSON.stringify(json)], name).toEqual([200, expected]);
      }
    });

    test("no i_ file is a 500", async () => {
      for (const name of files("i_")) expect([200, 400], name).toContain((await post(bytes(name))).status);
    });
  },
);

test.each([
  ["", "expected a value, got the end at line 1 column 1"],
  ['{"a":1,}', 'expected a string as key, got "}" at line 1 column 8'],
  ['{"a":[1,2,],\n"b":2}', 'expected a value, got "]" at line 1 column 11'],
  ['{"a":1\n "b":2}', 'expected "," or "}", got "\\"" at line 2 column 2'],
  ["{'a':1}", 'expected a string as key, or "}", got "\'" at line 1 column 2'],
  ['{"a":NaN}', 'expected a value, got "N" at line 1 column 6'],
  ['{"a":01}', 'expected "," or "}", got "1" at line 1 column 7'],
  ['{"a":"b', "a string that does not end at line 1 column 6"],
  ['{"a":"\\x"}', "bad escape in a string at line 1 column 7"],
  ['{"a":"\n"}', "control character in a string at line 1 column 7"],
  ['{"a":1} {"b":2}', 'expected the end of the text, got "{" at line 1 column 9'],
  ['\uFEFF{"a":1}', 'expected a value, got "\uFEFF" at line 1 column 1'],
])("%j: 400 with the place", async (body, message) => {
  expect(await refusal(Buffer.from(body))).toBe(`400 Failed to parse the request body as JSON: ${message}`);
});

test("a number beyond a double is refused by its place", async () => {
  const response = await send('{"a":[{"b":1},{"b":-1e999}]}');
  expect(response.status).toBe(400);
  expect(await errorOf(response)).toMatchObject({
    message: "a[1].b: got a number too large for a double, expected a finite number",
    param: "a[1].b",
  });
});

test("invalid UTF-8 is refused; NUL and lone surrogates in strings are text", async () => {
  expect(await refusal(Buffer.from([0x22, 0xff, 0x22]))).toContain("it is not valid UTF-8");
  expect((await post('"a\\u0000b"')).json).toBe("a\0b");
  expect((await post('"\\ud800"')).json).toBe("\ud800");
});

test("duplicate keys: the last counts", async () => {
  expect((await post('{"a":1,"a":2}')).json).toEqual({ a: 2 });
});

test("depth 64 is read, 65 is not, and 100,000 end at once", async () => {
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  expect((await post(nested(64))).status).toBe(200);
  expect(await refusal(nested(65))).toContain("nested deeper than 64 at line 1 column 65");
  const elapsed = cpuClock();
  expect(await refusal("[".repeat(100_000))).toContain("nested deeper than 64");
  expect(elapsed()).toBeLessThan(1000);
  expect((await post(`"${"[".repeat(100)}\\"["`)).status).toBe(200); // brackets in strings nest nothing
});

test("more values than allowed: 413, in any form", async () => {
  const { url } = await start({ operations: [echo], limits: { maxBodyValues: 1000 } });
  const status = async (body: string) =>
    (await fetch(`${url}/echo`, { method: "POST", headers: { "content-type": "application/json" }, body })).status;
  const list = (count: number, element: string) => `[${Array(count).fill(element).join(",")}]`;
  const object = (count: number) => `{${Array.from({ length: count }, (_, i) => `"${i}":1`).join(",")}}`;
  for (const body of [list(983, "1"), list(54, "[]"), list(54, "{}"), object(107)])
    expect(await status(body)).toBe(200);
  for (const body of [list(985, "1"), list(60, "[]"), list(60, "{}"), object(112), ",".repeat(1000)])
    expect(await status(body)).toBe(413);
  expect(await status(JSON.stringify(",[".repeat(2000)))).toBe(200);
});

test("more bytes than allowed: 413, announced or not, before all are read", async () => {
  expect(await refusal(JSON.stringify("x".repeat(300_000)))).toMatch(/^413 .* larger than 300000 bytes/);
  const { url } = await started();
  let sent = 0;
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const sender = request(`${url}/echo`, { method: "POST", headers: { "content-type": "application/json" } });
    const timer = setInterval(() => {
      sender.write("x".repeat(50_000)); // chunked: no length announced, and no end
      sent += 50_000;
    }, 5);
    sender.on("response", (response) => {
      clearInterval(timer);
      resolve(response.statusCode);
      sender.destroy();
    });
    sender.on("error", reject);
  });
  expect(status).toBe(413);
  expect(sent).toBeLessThan(2_000_000);
});

test.each<[Record<string, string>, string]>([
  [{ "content-type": "text/plain" }, '415 content-type: got "text/plain", expected application/json'],
  [{ "content-type": "application/x-www-form-urlencoded" }, "415 content-type"],
  [{ "content-type": "" }, "415 content-type: got none, expected application/json"],
  [{ "content-type": "application/json; charset=utf-16" }, "415 content-type: got charset=utf-16, expected UTF-8"],
  [{ "content-type": "application/json", "content-encoding": "gzip" }, '415 content-encoding: got "gzip"'],
])("%j is refused", async (headers, message) => {
  expect(await refusal(Buffer.from("{}"), headers)).toContain(message);
});

test("application/json with parameters is read", async () => {
  expect((await post("{}", { "content-type": 'Application/JSON; charset="UTF-8"' })).status).toBe(200);
});
