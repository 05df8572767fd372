// A program of the project as a child process, for tests that read what it prints and end it by signals.

import { spawn } from "node:child_process";
import { afterEachFile } from "../after-file.ts";

export interface Child {
  /** Waits for the first line on standard output that matches, and gives the match. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
  kill(signal: NodeJS.Signals): void;
  /** Closes this side of what it writes to: nobody reads it any more. */
  stopReading(): void;
  /** What it has written to standard error so far. */
  errors(): string;
  readonly ended: Promise<{ code: number | null; signal: string | null; stdout: string; stderr: string }>;
}

const running = new Set<Child>();

afterEachFile(async () => {
  for (const child of running) child.kill("SIGKILL");
  await Promise.all([...running].map(({ ended }) => ended));
});

/** Starts a TypeScript file by tsx, or a JavaScript one; `limits` are commands of the shell that its process begins with. */
export function child(
  file: URL,
  args: readonly string[],
  env: Record<string, string> = {},
  limits: string = "true",
): Child {
  const tsx = file.pathname.endsWith(".ts") ? ["--import", "tsx"] : [];
  const command = [process.execPath, ...tsx, file.pathname, ...args];
  const process_ = spawn("sh", ["-c", `${limits}; exec "$0" "$@"`, ...command], { env: { ...process.env, ...env } });
  let stdout = "";
  let stderr = "";
  process_.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const waiting = new Set<() => void>();
  process_.stdout.on("data", (chunk) => {
    stdout += chunk;
    for (const look of waiting) look();
  });
  const ended = new Promise<Awaited<Child["ended"]>>((resolve) => {
    process_.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  const started: Child = {
    line: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const match = pattern.exec(stdout);
          if (match) resolve(match);
        };
        waiting.add(look);
        look();
        ended.then(() => reject(new Error(`it ended before it printed ${pattern}:\n${stdout}${stderr}`)));
      }),
    kill: (signal) => process_.kill(signal),
    stopReading() {
      process_.stdout.destroy();
      process_.stderr.destroy();
    },
    errors: () => stderr,
    ended,
  };
  running.add(started);
  ended.then(() => running.delete(started));
  return started;
}
