#!/usr/bin/env node
// The command line as a process; program.ts is what it runs.

import { run } from "./program.ts";

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0); // the reader has seen enough
  throw error;
});

await run(process.argv.slice(2));
