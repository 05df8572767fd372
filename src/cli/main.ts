#!/usr/bin/env node
// The command line as a process; program.ts is what it runs.

import { watchOutput } from "./output.ts";
import { run } from "./program.ts";

watchOutput();
await run(process.argv.slice(2));
