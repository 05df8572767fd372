// The command line without a process of its own: what a command prints, and the exit code that it leaves.

import { spawn } from "node:child_process";
import { Readable } from "node:stream";
import { vi } from "vitest";
import { run } from "../../src/cli/program.ts";
import { program } from "../program.ts";

export interface Outcome {
  code: number;
  out: string;
  err: string;
}

let last: Promise<unknown> = Promise.resolve();

/**
 * Runs one command with `args`, `input` on its standard input; one after another, since they share the process's streams.
 * `onOut` hears what was printed so far.
 */
export function runHere(
  args: readonly string[],
  input = "",
  onOut: (out: string) => void = () => {},
): Promise<Outcome> {
  const outcome = last.then(() => runNow(args, input, onOut));
  last = outcome.catch(() => {});
  return outcome;
}

async function runNow(args: readonly string[], input: string, onOut: (out: string) => void): Promise<Outcome> {
  const outcome: Outcome = { code: 0, out: "", err: "" };
  const out = (text: unknown) => {
    outcome.out += text;
    onOut(outcome.out);
    return true;
  };
  const err = (text: unknown) => {
    outcome.err += text;
    return true;
  };
  const stdin = Object.getOwnPropertyDescriptor(process, "stdin") as PropertyDescriptor;
  const before = process.exitCode;
  const spies = [
    vi.spyOn(process.stdout, "write").mockImplementation(out),
    vi.spyOn(process.stderr, "write").mockImplementation(err),
    vi.spyOn(console, "log").mockImplementation((text = "") => void out(`${text}\n`)),
    vi.spyOn(console, "error").mockImplementation((text = "") => void err(`${text}\n`)),
  ];
  Object.defineProperty(process, "stdin", { value: Readable.from([Buffer.from(input)]), configurable: true });
  process.exitCode = 0;
  try {
    await run(args);
    outcome.code = Number(process.exitCode);
  } finally {
    process.exitCode = before;
    Object.defineProperty(process, "stdin", stdin);
    for (const spy of spies) spy.mockRestore();
  }
  return outcome;
}

/** The same in a process of its own: the built program, as its users start it. */
export function runAlone(args: readonly string[], input = ""): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args]);
    let out = "";
    let err = "";
    child.stdout.on("data", (text) => (out += text));
    child.stderr.on("data", (text) => (err += text));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? -1, out, err }));
    child.stdin.end(input);
  });
}
