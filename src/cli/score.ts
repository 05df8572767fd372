// plainformer score "input" "target" …: how likely the model thinks each continuation is.

import type { Command } from "commander";
import { loadFrom, type ModelOptions, softPrompted, withModel, withSoftPromptOption } from "./options.ts";

type Options = ModelOptions & { softPrompt?: string; json?: true };

export function addScore(program: Command): void {
  const command = program
    .command("score")
    .description("Log-probabilities (natural) of given continuations of a text.")
    .argument("<input>", "the text that comes before")
    .argument("<targets...>", "continuations to judge");
  withSoftPromptOption(withModel(command))
    .option("--json", "one object with ids, tokens, logprobs and sum of each target")
    .action(score);
}

async function score(input: string, targets: string[], options: Options): Promise<void> {
  const model = await softPrompted(await loadFrom(options), options.softPrompt);
  const scores = await model.score({ input, targets });
  const tokens = (ids: number[]) => ids.map((id) => model.tokenizer.tokenOf(id));
  if (options.json)
    console.log(
      JSON.stringify({ scores: scores.map((s, i) => ({ target: targets[i], tokens: tokens(s.ids), ...s })) }),
    );
  else
    for (const [i, { sum, ids }] of scores.entries())
      console.log(`${sum.toFixed(4).padStart(12)}  ${JSON.stringify(targets[i])} (${ids.length} tokens)`);
  await model.close();
}
