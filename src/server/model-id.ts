// Which names the one loaded model answers to.

import { ApiError } from "./errors.ts";
import type { RouteContext } from "./operation.ts";

/** Names that clients of DeepSeek send: those of today, and those that were retired in 2026. */
export const deepSeekNames = [
  ...["deepseek-chat", "deepseek-coder", "deepseek-reasoner"],
  ...["deepseek-flash", "deepseek-v4-flash", "deepseek-v4-flash-vision-exp", "deepseek-v4-pro"],
];

export function isModel({ modelId, aliases }: Pick<RouteContext, "modelId" | "aliases">, name: string): boolean {
  return name === modelId || aliases.includes(name);
}

/** @throws ApiError 400 unless the name is absent or the model's. */
export function checkModel(context: RouteContext, name: unknown): void {
  if (name === undefined || name === null || (typeof name === "string" && isModel(context, name))) return;
  const names = [context.modelId, ...context.aliases].join(" or ");
  throw new ApiError(400, `The supported API model names are ${names}, but you passed ${String(name).slice(0, 100)}.`, {
    param: "model",
  });
}
