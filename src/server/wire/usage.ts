// What a request cost, as the wire says it. A virtual token counts as a token; prompt_tokens = hits + misses.

import { z } from "zod";
import type { Usage } from "../../engine/generate.ts";

export const usageSchema = z.object({
  prompt_tokens: z.int(),
  prompt_cache_hit_tokens: z.int(),
  prompt_cache_miss_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  prompt_tokens_details: z.object({ cached_tokens: z.int(), embed_tokens: z.int() }),
  completion_tokens_details: z.object({ reasoning_tokens: z.int() }),
});

export type WireUsage = z.infer<typeof usageSchema>;

/** Usage on the wire; `reasoning` counts the completion's tokens that were thought, not said. */
export function wireUsage(usage: Usage, reasoning = 0): WireUsage {
  const { promptTokens, cachedTokens, embedTokens, completionTokens } = usage;
  return {
    prompt_tokens: promptTokens,
    prompt_cache_hit_tokens: cachedTokens,
    prompt_cache_miss_tokens: promptTokens - cachedTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens, embed_tokens: embedTokens },
    completion_tokens_details: { reasoning_tokens: reasoning },
  };
}
