// Names of functions and schemas, as DeepSeek and OpenAI have them.

import { z } from "zod";

export const functionName = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
