// Keys, rates and concurrency.

import { request } from "node:http";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { keysOf, readKeys } from "../../src/server/access.ts";
import type { Operation } from "../../src/server/operation.ts";
import { operations } from "../../src/server/operations.ts";
import { createRates } from "../../src/server/rates.ts";
import { errorOf, start } from "./start.ts";

const keys = keysOf("sk-alice-0001\nsk-bob-00002\n", "keys");

describe("a list of keys", () => {
  test("one a line, comments and amounts beside", () => {
    const list = keysOf("# who\nsk-alice-0001 12.5 # Alice\r\n\nsk-bob-00002\n", "keys");
    expect(list.map(({ paidIn }) => paidIn)).toEqual([12_500_000, undefined]);
    expect(list[0].tenant).toBe("ccaebe50b8f1a22c"); // sha256sum
    expect(JSON.stringify(list)).not.toContain("alice");
  });

  test.each([
    ["", "keys: it has no keys, expected at least one"],
    ["short", "keys, line 1: expected a key of 8 to 512 printable ASCII characters"],
    ["\nsk-älice-0001", "keys, line 2: expected a key of 8 to 512 printable ASCII characters"],
    ["sk-alice-0001 -3", 'keys, line 1: got the amount "-3", expected a number with at most six decimals'],
    ["sk-alice-0001 1 2", 'keys, line 1: expected "KEY" or "KEY AMOUNT"'],
    ["sk-alice-0001\nsk-alice-0001 1", "keys, line 2: this key stands here already"],
  ])("%j is refused", (text, message) => {
    expect(() => keysOf(text, "keys")).toThrow(message);
  });

  test("a file that cannot be read is one sentence", async () => {
    await expect(readKeys("/nowhere")).rejects.toThrow("API keys: cannot read /nowhere (ENOENT)");
  });
});

test("without keys, a name that is not this machine's is refused, whatever address it has", async () => {
  const { url } = await start({ localNamesOnly: true });
  const statusOf = (host: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      const sent = request(`${url}/models`, { headers: { host } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      sent.on("error", reject).end();
    });
  for (const host of ["localhost", "localhost:8080", "127.0.0.1", "127.3.2.1:1", "[::1]:8080"])
    expect([host, await statusOf(host)]).toEqual([host, 200]);
  for (const host of ["evil.example", "localhost.evil.example:80", "192.168.0.7", "127.0.0.1.evil.example"])
    expect([host, await statusOf(host)]).toEqual([host, 403]);
});

test("names that are allowed besides are taken; the refusal says how, and names who called", async () => {
  const { url } = await start({ localNamesOnly: true, allowedHosts: ["Host.docker.internal", "10.0.0.7"] });
  const asked = (host: string) =>
    new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
      const sent = request(`${url}/models`, { headers: { host } }, async (response) => {
        let text = "";
        for await (const part of response) text += part;
        resolve({ status: response.statusCode, text });
      });
      sent.on("error", reject).end();
    });
  for (const host of ["localhost", "host.docker.internal:8000", "HOST.docker.internal", "10.0.0.7"])
    expect([host, (await asked(host)).status]).toEqual([host, 200]);
  const { status, text } = await asked("evil.example:80");
  expect(status).toBe(403);
  const { error } = JSON.parse(text) as { error: { message: string } };
  expect(error.message).toBe(
    'Host "evil.example" is not this machine, expected localhost, host.docker.internal, 10.0.0.7: without API keys, other names need --allowed-host evil.example; pages of other origins need --cors besides',
  );
  for (const name of ["", "a:80", "http://a", "a/b", "a b", "*", 5])
    await expect(start({ localNamesOnly: true, allowedHosts: [name as string] })).rejects.toThrow(
      "allowedHosts[0]: got ",
    );
});

describe("with keys", () => {
  test("every route but /health needs one, under every prefix, unknown routes too", async () => {
    const { url } = await start({ keys });
    for (const prefix of ["", "/v1", "/beta"]) {
      for (const { method, path } of operations) {
        const { status } = await fetch(url + prefix + path, { method });
        expect([path, status]).toEqual([path, path === "/health" ? 200 : 401]);
      }
      expect((await fetch(`${url}${prefix}/nowhere`)).status).toBe(401);
      expect((await fetch(`${url}${prefix}/models`, { method: "DELETE" })).status).toBe(401);
    }
  });

  test.each([
    [undefined, "Authentication Fails (auth header format should be Bearer sk-...)"],
    ["sk-alice-0001", "Authentication Fails (auth header format should be Bearer sk-...)"],
    ["Basic c2stYWxpY2U=", "Authentication Fails (auth header format should be Bearer sk-...)"],
    ["Bearer ", "Authentication Fails (auth header format should be Bearer sk-...)"],
    ["Bearer sk-alice-0002", "Authentication Fails, Your api key: ****0002 is invalid"],
    ["Bearer sk-alice-000", "Authentication Fails, Your api key: ****-000 is invalid"],
    ["Bearer abc", "Authentication Fails, Your api key: **** is invalid"],
  ])("%j: 401 as DeepSeek says it", async (authorization, message) => {
    const { url } = await start({ keys });
    const response = await fetch(`${url}/models`, { headers: authorization ? { authorization } : {} });
    expect(response.status).toBe(401);
    expect(await errorOf(response)).toMatchObject({ message, type: "authentication_error", param: null });
  });

  test("the key's call carries its hash as tenant", async () => {
    const tell: Operation = {
      method: "get",
      path: "/tell",
      summary: "",
      responses: { 200: z.unknown() },
      handle: async (_, __, call) => Response.json(call.tenant ?? null),
    };
    const { url } = await start({ keys, operations: [tell] });
    const response = await fetch(`${url}/tell`, { headers: { authorization: "bearer sk-bob-00002" } });
    expect(await response.json()).toBe(keys[1].tenant);
  });
});

describe("rates", () => {
  test("a burst, then a request each time one's share has come; another key is free", () => {
    let now = 0;
    const rates = createRates({ perMinute: 6, concurrent: 0 }, () => now);
    const enter = (key = "a") => {
      try {
        rates.enter(key)();
        return "in";
      } catch (error) {
        return (error as { options: { retryAfter: number } }).options.retryAfter;
      }
    };
    expect(Array.from({ length: 8 }, () => enter())).toEqual(["in", "in", "in", "in", "in", "in", 10, 10]);
    expect(enter("b")).toBe("in");
    now = 4_000;
    expect(enter()).toBe(6);
    now = 10_000;
    expect([enter(), enter()]).toEqual(["in", 10]);
    now = 1e9;
    expect(Array.from({ length: 7 }, () => enter())).toEqual(["in", "in", "in", "in", "in", "in", 10]); // no more than a burst is saved up
  });

  test("leaving twice makes no room for two", () => {
    const rates = createRates({ perMinute: 0, concurrent: 1 });
    const leave = rates.enter("a");
    leave();
    leave();
    rates.enter("a");
    expect(() => rates.enter("a")).toThrow("this key may have 1");
  });

  test("requests at once: exactly the overflow is a 429 with Retry-After, and room comes back", async () => {
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const wait: Operation = {
      method: "get",
      path: "/wait",
      summary: "",
      responses: { 200: z.unknown() },
      handle: async () => gate.then(() => Response.json({})),
    };
    const { url } = await start({ keys, operations: [wait], rates: { perMinute: 0, concurrent: 3 } });
    const headers = { authorization: "Bearer sk-alice-0001" };
    const get = async () => {
      const response = await fetch(`${url}/wait`, { headers });
      return `${response.status} ${response.headers.get("retry-after")}`;
    };
    const answers = Array.from({ length: 8 }, get);
    expect(await Promise.race(answers)).toBe("429 1");
    const other = fetch(`${url}/wait`, { headers: { authorization: "Bearer sk-bob-00002" } });
    setTimeout(open, 100);
    expect((await Promise.all(answers)).sort()).toEqual([...Array(3).fill("200 null"), ...Array(5).fill("429 1")]);
    expect((await other).status).toBe(200);
    expect(await get()).toBe("200 null");
  });
});
