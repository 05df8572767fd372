// A server with the model that ships, chat and FIM included, and short ways to ask it.

import { expect } from "vitest";
import type { ServedModel } from "../../../src/served-model.ts";
import { type StartOptions, start } from "../start.ts";

/** Any JSON, to look into. */
// biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
export type Json = any;

export interface Refusal {
  status: number;
  message: string;
  param: string | null;
  code: string;
}

export interface Api {
  /** http://127.0.0.1:port */
  url: string;
  served: ServedModel;
  /** POSTs a body with model: plainformer; a string is sent as it is. */
  send(path: string, body: object | string, signal?: AbortSignal): Promise<Response>;
  /** The JSON of an answer that is a 200. */
  ask(path: string, body: object): Promise<Json>;
  /** The chunks of a stream, [DONE] left out, and its comments. */
  stream(path: string, body: object): Promise<{ chunks: Json[]; comments: string[]; done: boolean }>;
  /** The error of an answer that is a 4xx in the server's form. */
  refused(path: string, body: object | string): Promise<Refusal>;
}

export async function api(options: StartOptions = {}): Promise<Api> {
  const { url, served } = await start(options);
  const send: Api["send"] = (path, body, signal) =>
    fetch(url + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: typeof body === "string" ? body : JSON.stringify({ model: "plainformer", ...body }),
      signal,
    });
  return {
    url,
    served,
    send,
    async ask(path, body) {
      const response = await send(path, body);
      const text = await response.text();
      expect(response.status, text).toBe(200);
      return JSON.parse(text);
    },
    async stream(path, body) {
      const response = await send(path, { ...body, stream: true });
      const text = await response.text();
      expect(response.status, text).toBe(200);
      expect(response.headers.get("content-type")).toMatch("text/event-stream");
      const lines = text.split("\n\n").filter((line) => line !== "");
      const comments = lines.filter((line) => line.startsWith(":"));
      const data = lines.filter((line) => !line.startsWith(":")).map((line) => line.replace(/^data: /, ""));
      const done = data.at(-1) === "[DONE]";
      return { chunks: data.filter((line) => line !== "[DONE]").map((line) => JSON.parse(line)), comments, done };
    },
    async refused(path, body) {
      const response = await send(path, body);
      const text = await response.text();
      expect(response.status, text).toBeGreaterThanOrEqual(400);
      expect(response.status, text).toBeLessThan(500);
      const { error, ...rest } = JSON.parse(text);
      expect(Object.keys(rest)).toEqual([]);
      expect(error).toEqual({
        message: expect.any(String),
        type: expect.any(String),
        param: error.param === null ? null : expect.any(String),
        code: expect.stringMatching(/^(invalid_request_error|context_length_exceeded)$/),
      });
      return { status: response.status, message: error.message, param: error.param, code: error.code };
    },
  };
}
