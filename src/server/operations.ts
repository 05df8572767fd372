// All routes of the server.

import type { Operation } from "./operation.ts";
import { balance } from "./routes/balance.ts";
import { health } from "./routes/health.ts";
import { metrics } from "./routes/metrics.ts";
import { model, models } from "./routes/models.ts";
import { openApi } from "./routes/openapi.ts";

export const operations: readonly Operation[] = [models, model, balance, health, metrics, openApi];
