// GET /health: whether the server takes requests, and what it has to do. What is in flight is counted here; the engine's
// counters (`load`) are asked for, but not waited for: while a step of the model takes longer than that, they are those of
// before, and `load_age_ms` says how old.

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
      status: z.enum(["ok", "stopping", "no_journal"]).describe("no_journal: paid requests are refused."),
      problem: z.string().nullable(),
      model: z.string(),
      uptime_seconds: z.number(),
      in_flight: z.int().describe("Requests whose answer is not complete."),
      oldest_seconds: z.number().describe("Since the oldest of them came."),
      waiting: z.int().describe("Those of them that have had no token yet."),
      longest_wait_seconds: z.number().describe("Since the oldest of these came."),
      load: z.record(z.string(), z.number()).nullable(),
      load_age_ms: z.number().nullable(),
    }),
    503: z.unknown(),
  },
  async handle(context) {
    const { modelId, created, draining, counters } = context;
    const problem = (await context.journalProblem()) ?? null;
    const known = await counters();
    const { count, oldestSeconds, waiting, longestWaitSeconds } = context.inFlight();
    return Response.json(
      {
        status: draining() ? "stopping" : problem === null ? "ok" : "no_journal",
        problem,
        model: modelId,
        uptime_seconds: Math.round(Date.now() / 1000 - created),
        in_flight: count,
        oldest_seconds: Number(oldestSeconds.toFixed(3)),
        waiting,
        longest_wait_seconds: Number(longestWaitSeconds.toFixed(3)),
        load: known ? wireNames({ ...known.load }) : null,
        load_age_ms: known ? Math.round(known.ageMs) : null,
      },
      { status: draining() || problem !== null ? 503 : 200 },
    );
  },
};
