// The command line as tests start it: the built program, which starts three times as fast as its source under tsx.

import { fileURLToPath } from "node:url";

/** Its file in dist/, which build.ts keeps as new as the source. */
export const program = fileURLToPath(new URL("../dist/src/cli/main.js", import.meta.url));
