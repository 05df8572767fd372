// Which model of the Hugging Face hub is meant, and what can be asked for when it is pulled.

import type { Names } from "../src/field-error.ts";

/** How far a pull has come, in bytes, of one file and of all. */
export interface PullProgress {
  readonly file: string;
  readonly loaded: number;
  readonly total: number;
  readonly allLoaded: number;
  readonly allTotal: number;
}

/** Choices for `pull`. */
export interface PullOptions {
  /** Where the files go. Default: the commit's directory in the hub's cache (`HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`). */
  readonly directory?: string;
  /** The server. Default: `HF_ENDPOINT`, else the public hub. */
  readonly endpoint?: string;
  /** Default: `HF_TOKEN`. */
  readonly token?: string;
  /** Names of files to fetch in place of the usual ones; `*` stands for any characters. Pickles are never fetched. */
  readonly include?: readonly string[];
  /** How often in a row a request may fail before the pull does. Default 5. */
  readonly attempts?: number;
  readonly signal?: AbortSignal;
  onProgress?(progress: PullProgress): void;
}

/** Every name of `PullOptions`. */
export const pullOptionNames = {
  directory: true,
  endpoint: true,
  token: true,
  include: true,
  attempts: true,
  signal: true,
  onProgress: true,
} satisfies Names<PullOptions>;

/** The hub that everybody means. */
export const publicHub = "https://huggingface.co";

/** The parts of `owner/name` or `owner/name@revision`, with or without `hf:` before it. Throws an Error for anything else. */
export function parseReference(reference: string): { name: string; revision: string } {
  const match = /^(?:hf:)?((?:\w[\w.-]*\/)?\w[\w.-]*)(?:@([\w./-]+))?$/.exec(reference);
  const [, name, revision = "main"] = match ?? [];
  if (!name || `${name}/${revision}`.split("/").some((part) => part === "" || part === "." || part === "..")) {
    throw new Error(`${JSON.stringify(reference)} is no model: expected "owner/name" or "owner/name@revision"`);
  }
  return { name, revision };
}
