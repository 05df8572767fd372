// A model's files by name, wherever they are: a directory, or what is under a URL. Text and JSON of such files; not what
// they mean.

import { dirname, join, kindOf } from "#platform";
import { type ByteSource, fileSource, isUrl, NotFoundError, urlSource } from "./byte-source.ts";

export type Json = Record<string, unknown>;

export interface Folder {
  /** The path or URL, as it was given. */
  readonly name: string;
  /** The path or URL of a file in it. */
  placeOf(file: string): string;
  /** Opens a file in it, undefined where there is none. @throws what went wrong, without the name. */
  open(file: string): Promise<ByteSource | undefined>;
}

/** The folder at a path or a URL of http(s); nothing is opened. */
export function folderAt(place: string): Folder {
  if (isUrl(place)) {
    const placeOf = (file: string) =>
      withPath(place, (path) => `${path.replace(/\/+$/, "")}/${encodeURIComponent(file)}`);
    return { name: place, placeOf, open: (file) => openUrl(placeOf(file)) };
  }
  const placeOf = (file: string) => join(place, file);
  return { name: place, placeOf, open: (file) => openPath(placeOf(file)) };
}

/** The folder that a file is in. */
export function folderOf(place: string): Folder {
  return folderAt(isUrl(place) ? withPath(place, (path) => path.replace(/[^/]*$/, "")) : dirname(place));
}

/** Another path on the same server. The query stays: it may hold what lets one in. */
function withPath(place: string, change: (path: string) => string): string {
  const url = new URL(place);
  url.pathname = change(url.pathname);
  return url.href;
}

async function openPath(path: string): Promise<ByteSource | undefined> {
  return (await kindOf(path)) === undefined ? undefined : fileSource(path);
}

async function openUrl(url: string): Promise<ByteSource | undefined> {
  try {
    return await urlSource(url);
  } catch (error) {
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
}

/** A file as UTF-8, undefined where there is none. @throws one sentence that names the file. */
export async function readText(folder: Folder, file: string): Promise<string | undefined> {
  try {
    const source = await folder.open(file);
    if (!source) return undefined;
    const bytes = await source.read(0, source.size).finally(source.close);
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new Error(`${folder.placeOf(file)}: cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** The object in a JSON file, undefined where there is no such file. @throws one sentence that names the file. */
export async function readJson(folder: Folder, file: string): Promise<Json | undefined> {
  const text = await readText(folder, file);
  if (text === undefined) return undefined;
  const where = folder.placeOf(file);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${where}: not valid JSON (${(error as Error).message})`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Error(`${where}: expected an object, got ${text.trim().slice(0, 40)}`);
  return value as Json;
}
