// GET /metrics: counters for Prometheus, as text.

import { z } from "zod";
import type { Operation } from "../operation.ts";

export const metrics: Operation = {
  method: "get",
  path: "/metrics",
  summary: "Counters in Prometheus' text form",
  responses: { 200: z.string() },
  type: "text/plain",
  async handle(context) {
    const { body, type } = await context.metrics();
    return new Response(body, { headers: { "content-type": type } });
  },
};
