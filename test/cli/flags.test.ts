// Every flag of every command reaches what it names: a table with one line a flag. A flag that the table lacks turns the
// first test red. The short run takes every third, and those of the model for one
// command; the long one all.

import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import { defaultModel, type load } from "../../src/plainformer.ts";
import { writeSoftPrompt } from "../../src/prompt/soft-prompt-file.ts";
import { long, sampled } from "../long.ts";
import { HubServer } from "../weights/hub-server.ts";
import { type Outcome, runHere } from "./in-process.ts";

type LoadCall = { source: string; options: NonNullable<Parameters<typeof load>[1]> };
const loads: LoadCall[] = [];

vi.mock("../../src/plainformer.ts", async (original) => {
  const actual = await original<typeof import("../../src/plainformer.ts")>();
  const watched =
    (loading: typeof actual.load) =>
    (source = actual.defaultModel, options = {}) => {
      loads.push({ source, options });
      return loading(source, options);
    };
  return { ...actual, load: watched(actual.load), loadInWorker: watched(actual.loadInWorker as typeof actual.load) };
});

const hub = new HubServer();
beforeAll(async () => {
  const commit = "a".repeat(40);
  const files = { "config.json": { content: Buffer.from("{}") }, "model.safetensors": { content: Buffer.from("x") } };
  hub.repositories["owner/name"] = { revisions: { main: commit }, commits: { [commit]: files } };
  await hub.start();
  vi.stubEnv("HF_ENDPOINT", hub.url);
  vi.stubEnv("HF_HOME", join(folder, "hub"));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await hub.stop();
});

beforeEach(() => {
  loads.length = 0;
});

const folder = mkdtempSync(join(tmpdir(), "plainformer-flags-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A file of the test's own folder. */
function file(name: string, content: string | object): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

const age = {
  type: "object",
  properties: { age: { type: "integer" } },
  required: ["age"],
  additionalProperties: false,
};
const schema = file("schema.json", age);
const good = file("good.json", '{"age":3}');
const remarks = file("remarks.jsonl", Array(8).fill('{"prompt":"I like it","completion":" good"}').join("\n"));
const rows = join(folder, "rows.safetensors");
await writeSoftPrompt(rows, { embeds: Float32Array.from({ length: 3 * 256 }, (_, i) => Math.sin(i)), shape: [3, 256] });
const gap = file("gap.txt", "one <FILL> three");
const text = file("text.txt", "A text.");
// The default model with a template that opens and closes thoughts when it is told to.
const thinker = join(folder, "thinker");
mkdirSync(thinker);
for (const name of readdirSync(defaultModel)) symlinkSync(join(defaultModel, name), join(thinker, name));
rmSync(join(thinker, "tokenizer_config.json"));
const template =
  "{% for m in messages %}{{ m.content }}{% endfor %}{% if enable_thinking %}<think>{% else %}</think>{% endif %}";
file("thinker/chat_template.jinja", template);
file("thinker/tokenizer_config.json", {});

const prices = file("prices", { currency: "USD", prompt_cache_hit: 0, prompt_cache_miss: 1e6, completion: 1 });

/** What a flag does: the same command with and without it print something else; or what it prints has a form. */
interface Case {
  flag: string;
  /** Arguments of the flag, and what else the command needs to show it. */
  args: string[];
  /** Replaces the command's usual arguments. */
  base?: string[];
  input?: string;
  /** Of what the command prints, errors included. Default: it differs from what is printed without the flag. */
  shows?: RegExp;
}

/** Stands for a path where nothing is yet. */
const fresh = "FRESH";
let freshPaths = 0;

const modelFlags = ["--model", "--kernels", "--threads", "--dtype", "--exact", "--kv"];

const greedy = ["--temperature", "0"];
const drawn = ["--temperature", "2", "--seed", "1"];

/** Of each command: its usual arguments and its flags. */
const commands: Record<string, { base: string[]; input?: string; model?: boolean; cases: Case[] }> = {
  generate: {
    base: ["generate", "Once upon a time there", "--max-tokens", "12", "--json", ...greedy],
    model: true,
    cases: [
      { flag: "--max-tokens", args: ["3"], shows: /"completion_tokens":3\b/ },
      { flag: "--temperature", args: ["2", "--seed", "1"] },
      { flag: "--top-k", args: ["2"], base: ["generate", "Once", "--max-tokens", "9", ...drawn] },
      { flag: "--top-p", args: ["0.2"], base: ["generate", "Once", "--max-tokens", "9", ...drawn] },
      { flag: "--min-p", args: ["0.5"], base: ["generate", "Once", "--max-tokens", "9", ...drawn] },
      { flag: "--frequency-penalty", args: ["2"], base: ["generate", "the the the", "--max-tokens", "40", ...greedy] },
      { flag: "--presence-penalty", args: ["2"], base: ["generate", "the the the", "--max-tokens", "40", ...greedy] },
      { flag: "--repetition-penalty", args: ["9"] },
      { flag: "--seed", args: ["2"], base: ["generate", "Once", "--max-tokens", "9", ...drawn] },
      { flag: "--stop", args: [" "], shows: /"finish_reason":"stop"/ },
      {
        flag: "--stop-repeats",
        args: [],
        base: ["generate", " A story:", "--max-tokens", "120", "--temperature", "0.5", "--seed", "7", "--json"],
        shows: /"completion_tokens":\d\d\b/,
      },
      { flag: "--logprobs", args: ["2"], shows: /"top_logprobs":\[\{"id":\d+,"logprob":-?[\d.e-]+\},\{/ },
      { flag: "--schema", args: [schema], shows: /\\"age\\": ?\d/ },
      { flag: "--json-object", args: [], shows: /"text":"\{/ },
      { flag: "--soft-prompt", args: [rows], shows: /"prompt_tokens":9\b/ },
      { flag: "--parse-special", args: [], base: ["generate", "<|EOT|> a", "--json", "--max-tokens", "1", ...greedy] },
      { flag: "--json", args: [], base: ["generate", "Once", "--max-tokens", "2", ...greedy], shows: /^\{"text":/ },
    ],
  },
  chat: {
    base: ["chat", "--json", "--max-tokens", "8", ...greedy],
    input: "Hello!\n",
    model: true,
    cases: [
      { flag: "--system", args: ["You are a fox."], shows: /"prompt_tokens":(?!5\b)\d/ },
      { flag: "--soft-prompt", args: [rows] },
      { flag: "--thinking", args: ["--model", thinker], shows: /"reasoning_content":/ },
      {
        flag: "--no-thinking",
        args: [],
        base: ["chat", "--model", thinker, "--thinking", "--json", "--max-tokens", "6", ...greedy],
      },
      { flag: "--max-tokens", args: ["3"], shows: /"completion_tokens":3\b/ },
      { flag: "--temperature", args: ["2", "--seed", "1"] },
      { flag: "--top-p", args: ["0.1"], base: ["chat", "--max-tokens", "9", ...drawn] },
      { flag: "--seed", args: ["2"], base: ["chat", "--max-tokens", "9", ...drawn] },
      {
        flag: "--no-stop-repeats",
        args: [],
        base: ["chat", "--temperature", "0.7", "--seed", "2", "--json"],
        input: "Ben has a red bike and Mia has a blue kite. What does Mia have?\n",
        shows: /"completion_tokens":512\b/,
      },
      { flag: "--json", args: [], base: ["chat", "--max-tokens", "2", ...greedy], shows: /^\{"role":/ },
    ],
  },
  fim: {
    base: ["fim", "--prefix", "def f(a", "--json", "--max-tokens", "6", ...greedy],
    model: true,
    cases: [
      { flag: "--prefix", args: ["class A", "--suffix", "): pass"] },
      { flag: "--suffix", args: ["):\n    return a + b"] },
      { flag: "--mark", args: ["three"], base: ["fim", gap, "--json", "--max-tokens", "6", ...greedy] },
      { flag: "--max-tokens", args: ["2"], shows: /"completion_tokens":2\b/ },
      { flag: "--temperature", args: ["2", "--seed", "1"] },
      { flag: "--top-p", args: ["0.1"], base: ["fim", "--prefix", "a", "--max-tokens", "9", ...drawn] },
      { flag: "--seed", args: ["2"], base: ["fim", "--prefix", "a", "--max-tokens", "9", ...drawn] },
      { flag: "--stop", args: ["a", "--stop", "e", "--stop", " ", "--stop", ","], shows: /"finish_reason":"stop"/ },
      { flag: "--json", args: [], base: ["fim", "--prefix", "a", "--max-tokens", "2", ...greedy], shows: /^\{"text":/ },
    ],
  },
  score: {
    base: ["score", "The cat sat on the", " mat"],
    model: true,
    cases: [
      { flag: "--soft-prompt", args: [rows] },
      { flag: "--json", args: [], shows: /^\{"scores":\[\{"target":" mat"/ },
    ],
  },
  tune: {
    base: ["tune", "--data", remarks, "--out", fresh, "--tokens", "2", "--steps", "1", "--batch", "1"],
    model: true,
    cases: [
      { flag: "--data", args: [join(folder, "nowhere")], shows: /nowhere: cannot be read/ },
      { flag: "--out", args: [join(folder, "other")], shows: /saved in .*other/ },
      { flag: "--held-out", args: [remarks], shows: /8 examples, 8 held out/ },
      { flag: "--hold-out", args: ["0.5"], shows: /4 examples, 4 held out/ },
      { flag: "--template", args: ["no place for it"], shows: /template/ },
      { flag: "--tokens", args: ["3"], shows: /^ +2 /m },
      { flag: "--start", args: ["random"] },
      { flag: "--encoder", args: ["mlp"] },
      { flag: "--encoder-hidden", args: ["8", "--encoder", "mlp", "--json"], shows: /"nearest"/ },
      { flag: "--special-tokens", args: [] },
      { flag: "--steps", args: ["2"], shows: /2 steps / },
      { flag: "--batch", args: ["0"], shows: /batch: got 0/ },
      { flag: "--rate", args: ["1"] },
      { flag: "--warmup", args: ["-1"], shows: /got -1, expected/ },
      { flag: "--weight-decay", args: ["5"] },
      { flag: "--clip", args: ["0"], shows: /maxNorm|--clip/ },
      { flag: "--evaluate-every", args: ["0"], shows: /evaluateEvery|--evaluate-every/ },
      { flag: "--patience", args: ["0"], shows: /patience/ },
      { flag: "--seed", args: ["9", "--start", "random"] },
      { flag: "--json", args: [], shows: /^\{"out":/ },
    ],
  },
  grammar: {
    base: ["grammar"],
    cases: [
      { flag: "--schema", args: [schema, "--check", text], shows: /refused at byte 0/ },
      { flag: "--check", args: [good], shows: /accepted/ },
      { flag: "--json", args: [], shows: /^\{"supported":true/ },
    ],
  },
  tokenize: {
    base: ["tokenize", "--json"],
    input: "Hello",
    cases: [
      { flag: "--model", args: [join(folder, "nowhere")], shows: /nowhere/ },
      { flag: "--file", args: [text] },
      { flag: "--no-special", args: [] },
      { flag: "--parse-special", args: [], input: "<|EOT|>" },
      { flag: "--json", args: [], base: ["tokenize"], shows: /^\[/ },
    ],
  },
  inspect: {
    base: ["inspect"],
    model: true,
    cases: [
      { flag: "--trace", args: ["residual.0"], shows: /^residual\.0 +\[5,256\] / },
      { flag: "--prompt", args: ["Hello"], base: ["inspect", "--trace", "final"] },
      { flag: "--json", args: [], shows: /^\{"directory":/ },
    ],
  },
  convert: {
    base: ["convert", "--out", join(folder, "model.gguf")],
    cases: [
      { flag: "--model", args: [join(folder, "nowhere")], shows: /nowhere/ },
      { flag: "--out", args: [join(folder, "second.gguf")], shows: /second\.gguf$/m },
      { flag: "--dtype", args: ["q8_0", "--out", join(folder, "q8_0.gguf")], shows: /q8_0\.gguf$/m },
    ],
  },
  pull: {
    base: ["pull", "owner/name"],
    cases: [{ flag: "--to", args: [join(folder, "pulled")], shows: /^\/pulled$/m }],
  },
  bench: {
    base: ["bench", "--prompt", "8", "--decode", "2", "--rounds", "1"],
    model: true,
    cases: [
      { flag: "--prompt", args: ["9"], shows: /\(9 at once\)/ },
      { flag: "--decode", args: ["3"], shows: /\(3 one by one\)/ },
      { flag: "--rounds", args: ["0"], shows: /--rounds: got 0/ },
      { flag: "--json", args: [], shows: /"rounds":1/ },
    ],
  },
};

/** Runs a command; each time where nothing is yet. */
function runFresh(args: readonly string[], input?: string): Promise<Outcome> {
  return runHere(
    args.map((arg) => (arg === fresh ? join(folder, `fresh-${freshPaths++}`) : arg)),
    input,
  );
}

/** What a command printed, without what differs from run to run. */
function printed({ out, err }: Outcome): string {
  return (out + err)
    .replaceAll(folder, "")
    .replaceAll(/fresh-\d+|"(timings|seconds)":(\{.*?\}|[\d.]+)|in [\d.]+ s/g, "");
}

test("the table has every flag of every command", async () => {
  const program = await createProgram();
  const there = program.commands.flatMap((command) =>
    command.options.map((option) => `${command.name()} ${option.long}`),
  );
  const covered = Object.entries(commands).flatMap(([name, { model, cases }]) =>
    [...(model ? modelFlags : []), ...cases.map(({ flag }) => flag)].map((flag) => `${name} ${flag}`),
  );
  const served = serveFlags.map((flag) => `serve ${flag}`);
  expect([...covered, ...served].sort()).toEqual(there.sort());
});

for (const [name, { base, input, model, cases }] of Object.entries(commands))
  describe(name, () => {
    const plain = new Map<string, Promise<Outcome>>();
    const without = (args: string[], given: string | undefined) => {
      const key = JSON.stringify([args, given]);
      if (!plain.has(key)) plain.set(key, runFresh(args, given));
      return plain.get(key) as Promise<Outcome>;
    };

    test.each(sampled(cases, 3))("$flag", async ({ flag, args, base: own = base, input: given = input, shows }) => {
      const before = await without(own, given);
      const after = await runFresh([...own, flag, ...args], given);
      if (shows) {
        expect(printed(after)).toMatch(shows);
        expect(printed(before)).not.toMatch(shows);
      } else {
        expect(after.err).toMatch(/^(step 1 of 1: loss [^\n]+\n)?$/); // of a run of tune
        expect(printed(after)).not.toBe(printed(before));
      }
    });

    if (model && (long || name === "generate"))
      test(modelFlags.join(" "), async () => {
        await runFresh(
          [...base, "--kernels", "reference", "--threads", "1", "--dtype", "f16", "--exact", "--kv", "f16"],
          input,
        );
        await runFresh([...base, "--model", join(folder, "nowhere")], input);
        expect(
          loads.map(({ source, options: { kernels, threads, dtype, exact, kv } }) => [
            ...[source, kernels, threads],
            ...[dtype, exact, kv],
          ]),
        ).toEqual([
          [defaultModel, "reference", 1, "f16", true, "f16"],
          [join(folder, "nowhere"), "auto", undefined, undefined, undefined, undefined],
        ]);
      });
  });

const serveFlags = [
  ...modelFlags,
  ...["--host", "--port", "--model-id", "--api-keys", "--beta", "--cache-tokens", "--max-running", "--max-waiting"],
  ...[
    "--rate-limit",
    "--concurrency",
    "--max-body",
    "--prices",
    "--journal",
    "--soft-prompt",
    "--soft-prompts",
    "--cors",
    "--timeout",
  ],
  ...["--drain", "--quiet", "--alias", "--allowed-host", "--cap-max-tokens", "--parse-special-tokens"],
  "--deepseek-strict",
];

describe("serve", () => {
  /** Serves with `args` while `use` asks it. */
  async function serving(args: string[], use: (url: string) => Promise<void>): Promise<Outcome> {
    let used: Promise<void> | undefined;
    const outcome = await runHere(["serve", "--port", "0", ...args], "", (out) => {
      const url = / at (http:\S+)\n/.exec(out)?.[1];
      if (url && out.includes("curl")) used ??= use(url).finally(() => process.emit("SIGTERM"));
    });
    await used;
    expect(used).toBeDefined();
    return outcome;
  }
  /** The status of an answer to who calls the server by this name. */
  const statusAs = (url: string, host: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      const sent = request(`${url}/models`, { headers: { host } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      sent.on("error", reject).end();
    });
  const post = (url: string, body: object, headers: Record<string, string> = {}, method = "POST") =>
    fetch(url, { method, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) });
  const one = { model: "fox", prompt: "Once", max_tokens: 1, temperature: 0 };

  test("open: what answers, how much of it, and for whom", async () => {
    const flags = [
      "--host",
      "localhost",
      "--model-id",
      "fox",
      "--beta",
      "--max-body",
      "300",
      "--cors",
      "https://a.example",
    ];
    const memory = ["--kernels", "reference", "--threads", "1", "--dtype", "f16", "--exact", "--kv", "f16"];
    const places = ["--cache-tokens", "640", "--max-running", "3", "--max-waiting", "5"];
    const rates = ["--concurrency", "1", "--rate-limit", "6"];
    const { out, err } = await serving([...flags, ...memory, ...places, ...rates, "--drain", "7"], async (url) => {
      expect(url).toMatch(/^http:\/\/localhost:\d+$/);
      const { data } = (await (await fetch(`${url}/models`)).json()) as { data: { id: string }[] };
      expect(data[0].id).toBe("fox");
      expect((await post(`${url}/completions`, { ...one, suffix: "." })).status).toBe(200); // beta without /beta
      expect((await post(`${url}/completions`, { ...one, prompt: "x".repeat(400) })).status).toBe(413);
      const origin = await fetch(`${url}/health`, { headers: { origin: "https://a.example" } });
      expect(origin.headers.get("access-control-allow-origin")).toBe("https://a.example");
      expect((await post(`${url}/soft_prompts/none`, {}, {}, "PUT")).status).not.toBe(200);
      const both = await Promise.all([1, 2].map(() => post(`${url}/completions`, { ...one, max_tokens: 12 })));
      expect(both.map(({ status }) => status).sort()).toEqual([200, 429]);
      const statuses = [];
      for (let i = 0; i < 6; i++) statuses.push((await post(`${url}/completions`, one)).status);
      expect(statuses).toContain(429);
    });
    expect(out).toContain("serves fox");
    expect(err).toMatch(/"event":"ending".*"drain_seconds":7/);
    const [{ options }] = loads;
    expect(options).toMatchObject({ kernels: "reference", threads: 1, dtype: "f16", exact: true, kv: "f16" });
    expect(options).toMatchObject({ cacheTokens: 640, maxRunning: 3, maxWaiting: 5 });
  });

  test("with keys: balances, prices, soft prompts, and no line for a request", async () => {
    const keys = ["--api-keys", file("keys", "sk-alice-0001 100\n")];
    const money = ["--prices", prices, "--journal", join(folder, "journal")];
    const kept = ["--soft-prompts", join(folder, "soft-prompts"), "--soft-prompt", rows];
    const { err } = await serving([...keys, ...money, ...kept, "--quiet"], async (url) => {
      expect((await fetch(`${url}/models`)).status).toBe(401);
      const headers = { authorization: "Bearer sk-alice-0001" };
      const zeros = [Array(256).fill(0)];
      expect((await post(`${url}/soft_prompts/zero`, { embeds: zeros }, headers, "PUT")).status).toBe(200);
      const answer = await post(`${url}/completions`, { ...one, model: "plainformer" }, headers);
      expect(await answer.json()).toMatchObject({ usage: { prompt_tokens: 3 + 2 } }); // three rows, then the text
      const balance = (await (await fetch(`${url}/user/balance`, { headers })).json()) as {
        balance_infos: { total_balance: string }[];
      };
      expect(Number(balance.balance_infos[0].total_balance)).toBeLessThan(100);
    });
    expect(err).toBe("");
  });

  test("for clients of other servers: names of model and host, tokens that are cut or spelled out, strict tools", async () => {
    const names = ["--alias", "mine", "--alias", "ours", "--allowed-host", "Docker.Internal"];
    const rules = ["--cap-max-tokens", "--parse-special-tokens", "--deepseek-strict", "--quiet"];
    await serving([...names, ...rules], async (url) => {
      const { data } = (await (await fetch(`${url}/models`)).json()) as { data: { aliases: string[] }[] };
      expect(data[0].aliases).toEqual(["mine", "ours"]);
      expect([await statusAs(url, "docker.internal:80"), await statusAs(url, "other.internal")]).toEqual([200, 403]);
      const tokens = async (more: object) => {
        const response = await post(`${url}/completions`, { ...one, model: "ours", prompt: "<｜User｜>", ...more });
        return ((await response.json()) as { usage: { prompt_tokens: number } }).usage.prompt_tokens;
      };
      expect(await tokens({})).toBeLessThan(await tokens({ parse_special_tokens: false }));
      const many = { ...one, model: "mine", max_tokens: 9e9, stop: ["a", "e", "t"] };
      expect((await post(`${url}/completions`, many)).status).toBe(200);
      const tools = [{ type: "function", function: { name: "f", strict: true } }];
      const strict = { model: "mine", messages: [{ role: "user", content: "Hi" }], tools, max_tokens: 1 };
      expect((await post(`${url}/chat/completions`, strict)).status).toBe(400);
    });
  });

  test("--timeout, --port, --model", async () => {
    await serving(["--timeout", "0", "--quiet"], async (url) => {
      expect((await post(`${url}/completions`, { ...one, model: "plainformer", max_tokens: 99 })).status).toBe(503);
    });
    expect((await runHere(["serve", "--port", "99999"])).err).toMatch(/port: got 99999/);
    expect((await runHere(["serve", "--model", join(folder, "nowhere")])).err).toMatch(/nowhere/);
  });
});
