// The lock of a file: one process at a time, and none that is gone, whatever became of its process id.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { addressOf, lockFile } from "../../src/server/process-lock.ts";
import { program } from "../program.ts";

let folder = "";
let path = "";
const started = new Set<ChildProcess>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "plainformer-lock-"));
});
beforeEach(() => {
  path = join(folder, `journal-${Math.random()}`);
});
afterAll(async () => {
  for (const child of started) child.kill("SIGKILL");
  await rm(folder, { recursive: true });
});

const module = new URL("../server/process-lock.js", pathToFileURL(program)).href;
const script = `
  const { lockFile } = await import(${JSON.stringify(module)});
  const lock = await lockFile(process.argv[1]);
  console.log(typeof lock === "function" ? "has it " + process.pid : "has it not");
  setInterval(() => {}, 1000);`;

/** A process that takes the lock and stays; what it says. `shell` starts it otherwise. */
async function holder(shell?: string): Promise<{ child: ChildProcess; said: string; pid: number }> {
  const args = [process.execPath, "--input-type=module", "-e", script, path];
  const child = spawn(shell ? "sh" : args[0], shell ? ["-c", shell, ...args] : args.slice(1));
  started.add(child);
  const said = await new Promise<string>((resolve, reject) => {
    child.stdout.once("data", (chunk) => resolve(String(chunk)));
    child.stderr.once("data", (chunk) => reject(new Error(String(chunk))));
  });
  return { child, said: said.replace(/ \d+/, "").trim(), pid: Number(/\d+/.exec(said)?.[0]) };
}

const ended = (child: ChildProcess) => new Promise((resolve) => child.once("close", resolve));

async function taken(): Promise<"taken" | { pid: number | undefined }> {
  const lock = await lockFile(path);
  if (typeof lock !== "function") return lock;
  await lock();
  return "taken";
}

test("one process at a time; given back, it leaves nothing", async () => {
  const lock = await lockFile(path);
  expect(await lockFile(path)).toEqual({ pid: process.pid });
  expect((await holder()).said).toBe("has it not");
  if (typeof lock === "function") await lock();
  expect(existsSync(addressOf(path))).toBe(false);
  expect(await taken()).toBe("taken");
});

test("who has it is named, and has it no more when its process is killed", async () => {
  const { child, pid } = await holder();
  expect(await taken()).toEqual({ pid });
  child.kill("SIGKILL");
  await ended(child);
  expect(existsSync(addressOf(path))).toBe(true);
  expect(await taken()).toBe("taken");
});

test("a process that is stopped has it still, and cannot say who it is", async () => {
  const { child } = await holder();
  child.kill("SIGSTOP");
  expect(await taken()).toEqual({ pid: undefined });
});

test("a zombie has nothing: its parent never asked how it ended", async () => {
  const { child, pid } = await holder('"$0" "$@" & exec sleep 60');
  process.kill(pid, "SIGKILL");
  const stateOf = () => execFileSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" }).trim();
  while (!stateOf().startsWith("Z")) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(process.kill(pid, 0)).toBe(true); // so much for asking whether a process is there
  expect(await taken()).toBe("taken");
  child.kill("SIGKILL");
});

test("a file with the id of a process that runs, as an id given out again would be, is no lock", async () => {
  await writeFile(addressOf(path), String(process.ppid));
  expect(await taken()).toBe("taken");
});

test("of several that find the lock of one that is gone, one gets it", async () => {
  const { child } = await holder();
  child.kill("SIGKILL");
  await ended(child);
  const all = await Promise.all(Array.from({ length: 4 }, () => holder()));
  expect(all.map(({ said }) => said).toSorted()).toEqual(["has it", "has it not", "has it not", "has it not"]);
});

describe("where it is", () => {
  test("beside the file, or where temporary files are when that is too long for a socket", async () => {
    expect(addressOf("/data/journal")).toBe("/data/journal.lock");
    path = join(folder, "j".repeat(150));
    expect(addressOf(path).length).toBeLessThanOrEqual(100);
    expect(addressOf(path)).not.toBe(addressOf(`${path}j`));
    expect(await taken()).toBe("taken");
  });

  test("a folder that is not there is told so", async () => {
    await expect(lockFile("/nowhere/journal")).rejects.toMatchObject({ code: "ENOENT" });
  });
});
