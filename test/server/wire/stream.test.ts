// Server-sent events: comments while nothing comes, errors before and within a stream, and the end when a client goes.

import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { ApiError } from "../../../src/server/errors.ts";
import { eventStream } from "../../../src/server/wire/stream.ts";

const call = { stream: () => ({ settled: async () => {}, finish() {}, left() {} }) };

async function* slowly(pauses: number[], error?: Error): AsyncGenerator<object> {
  for (const [i, pause] of pauses.entries()) {
    await sleep(pause);
    yield { i };
  }
  if (error) throw error;
}

test("comments come while nothing else does, before the first event and between events", async () => {
  const text = await (await eventStream(slowly([300, 0, 300]), call, () => {}, 50)).text();
  expect(text).toMatch(
    /^(: keep-alive\n\n)+data: \{"i":0\}\n\ndata: \{"i":1\}\n\n(: keep-alive\n\n)+data: \{"i":2\}\n\ndata: \[DONE\]\n\n$/,
  );
});

test("what fails before the first event has a status of its own", async () => {
  const refusal = new ApiError(400, "no", { param: "x" });
  await expect(eventStream(slowly([], refusal), call, () => {}, 30)).rejects.toBe(refusal);
});

test("what fails later is the last event, and there is no [DONE]", async () => {
  const text = await (
    await eventStream(slowly([0], new ApiError(503, "over", { param: "x" })), call, () => {}, 30)
  ).text();
  const events = text.split("\n\n").filter(Boolean);
  expect(events).toHaveLength(2);
  expect(JSON.parse(events[1].slice(6))).toEqual({
    error: { message: "over", type: "server_error", param: "x", code: "invalid_request_error" },
  });
  const secret = await (await eventStream(slowly([0], new Error("/home/someone")), call, () => {}, 30)).text();
  expect(secret).not.toContain("someone");
});

test("a client that goes ends the events", async () => {
  let ended = false;
  let left = false;
  async function* endless(): AsyncGenerator<object> {
    try {
      for (let i = 0; ; i++) yield { i };
    } finally {
      ended = true;
    }
  }
  const response = await eventStream(endless(), call, () => {
    left = true;
  });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  await reader.read();
  await reader.cancel();
  expect({ ended, left }).toEqual({ ended: true, left: true });
});
