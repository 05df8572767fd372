// All routes of the server.

import type { Operation } from "./operation.ts";
import { balance } from "./routes/balance.ts";
import { chatCompletions } from "./routes/chat-completions.ts";
import { completions } from "./routes/completions.ts";
import { completionsFromEmbeds } from "./routes/completions-from-embeds.ts";
import { gradients } from "./routes/gradients.ts";
import { health } from "./routes/health.ts";
import { metrics } from "./routes/metrics.ts";
import { model, models } from "./routes/models.ts";
import { openApi } from "./routes/openapi.ts";
import { score } from "./routes/score.ts";
import { deleteSoftPrompt, getSoftPrompt, listSoftPrompts, putSoftPrompt } from "./routes/soft-prompts.ts";
import { tokenEmbeddings } from "./routes/token-embeddings.ts";

export const operations: readonly Operation[] = [
  chatCompletions,
  completions,
  completionsFromEmbeds,
  tokenEmbeddings,
  score,
  gradients,
  listSoftPrompts,
  getSoftPrompt,
  putSoftPrompt,
  deleteSoftPrompt,
  models,
  model,
  balance,
  health,
  metrics,
  openApi,
];
