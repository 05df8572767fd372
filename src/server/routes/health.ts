// GET /health: whether the server takes requests. It never waits for the model: while a step of the model takes longer than
// that, the counters are those of before, and `load_age_ms` says how old.

import { z } from "zod";
import type { Operation } from "../operation.ts";
import { wireNames } from "../wire-names.ts";

export const health: Operation = {
  method: "get",
  path: "/health",
  summary: "Whether the server takes requests, and how much it has to do",
  open: true,
  responses: {
    200: z.object({
      status: z.enum(["ok", "stopping"]),
      model: z.string(),
      uptime_seconds: z.number(),
      load: z.record(z.string(), z.number()).nullable(),
      load_age_ms: z.number().nullable(),
    }),
    503: z.unknown(),
  },
  async handle(context) {
    const { modelId, created, draining, counters } = context;
    const known = await counters();
    return Response.json(
      {
        status: draining() ? "stopping" : "ok",
        model: modelId,
        uptime_seconds: Math.round(Date.now() / 1000 - created),
        load: known ? wireNames({ ...known.load }) : null,
        load_age_ms: known ? Math.round(known.ageMs) : null,
      },
      { status: draining() ? 503 : 200 },
    );
  },
};
