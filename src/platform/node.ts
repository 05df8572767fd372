// The platform where there are Node's modules: Node itself, Deno, Bun.

import type { Platform } from "./platform.ts";

export const yieldToHost: Platform["yieldToHost"] = () => new Promise((resolve) => setImmediate(resolve));
