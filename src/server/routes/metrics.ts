// GET /metrics: counters for Prometheus, as text.

import { z } from "zod";
import type { Server } from "../app.ts";
import type { Operation } from "../operation.ts";

export const metrics: Operation = {
  method: "get",
  path: "/metrics",
  summary: "Counters in Prometheus' text form",
  responses: { 200: z.string() },
  type: "text/plain",
  async handle(service) {
    const { body, type } = await (service as Server).metrics.text();
    return new Response(body, { headers: { "content-type": type } });
  },
};
