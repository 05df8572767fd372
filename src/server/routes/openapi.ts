// GET /openapi.json: this server described by its own schemas.

import { z } from "zod";
import type { Server } from "../app.ts";
import type { Operation } from "../operation.ts";

export const openApi: Operation = {
  method: "get",
  path: "/openapi.json",
  summary: "This description (OpenAPI 3.1)",
  responses: { 200: z.record(z.string(), z.unknown()) },
  async handle(service) {
    return Response.json((service as Server).openApi);
  },
};
