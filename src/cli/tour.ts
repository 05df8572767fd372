// `npm start` without arguments: loads the model that ships with the project and shows, with real output, that text and
// embeddings are one and the same input.

import { load } from "../plainformer.ts";
import { describe, factsOf } from "./inspect.ts";

const prompt = "Once there was a little fox";

export async function tour(): Promise<void> {
  const began = performance.now();
  const model = await load();
  console.log(`plainformer: a transformer in pure TypeScript. This is the model in weights/default,
loaded in ${((performance.now() - began) / 1000).toFixed(2)} s:\n`);
  console.log(describe(factsOf(model)));

  const greedy = { maxTokens: 60, temperature: 0, stopRepeats: true };
  console.log(`\n1. Text in, text out: "${prompt}" continued, always with the most likely token\n`);
  const fromText = await print(model.generate({ input: prompt, ...greedy }));

  const ids = model.tokenizer.encode(prompt);
  const embeds = await model.embed(ids);
  const shape = [ids.length, model.config.dModel] as const;
  console.log(`\n2. The same as embeddings: ids ${JSON.stringify(ids)} → ${shape[0]} rows of ${shape[1]} numbers`);
  for (const [i, id] of ids.slice(0, 3).entries()) {
    const row = Array.from(embeds.subarray(i * shape[1], i * shape[1] + 4), (value) => value.toFixed(3).padStart(6));
    console.log(`   ${JSON.stringify(model.tokenizer.decode([id])).padEnd(26)} [${row.join(", ")}, …]`);
  }
  console.log();
  const fromEmbeds = await print(model.generate({ input: [{ embeds, shape }], ...greedy }));
  console.log(
    fromText === fromEmbeds
      ? "\n   The same text to the letter: before layer 0 a token is a row of numbers, and nothing else."
      : "\n   The texts differ, which should not be possible: please report it.",
  );
  await model.close();

  console.log(`
What to type next:
  npm run -s plainformer -- generate "Once there was a little fox" --max-tokens 120 --temperature 0.5 --seed 7
  npm run -s plainformer -- chat
  npm run -s plainformer -- score "The cat sat on the" " mat" " moon"
  npm run -s plainformer -- inspect
  npm run -s plainformer -- --help
and to read how it works, begin with src/model/forward.ts.`);
  if (fromText !== fromEmbeds) process.exitCode = 1;
}

/** Prints a continuation as it comes; gives it back. */
async function print(events: ReturnType<Awaited<ReturnType<typeof load>>["generate"]>): Promise<string> {
  process.stdout.write(`   ${prompt}`);
  let text = "";
  for await (const event of events) {
    if (event.type === "end") text = event.text;
    else if (event.type === "token") process.stdout.write(event.text.replaceAll("\n", "\n   "));
  }
  process.stdout.write("\n");
  return text;
}
