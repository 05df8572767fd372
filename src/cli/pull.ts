// plainformer pull owner/name@revision: fetches a model from a hub with the Hugging Face layout.

import type { Command } from "commander";
import { pull } from "../../weights/hub.ts";
import { progressBar } from "./progress.ts";

export function addPull(program: Command): void {
  program
    .command("pull")
    .description("Download a model. Prints the directory it is in. An interrupted download goes on where it was.")
    .argument("<model>", "owner/name or owner/name@revision")
    .option("--to <directory>", "where to put it (default: a directory of ours in the Hugging Face cache)")
    .action(async (reference: string, { to }: { to?: string }) => {
      const bar = progressBar();
      try {
        const directory = await pull(reference, {
          directory: to,
          onProgress: ({ file, allLoaded, allTotal }) => bar.update({ file, loaded: allLoaded, total: allTotal }),
        });
        bar.stop();
        console.log(directory);
      } finally {
        bar.stop();
      }
    });
}
