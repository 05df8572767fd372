// A server for a test: the app on a port of its own with the model that ships, stopped after the file's tests.

import { expect } from "vitest";
import { load } from "../../src/plainformer.ts";
import type { ServedModel } from "../../src/served-model.ts";
import { type App, type AppOptions, createApp } from "../../src/server/app.ts";
import { type ListenOptions, listen } from "../../src/server/serve.ts";
import { afterEachFile } from "../after-file.ts";

export interface Started {
  /** http://127.0.0.1:port */
  url: string;
  app: App;
  served: ServedModel;
  stop(drainSeconds?: number): Promise<void>;
}

let shipped: Promise<ServedModel> | undefined;

/** The model that ships, loaded once per test file. */
export function servedModel(): Promise<ServedModel> {
  shipped ??= load();
  return shipped;
}

const running = new Set<() => Promise<void>>();

afterEachFile(async () => {
  await Promise.all([...running].map((stop) => stop()));
  await (await shipped)?.close();
  shipped = undefined;
});

/** The server's options, and the model where it is not the one that ships. */
export interface StartOptions extends AppOptions {
  model?: ServedModel;
}

/** Starts a server. */
export async function start(
  { model, ...options }: StartOptions = {},
  address: Partial<ListenOptions> = {},
): Promise<Started> {
  const served = model ?? (await servedModel());
  const app = createApp(served, options);
  const listening = await listen(app, { host: "127.0.0.1", port: 0, ...address });
  const stop = (drainSeconds = 0) => {
    running.delete(stop);
    return listening.stop(drainSeconds);
  };
  running.add(stop);
  return { url: listening.url, app, served, stop };
}

/** The error in a response's body, whose form is checked. */
export async function errorOf(response: Response): Promise<{ message: string; type: string; param: string | null }> {
  const body = (await response.json()) as { error: { message: string; type: string; param: string | null } };
  expect(Object.keys(body)).toEqual(["error"]);
  expect(Object.keys(body.error)).toEqual(["message", "type", "param", "code"]);
  return body.error;
}
