// GET /openapi.json: this server described by its own schemas.

import { z } from "zod";
import type { Operation } from "../operation.ts";

export const openApi: Operation = {
  method: "get",
  path: "/openapi.json",
  summary: "This description (OpenAPI 3.1)",
  responses: { 200: z.record(z.string(), z.unknown()) },
  async handle(context) {
    return Response.json(context.openApi);
  },
};
