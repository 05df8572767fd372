// Pulling models from a local server with the hub's layout: what is fetched, what survives a broken line, what is refused.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { pull } from "../../weights/hub.ts";
import type { PullOptions, PullProgress } from "../../weights/hub-reference.ts";
import { assertComplete } from "../../weights/manifest.ts";
import { type HubRepository, HubServer, type Spoil, sha256 } from "./hub-server.ts";

const first = "1".repeat(40);
const second = "2".repeat(40);
const weights = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => (i * 2654435761) >>> 24));
const text = (content: string) => ({ content: Buffer.from(content) });

/** The waits between attempts, in ms, and how many times as long they take here. */
const between = vi.hoisted(() => ({ waits: [] as number[], pace: (): number => 0.01 }));
vi.mock("node:timers/promises", async (original) => {
  const actual = await original<typeof import("node:timers/promises")>();
  const setTimeout: typeof actual.setTimeout = (ms = 0, ...more) => {
    if (ms < 250) return actual.setTimeout(ms, ...more); // the tests' own
    between.waits.push(ms);
    return actual.setTimeout(ms * between.pace(), ...more);
  };
  return { ...actual, setTimeout };
});

let server: HubServer;
let repository: HubRepository;
let cache: string;

beforeEach(async () => {
  between.waits.length = 0;
  between.pace = () => 0.01;
  cache = await mkdtemp(join(tmpdir(), "hub-"));
  for (const name of ["HF_ENDPOINT", "HF_TOKEN", "HF_HOME", "XDG_CACHE_HOME"]) vi.stubEnv(name, undefined);
  vi.stubEnv("HF_HUB_CACHE", cache);
  server = new HubServer();
  await server.start();
  repository = {
    revisions: { main: first, "refs/pr/1": second },
    commits: {
      [first]: {
        ".gitattributes": text("*.safetensors filter=lfs"),
        "README.md": text("# a model"),
        "config.json": text('{"model_type":"llama"}'),
        "generation_config.json": text("{}"),
        "model.safetensors": { content: weights, lfs: true },
        "model.fp16.safetensors": { content: weights, lfs: true },
        "model-q8_0.gguf": { content: weights.subarray(0, 1000), lfs: true },
        "pytorch_model.bin": { content: weights, lfs: true },
        "tokenizer.json": text('{"größe":1}'),
        "tokenizer_config.json": text("{}"),
        "chat_template.jinja": text("{{ messages }}"),
        "..": text("hostile"),
        "../escape.json": text("hostile"),
        "tokenizer/../../escape.json": text("hostile"),
      },
      [second]: {
        "config.json": text('{"model_type":"qwen"}'),
        "model-00001-of-00002.safetensors": { content: weights.subarray(0, 1000), lfs: true },
        "model-00002-of-00002.safetensors": { content: weights.subarray(1000, 3000), lfs: true },
        "model.safetensors.index.json": text("{}"),
      },
    },
  };
  server.repositories["owner/name"] = repository;
});
afterEach(async () => {
  await server.stop();
  vi.unstubAllEnvs();
  await rm(cache, { recursive: true });
});

const get = (reference = "owner/name", options: PullOptions = {}) =>
  pull(reference, { endpoint: server.url, ...options });
const snapshot = (commit: string) => join(cache, "models--owner--name", "snapshots", commit);
const usual = [
  "chat_template.jinja",
  "config.json",
  "generation_config.json",
  "model.safetensors",
  "tokenizer.json",
  "tokenizer_config.json",
];
async function expectWeights(directory: string): Promise<void> {
  expect((await readFile(join(directory, "model.safetensors"))).equals(weights)).toBe(true);
}
/** The files of a directory but for the manifest. */
const filesIn = async (directory: string) =>
  (await readdir(directory)).filter((name) => name !== ".plainformer.json").sort();
/** Answers for one file, in turn; then all is well. */
function spoilInTurn(file: string, ...spoils: (Spoil | undefined)[]): void {
  server.spoil = (name) => (name === file ? spoils.shift() : undefined);
}

describe("a pull", () => {
  test("fetches what a model needs and nothing else, into the hub's cache", async () => {
    const directory = await get("hf:owner/name");
    expect(directory).toBe(snapshot(first));
    expect(await filesIn(directory)).toEqual(usual);
    for (const name of usual) {
      expect((await readFile(join(directory, name))).equals(repository.commits[first][name].content)).toBe(true);
    }
    expect(await readFile(join(cache, "models--owner--name", "refs", "main"), "utf8")).toBe(first);
    expect((await readdir(cache)).sort()).toEqual(["models--owner--name"]);
    await assertComplete(directory);
  });

  test("a second one asks for the revision only; with a commit it asks for nothing", async () => {
    await get();
    server.log.length = 0;
    await get();
    expect(server.log.map(({ path }) => path.replace(/\?.*/, ""))).toEqual(["/api/models/owner/name/revision/main"]);
    server.log.length = 0;
    expect(await get(`owner/name@${first}`)).toBe(snapshot(first));
    expect(server.log).toEqual([]);
  });

  test("takes a revision with slashes, and a directory of the caller's", async () => {
    const directory = join(cache, "mine", "model");
    expect(await get("owner/name@refs/pr/1", { directory })).toBe(directory);
    expect(await filesIn(directory)).toEqual(Object.keys(repository.commits[second]).sort());
    expect(await readdir(cache)).toEqual(["mine"]);
  });

  test("reports progress to the last byte", async () => {
    const seen: PullProgress[] = [];
    await get("owner/name", { onProgress: (progress) => seen.push(progress) });
    const allTotal = usual.reduce((sum, name) => sum + repository.commits[first][name].content.length, 0);
    expect(new Set(seen.map(({ file }) => file))).toEqual(new Set(usual));
    expect(seen.every((now, i) => i === 0 || now.allLoaded >= seen[i - 1].allLoaded)).toBe(true);
    expect(seen.at(-1)).toEqual({
      file: "model.safetensors",
      loaded: 300_000,
      total: 300_000,
      allLoaded: allTotal,
      allTotal,
    });
  });

  test("include names other files; it adds to what is there, and pickles stay out", async () => {
    await get();
    const directory = await get("owner/name", { include: ["*.gguf", "*.bin"] });
    expect(await filesIn(directory)).toEqual(["model-q8_0.gguf", ...usual].sort());
    await assertComplete(directory);
    await expect(get("owner/name", { include: ["*.bin"] })).rejects.toThrow("owner/name@main has no *.bin (pickles");
    await assertComplete(directory);
  });

  test("another commit in the same directory replaces the files of the first, even when it is interrupted", async () => {
    const directory = join(cache, "mine");
    await get("owner/name", { directory });
    await writeFile(join(directory, "notes.txt"), "mine");
    repository.revisions.main = second;
    server.spoil = (name) => (name.startsWith("model-00002") ? { status: 503 } : undefined);
    await expect(get("owner/name", { directory, attempts: 1 })).rejects.toThrow("503");
    await expect(assertComplete(directory)).rejects.toThrow("unfinished");
    server.spoil = () => undefined;
    await get("owner/name", { directory });
    expect(await filesIn(directory)).toEqual([...Object.keys(repository.commits[second]), "notes.txt"].sort());
    expect(await readFile(join(directory, "config.json"), "utf8")).toContain("qwen");
  });

  test("a file that another tool left in the cache is checked, then used or replaced", async () => {
    await mkdir(snapshot(first), { recursive: true });
    await writeFile(join(snapshot(first), "model.safetensors"), weights);
    await writeFile(join(snapshot(first), "tokenizer.json"), '{"grösse":1}'.slice(0, 12));
    await get();
    expect(server.fetched).not.toContain("cdn model.safetensors");
    expect(await readFile(join(snapshot(first), "tokenizer.json"), "utf8")).toBe('{"größe":1}');
  });

  test("endpoint and token come from the environment; the token stays with the endpoint", async () => {
    vi.stubEnv("HF_ENDPOINT", `${server.url}/`);
    vi.stubEnv("HF_TOKEN", "hf_good");
    repository.access = "private";
    await pull("owner/name");
    for (const { at, authorization } of server.log)
      expect(authorization).toBe(at === "hub" ? "Bearer hf_good" : undefined);
    expect(server.fetched).toContain("cdn model.safetensors");
  });

  test("the token does not follow a listing to another origin", async () => {
    const elsewhere = new HubServer();
    await elsewhere.start();
    elsewhere.repositories["owner/name"] = repository;
    server.nextPages = elsewhere.url;
    await get("owner/name", { token: "hf_good" });
    await elsewhere.stop();
    expect(elsewhere.log.length).toBeGreaterThan(0);
    expect(elsewhere.log.every(({ authorization }) => authorization === undefined)).toBe(true);
  });

  test("the cache follows HF_HOME and XDG_CACHE_HOME", async () => {
    vi.stubEnv("HF_HUB_CACHE", undefined);
    vi.stubEnv("XDG_CACHE_HOME", join(cache, "xdg"));
    expect(await get()).toContain(join(cache, "xdg", "huggingface", "hub", "models--owner--name"));
    vi.stubEnv("HF_HOME", join(cache, "home"));
    expect(await get()).toContain(join(cache, "home", "hub", "models--owner--name"));
  });
});

describe("a broken line", () => {
  test("a connection cut in the middle is resumed where it broke", async () => {
    spoilInTurn("model.safetensors", { cutAfter: 100_000 }, { cutAfter: 50_000 });
    const directory = await get();
    const answers = server.fetched.filter((line) => line.startsWith("cdn model.safetensors"));
    expect(answers).toEqual([
      "cdn model.safetensors",
      "cdn model.safetensors bytes=100000-",
      "cdn model.safetensors bytes=150000-",
    ]);
    await expectWeights(directory);
    expect(await filesIn(directory)).toEqual(usual);
  });

  test("a pull that gave up is unfinished, and the next one goes on", async () => {
    spoilInTurn("model.safetensors", { cutAfter: 200_000 });
    await expect(get("owner/name", { attempts: 1 })).rejects.toThrow(
      /model\.safetensors broke off at byte 200000 of 300000.*1 attempt/,
    );
    await expect(assertComplete(snapshot(first))).rejects.toThrow(
      `unfinished download; pull owner/name@${first} again`,
    );
    expect(await filesIn(snapshot(first))).not.toContain("model.safetensors");
    server.log.length = 0;
    await get();
    expect(server.fetched).toContain("cdn model.safetensors bytes=200000-");
    expect(server.fetched).toHaveLength(2); // the redirect and the bytes: nothing that was there
    await assertComplete(snapshot(first));
  });

  test("an attempt that brings new bytes does not count as a failure", async () => {
    spoilInTurn("model.safetensors", ...Array.from({ length: 5 }, () => ({ cutAfter: 10_000 })));
    await get("owner/name", { attempts: 2 });
    await assertComplete(snapshot(first));
    expect(between.waits).toEqual([500, 500, 500, 500, 500]);
  });

  test("a server without ranges gives the whole file again", async () => {
    spoilInTurn("model.safetensors", { cutAfter: 100_000 }, { ignoreRange: true });
    await expectWeights(await get());
  });

  test("a wrong byte is noticed, the file fetched anew", async () => {
    spoilInTurn("model.safetensors", { cutAfter: 100_000, flip: 5 });
    await expectWeights(await get());
    const answers = server.fetched.filter((line) => line.startsWith("cdn model"));
    expect(answers.at(-1)).toBe("cdn model.safetensors");
  });

  test.each(["model.safetensors", "tokenizer.json"])(
    "%s that always arrives wrong never gets its name",
    async (name) => {
      server.spoil = (file) => (file === name ? { flip: 3 } : undefined);
      await expect(get("owner/name", { attempts: 2 })).rejects.toThrow(
        new RegExp(`${name}: what arrived does not have the sha(1|256) .*; given up after 2 attempts`),
      );
      expect(await filesIn(snapshot(first))).not.toContain(name);
      await expect(assertComplete(snapshot(first))).rejects.toThrow("unfinished");
    },
  );

  test("a file that changed since the broken attempt is not glued to the old half", async () => {
    const directory = join(cache, "mine");
    spoilInTurn("model.safetensors", { cutAfter: 100_000 });
    await expect(get("owner/name", { directory, attempts: 1 })).rejects.toThrow("broke off");
    const changed = Buffer.from(weights).reverse();
    repository.commits[second] = { ...repository.commits[first], "model.safetensors": { content: changed, lfs: true } };
    repository.revisions.main = second;
    server.log.length = 0;
    await get("owner/name", { directory });
    expect(server.fetched.filter((line) => line.startsWith("cdn"))).toEqual(["cdn model.safetensors"]);
    expect(sha256(await readFile(join(directory, "model.safetensors")))).toBe(sha256(changed));
  });

  test("an answer of another length than the listing has is not taken for the file", async () => {
    server.spoil = (file) => (file === "model.safetensors" ? { excess: 10 } : undefined);
    const listed = "the 300000 bytes that the repository lists";
    await expect(get("owner/name", { attempts: 1 })).rejects.toThrow(`gave more than ${listed}`);
    spoilInTurn("model.safetensors", { excess: -10 });
    await expect(get("owner/name", { attempts: 1 })).rejects.toThrow(`gave only 299990 of ${listed}`);
    await expectWeights(await get());
    expect(server.fetched).toContain("cdn model.safetensors bytes=299990-");
  });

  test("a server that is busy is asked again; one that stays so is named", async () => {
    spoilInTurn("config.json", { status: 503 }, { status: 429 });
    await get();
    spoilInTurn("config.json", { status: 500 }, { status: 500 });
    await expect(get("owner/name", { directory: join(cache, "mine"), attempts: 2 })).rejects.toThrow(
      /config\.json answered 500 .*; given up after 2 attempts/,
    );
  });

  test("a server that is not there is named", async () => {
    await server.stop();
    await expect(get("owner/name", { attempts: 2 })).rejects.toThrow(
      /revision\/main\S* cannot be reached \(.*ECONNREFUSED/,
    );
  });

  test("a process that was killed leaves a part that the next one goes on with", async () => {
    const never = new Promise(() => {});
    spoilInTurn("model.safetensors", { hold: never });
    const hub = new URL("../../weights/hub.ts", import.meta.url).href;
    const script = `import(${JSON.stringify(hub)}).then((hub) => hub.pull("owner/name"))`;
    const child = spawn(process.execPath, ["--import", "tsx", "--eval", script], {
      env: { ...process.env, HF_ENDPOINT: server.url },
      stdio: "inherit",
    });
    const part = async () => {
      const names = await filesIn(snapshot(first)).catch(() => []);
      const name = names.find((name) => /^model\.safetensors\..*\.part$/.test(name)); // smaller files' parts come and go
      return name && (await stat(join(snapshot(first), name))).size >= 150_000 ? name : undefined;
    };
    while (!(await part())) await sleep(20);
    expect(await part()).toContain(`.${child.pid}.part`);
    child.kill("SIGKILL");
    await once(child, "exit");
    await expect(assertComplete(snapshot(first))).rejects.toThrow("unfinished");
    server.log.length = 0;
    await get();
    expect(server.fetched).toContain("cdn model.safetensors bytes=150000-");
    expect(await filesIn(snapshot(first))).toEqual(usual);
  });

  test("a part that is of another content, or too long, is thrown away", async () => {
    const gone = spawnSync(process.execPath, ["--version"]).pid; // a process that has ended
    await mkdir(snapshot(first), { recursive: true });
    const part = (digest: string) => join(snapshot(first), `model.safetensors.${digest.slice(0, 16)}.${gone}.part`);
    await writeFile(part("0".repeat(16)), weights.subarray(0, 1000));
    await get();
    expect(server.fetched).toContain("cdn model.safetensors");
    expect(await filesIn(snapshot(first))).toEqual(usual);

    await rm(snapshot(first), { recursive: true });
    await mkdir(snapshot(first), { recursive: true });
    await writeFile(part(sha256(weights)), Buffer.concat([weights, weights]));
    await expectWeights(await get());
    expect(server.fetched).toContain("cdn model.safetensors bytes=600000-");
    expect(await filesIn(snapshot(first))).toEqual(usual);
  });

  test("the part of a process that is still running is left alone", async () => {
    const part = join(snapshot(first), `model.safetensors.${sha256(weights).slice(0, 16)}.${process.ppid}.part`);
    await mkdir(snapshot(first), { recursive: true });
    await writeFile(part, weights.subarray(0, 1000));
    await get();
    expect(server.fetched).toContain("cdn model.safetensors");
    expect((await stat(part)).size).toBe(1000);
  });
});

describe("at the same time and not at all", () => {
  test("two pulls at once fetch each file once", async () => {
    const both = await Promise.all([get(), get()]);
    expect(both).toEqual([snapshot(first), snapshot(first)]);
    expect(server.fetched.filter((line) => line === "cdn model.safetensors")).toHaveLength(1);
    expect(await filesIn(snapshot(first))).toEqual(usual);
  });

  test("the second of two goes on when the first fails", async () => {
    spoilInTurn("model.safetensors", { cutAfter: 100_000 });
    const [one, two] = await Promise.allSettled([
      get("owner/name", { attempts: 1 }),
      get("owner/name", { attempts: 1 }),
    ]);
    expect([one.status, two.status]).toEqual(["rejected", "fulfilled"]);
    await assertComplete(snapshot(first));
  });

  test("an abort ends the pull with its reason and leaves the part", async () => {
    const controller = new AbortController();
    const reason = new Error("the user went home");
    spoilInTurn("model.safetensors", { hold: new Promise(() => {}) });
    const onProgress = ({ loaded }: PullProgress) => {
      if (loaded === 150_000) controller.abort(reason);
    };
    await expect(get("owner/name", { signal: controller.signal, onProgress })).rejects.toBe(reason);
    await expect(assertComplete(snapshot(first))).rejects.toThrow("unfinished");
    server.log.length = 0;
    await get();
    expect(server.fetched).toContain("cdn model.safetensors bytes=150000-");
  });

  test("an abort beforehand asks for nothing; one between attempts does not wait for the next", async () => {
    await expect(get("owner/name", { signal: AbortSignal.abort() })).rejects.toThrow("aborted");
    expect(server.log).toEqual([]);
    server.spoil = () => ({ status: 503 });
    const controller = new AbortController();
    between.pace = () => {
      if (between.waits.length < 3) return 0.01;
      setTimeout(() => controller.abort(new Error("enough")), 20);
      return 1e5; // the third wait would outlive the test
    };
    await expect(get("owner/name", { attempts: 50, signal: controller.signal })).rejects.toThrow("enough");
    expect(between.waits).toEqual([500, 1000, 2000]);
  });
});

describe("what is refused", () => {
  test.each([
    ["owner/nothing", {}, "owner/nothing does not exist, or it is private and no token is set (HF_TOKEN) (401)"],
    [
      "owner/nothing",
      { token: "hf_good" },
      "owner/nothing does not exist, or it is private and the token in use has no access (404)",
    ],
    ["owner/name@v9", {}, 'owner/name has no revision "v9"'],
    [`owner/name@${"9".repeat(40)}`, {}, `owner/name has no revision "${"9".repeat(40)}"`],
  ])("%s with %j", async (reference, options, message) => {
    await expect(get(reference, options)).rejects.toThrow(message);
    expect(await readdir(cache)).toEqual([]);
  });

  test("a gated repository says where its terms are", async () => {
    repository.access = "gated";
    const terms = `owner/name is gated: accept its terms on ${server.url}/owner/name; no token is set`;
    await expect(get()).rejects.toThrow(terms);
    await expect(assertComplete(snapshot(first))).rejects.toThrow("unfinished");
    await get("owner/name", { token: "hf_good" });
    await assertComplete(snapshot(first));
  });

  test("a repository without weights, or with pickles only", async () => {
    repository.commits[first] = { "config.json": text("{}"), "pytorch_model.bin": { content: weights, lfs: true } };
    await expect(get()).rejects.toThrow(
      "owner/name@main has no model.safetensors, whole or in shards (pickles such as .bin",
    );
  });

  test.each([
    "",
    "/",
    "a/b/c",
    "../x",
    "owner/..",
    "owner/name@",
    "owner/name@a/../../b",
    "owner/na me",
    "https://x/y",
    "@main",
  ])("the reference %j", async (reference) => {
    await expect(get(reference)).rejects.toThrow('expected "owner/name" or "owner/name@revision"');
    expect(server.log).toEqual([]);
  });

  test("an endpoint that is no URL", async () => {
    await expect(get("owner/name", { endpoint: "ftp://x" })).rejects.toThrow("endpoint ftp://x is not a URL");
  });
});

describe("assertComplete", () => {
  test("passes a directory that no pull has made, and a path that is no directory", async () => {
    await assertComplete(cache);
    await writeFile(join(cache, "model.gguf"), "");
    await assertComplete(join(cache, "model.gguf"));
    await assertComplete(join(cache, "nothing"));
  });

  test("notices what happened to the files since", async () => {
    const directory = await get();
    await truncate(join(directory, "model.safetensors"), 299_999);
    await expect(assertComplete(directory)).rejects.toThrow(
      "model.safetensors has 299999 bytes, it was downloaded with 300000",
    );
    await rm(join(directory, "model.safetensors"));
    await expect(assertComplete(directory)).rejects.toThrow("model.safetensors is missing; pull owner/name@1111");
    await get();
    await assertComplete(directory);
    await writeFile(join(directory, ".plainformer.json"), "{");
    await expect(assertComplete(directory)).rejects.toThrow(".plainformer.json is damaged");
    const hostile = { files: [{ name: "../../x", size: 1 }], outdated: [] };
    await writeFile(join(directory, ".plainformer.json"), JSON.stringify(hostile));
    await expect(assertComplete(directory)).rejects.toThrow(".plainformer.json is damaged");
  });
});
