// Counters of the server in Prometheus' text form. The model's counters are asked for when somebody looks.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { GenerateEvent, Usage } from "../engine/generate.ts";
import type { ServedModel } from "../served-model.ts";
import type { InFlight } from "./in-flight.ts";

export interface Metrics {
  request(route: string, method: string, status: number, seconds: number): void;
  usage(usage: Usage): void;
  /** Sees the events of a generation that begins now: the time to its first token, which `onFirst` hears, and between tokens. */
  tokenClock(onFirst: (seconds: number) => void): (event: GenerateEvent) => void;
  /** The text, and its content type. */
  text(): Promise<{ body: string; type: string }>;
}

export function createMetrics(model: Pick<ServedModel, "load">, inFlight: () => InFlight): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, prefix: "plainformer_" });
  const named = (name: string, help: string) => ({ name: `plainformer_${name}`, help, registers });

  const requests = new Counter({
    ...named("http_requests_total", "Requests answered"),
    labelNames: ["route", "method", "status"] as const,
  });
  const seconds = new Histogram({
    ...named("http_request_seconds", "From a request's headers to the end of its answer"),
    labelNames: ["route"] as const,
    buckets: [0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300],
  });
  const tokens = new Counter({
    ...named("tokens_total", "Rows of prompts (cached: taken from the prefix cache) and generated tokens"),
    labelNames: ["kind"] as const,
  });
  const first = new Histogram({
    ...named("first_token_seconds", "From a generation's start to its first token"),
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  });
  const between = new Histogram({
    ...named("inter_token_seconds", "From one token to the next"),
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
  });
  const open = new Gauge({
    ...named("requests_in_flight", "Requests whose answer is not complete; waiting: that have had no token yet"),
    labelNames: ["state"] as const,
    collect() {
      const { count, waiting } = inFlight();
      open.set({ state: "all" }, count);
      open.set({ state: "waiting" }, waiting);
    },
  });
  const sequences = new Gauge({
    ...named("sequences", "Sequences of the engine"),
    labelNames: ["state"] as const,
    async collect() {
      const { running, waiting } = await model.load();
      sequences.set({ state: "running" }, running);
      sequences.set({ state: "waiting" }, waiting);
    },
  });
  const pages = new Gauge({
    ...named("cache_pages", "Pages of the key/value cache, 64 tokens each"),
    labelNames: ["state"] as const,
    async collect() {
      const load = await model.load();
      pages.set({ state: "all" }, load.pages);
      pages.set({ state: "free" }, load.freePages);
      pages.set({ state: "cached" }, load.cachedPages);
    },
  });
  const steps = new Gauge({
    ...named("engine_steps", "Steps that the engine has computed"),
    async collect() {
      steps.set((await model.load()).steps);
    },
  });

  return {
    request(route, method, status, duration) {
      requests.inc({ route, method, status });
      seconds.observe({ route }, duration);
    },
    usage({ promptTokens, cachedTokens, completionTokens }) {
      tokens.inc({ kind: "prompt" }, promptTokens);
      tokens.inc({ kind: "cached" }, cachedTokens);
      tokens.inc({ kind: "completion" }, completionTokens);
    },
    tokenClock(onFirst) {
      let before = performance.now();
      let any = false;
      return ({ type }) => {
        if (type !== "token") return;
        const now = performance.now();
        const duration = (now - before) / 1000;
        before = now;
        if (any) between.observe(duration);
        else {
          first.observe(duration);
          onFirst(duration);
        }
        any = true;
      };
    },
    text: async () => ({ body: await registry.metrics(), type: registry.contentType }),
  };
}
