// Fetches a model from the Hugging Face hub, or any server with its layout, into a local directory that the loader reads.
// Revisions and listings go through @huggingface/hub. The bytes do not: its download neither resumes nor checks what
// arrives, so download.ts asks /resolve/ for ranges; that route serves Xet storage too, and any plain mirror has it.
// Files go where Python's huggingface_hub looks for them, <cache>/models--owner--name/snapshots/<commit>/, as real files
// instead of links into blobs/: the form that it uses itself where links are not to be had. So neither fetches a model twice.

import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { writeFile as replaceFile } from "#platform";
import { checkNames } from "../src/field-error.ts";
import { download, type Remote, type RemoteFile, request } from "./download.ts";
import { type PullOptions, parseReference, publicHub, pullOptionNames } from "./hub-reference.ts";
import { findDamage, isPlainName, type Manifest, manifestName, readManifest } from "./manifest.ts";

// What a model needs: configuration, tokenizer, chat template, and the weights that openSafetensors reads.
const usualFiles = [
  "config.json",
  "generation_config.json",
  "tokenizer*.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.json",
  "merges.txt",
  "chat_template*",
  "model.safetensors",
  "model-*-of-*.safetensors",
  "model.safetensors.index.json",
];
// Formats that may run code when they are read.
const pickles = /\.(bin|pt|pth|ckpt|pkl|pickle|joblib|npy|npz)$/i;
/**
 * Fetches `owner/name` or `owner/name@revision`, with or without `hf:` before it, and gives the directory. What is there is
 * not fetched again, what broke off is resumed, every file is checked against the digest that the repository lists, and the
 * directory counts as a model (manifest.ts) only when all of them are. Throws an Error that says what to do; an
 * abort throws the signal's reason.
 */
export async function pull(reference: string, options: PullOptions = {}): Promise<string> {
  checkNames(options, pullOptionNames);
  const { name, revision } = parseReference(reference);
  const hubUrl = (options.endpoint || process.env.HF_ENDPOINT || publicHub).replace(/\/+$/, "");
  if (!/^https?:/.test(hubUrl) || !URL.canParse(hubUrl)) throw new Error(`endpoint ${hubUrl} is not a URL of http(s)`);
  const token = options.token || process.env.HF_TOKEN;
  const remote: Remote = {
    origin: new URL(hubUrl).origin,
    token,
    signal: options.signal,
    attempts: options.attempts ?? 5,
    refusal: (response, url) => refusal(response, url, name, revision, token),
  };
  const hub = await import("@huggingface/hub"); // here, so that who loads a local model does not pay for it
  const fetch = (url: string | URL | Request) => request(remote, String(url));
  const commit = /^[0-9a-f]{40}$/.test(revision)
    ? revision
    : (await hub.modelInfo({ name, revision, hubUrl, additionalFields: ["sha"], fetch })).sha;
  if (!/^[0-9a-f]{40}$/.test(commit)) throw new Error(`${hubUrl} gives no commit for ${name}@${revision}: ${commit}`);

  const include = options.include ?? usualFiles;
  const listFiles = async (): Promise<RemoteFile[]> => {
    const files: RemoteFile[] = [];
    for await (const entry of hub.listFiles({ repo: { type: "model", name }, revision: commit, hubUrl, fetch })) {
      if (entry.type !== "file" || !isWanted(entry.path, include)) continue;
      const { oid = "", size } = entry.lfs ?? entry;
      if (!/^[0-9a-f]{40,64}$/.test(oid) || !Number.isSafeInteger(size)) {
        throw new Error(`${hubUrl} lists ${name}/${entry.path} without a digest or size to check it by`);
      }
      const url = `${hubUrl}/${name}/resolve/${commit}/${encodeURIComponent(entry.path)}`;
      files.push({ name: entry.path, url, size, algorithm: entry.lfs ? "sha256" : "sha1", digest: oid });
    }
    if (files.some((file) => options.include || file.name.endsWith(".safetensors"))) return files;
    const missing = options.include?.join(", ") ?? "model.safetensors, whole or in shards";
    throw new Error(`${name}@${revision} has no ${missing} (pickles such as .bin and .pt are never fetched)`);
  };

  const cache = join(hub.getHFHubCachePath(), hub.getRepoFolderName({ type: "model", name }));
  const directory = resolve(options.directory ?? join(cache, "snapshots", commit));
  await alone(directory, () => fill(directory, { repository: name, commit, include }, listFiles, remote, options));
  if (!options.directory && revision !== commit) {
    const ref = join(cache, "refs", revision);
    await mkdir(dirname(ref), { recursive: true });
    await writeFile(ref, commit);
  }
  return directory;
}

/** Brings `directory` to the state that `goal` names, by as few downloads as that takes. */
async function fill(
  directory: string,
  goal: Pick<Manifest, "repository" | "commit" | "include">,
  listFiles: () => Promise<RemoteFile[]>,
  remote: Remote,
  options: PullOptions,
): Promise<void> {
  const before = await readManifest(directory);
  const same = before?.repository === goal.repository && before.commit === goal.commit;
  const asked = same && before.complete && String(before.include) === String(goal.include);
  if (asked && !(await findDamage(directory, before.files))) return;

  const wanted = (await listFiles()).sort((a, b) => a.size - b.size); // what is refused is refused soon
  const files: { name: string; size: number }[] = wanted.map(({ name, size }) => ({ name, size }));
  const outdated = before ? [...before.outdated, ...(same ? [] : before.files.map((old) => old.name))] : [];
  for (const old of same ? before.files : []) {
    // Fetched earlier by another `include`: a file gets its name only when it has been checked.
    const isNew = !files.some((file) => file.name === old.name) && !outdated.includes(old.name);
    if (isNew && !(await findDamage(directory, [old]))) files.push(old);
  }
  await mkdir(directory, { recursive: true });
  await writeManifest(directory, { ...goal, files, outdated, complete: false });

  const allTotal = wanted.reduce((sum, file) => sum + file.size, 0);
  let earlier = 0;
  for (const file of wanted) {
    await download(remote, file, join(directory, file.name), (loaded) => {
      const allLoaded = earlier + loaded;
      options.onProgress?.({ file: file.name, loaded, total: file.size, allLoaded, allTotal });
    });
    earlier += file.size;
  }

  for (const old of outdated) {
    // It would be taken for this commit's: a single file of weights hides new shards.
    if (!files.some((file) => file.name === old)) await rm(join(directory, old), { force: true });
  }
  await writeManifest(directory, { ...goal, files, outdated: [], complete: true });
}

function writeManifest(directory: string, manifest: Manifest): Promise<void> {
  const text = `${JSON.stringify(manifest, null, 2)}\n`;
  return replaceFile(join(directory, manifestName), [new TextEncoder().encode(text)]);
}

function isWanted(name: string, include: readonly string[]): boolean {
  if (!isPlainName(name) || pickles.test(name)) return false;
  return include.some((pattern) => {
    const parts = pattern.split("*").map((part) => part.replace(/[\\^$.+?()[\]{}|]/g, "\\$&"));
    return new RegExp(`^${parts.join(".*")}$`).test(name);
  });
}

function refusal(response: Response, url: string, name: string, revision: string, token: string | undefined): Error {
  const code = response.headers.get("x-error-code");
  const access = token ? "the token in use has no access" : "no token is set (HF_TOKEN)";
  if (code === "RevisionNotFound") return new Error(`${name} has no revision ${JSON.stringify(revision)}`);
  if (code === "GatedRepo") {
    return new Error(`${name} is gated: accept its terms on ${new URL(url).origin}/${name}; ${access}`);
  }
  if (code === "RepoNotFound" || response.status === 401 || response.status === 403) {
    return new Error(`${name} does not exist, or it is private and ${access} (${response.status})`);
  }
  const detail = response.headers.get("x-error-message") ?? response.statusText;
  return new Error(`${url} answered ${response.status} ${detail}: no such repository, revision or file`);
}

const busy = new Map<string, Promise<unknown>>();

/** Runs `work` when no other work on the same directory runs in this process. */
async function alone<T>(directory: string, work: () => Promise<T>): Promise<T> {
  const earlier = busy.get(directory);
  const mine = (earlier ?? Promise.resolve()).catch(() => {}).then(work);
  busy.set(directory, mine);
  try {
    return await mine;
  } finally {
    if (busy.get(directory) === mine) busy.delete(directory);
  }
}
