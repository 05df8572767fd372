// A server for a test: the app on a port of its own with the model that ships, stopped after the file's tests.

import { expect } from "vitest";
import { load } from "../../src/plainformer.ts";
import type { ServedModel } from "../../src/served-model.ts";
import { type App, type AppOptions, createApp } from "../../src/server/app.ts";
import { formatsOf } from "../../src/server/formats.ts";
import { limitsOf } from "../../src/server/limits.ts";
import { deepSeekNames } from "../../src/server/model-id.ts";
import type { Service } from "../../src/server/operation.ts";
import { type ListenOptions, listen } from "../../src/server/serve.ts";
import { afterEachFile } from "../after-file.ts";

export interface Started {
  /** http://127.0.0.1:port */
  url: string;
  app: App;
  served: ServedModel;
  stop(drainSeconds?: number): Promise<void>;
}

let model: Promise<ServedModel> | undefined;

/** The model that ships, loaded once per test file. */
export function servedModel(): Promise<ServedModel> {
  model ??= load();
  return model;
}

const running = new Set<() => Promise<void>>();

afterEachFile(async () => {
  await Promise.all([...running].map((stop) => stop()));
  await (await model)?.close();
  model = undefined;
});

/** Starts a server; `service` and `options` replace what the default is. */
export async function start(
  options: AppOptions = {},
  service: Partial<Service> = {},
  address: Partial<ListenOptions> = {},
): Promise<Started> {
  const served = service.served ?? (await servedModel());
  const app = createApp(
    {
      served,
      modelId: "plainformer",
      aliases: deepSeekNames,
      ...formatsOf(served, (problem) => {
        throw new Error(problem);
      }),
      limits: limitsOf(served.config),
      created: Math.floor(Date.now() / 1000),
      ...service,
    },
    options,
  );
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
