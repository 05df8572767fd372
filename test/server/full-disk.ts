// A store whose disk takes no large file: run as a process under a limit of file size. Argument: the folder. Prints what was
// said, and what is kept afterwards.

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { openSoftPromptStore } from "../../src/server/soft-prompt-store.ts";

const [folder] = process.argv.slice(2);
const store = await openSoftPromptStore(folder);
const rows = (n: number) => ({ embeds: new Float32Array(n * 128).fill(n), shape: [n, 128] as const });
await store.put(undefined, "kept", rows(1));
const said = await store.put(undefined, "kept", rows(4000)).then(
  () => "saved",
  (error: Error) => error.message,
);
const left = await store.get(undefined, "kept");
console.log(JSON.stringify({ said, rows: left?.shape[0], files: await readdir(join(folder, "open")) }));
