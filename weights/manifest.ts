// What a download leaves beside the files that it fetched: which they are, and whether all of them are there. A directory
// without this file is nobody's download and passes. Not here: downloading (hub.ts).

import { isUrl } from "./byte-source.ts";
import { folderAt, readText } from "./folder.ts";

export const manifestName = ".plainformer.json";

/** `complete` is written last. */
export interface Manifest {
  readonly repository: string;
  readonly commit: string;
  readonly include: readonly string[];
  readonly complete: boolean;
  readonly files: readonly { readonly name: string; readonly size: number }[];
  /** Names of files that another commit left; they go before this one is complete. */
  readonly outdated: readonly string[];
}

/**
 * Refuses a directory in which a download did not finish, or whose files are no longer those that it fetched; a directory
 * that no download has made passes, and so does a URL. Throws an Error that names the directory and the file.
 */
export async function assertComplete(directory: string): Promise<void> {
  const manifest = isUrl(directory) ? undefined : await readManifest(directory);
  if (!manifest) return;
  const again = `; pull ${manifest.repository}@${manifest.commit} again`;
  if (!manifest.complete) throw new Error(`${directory} holds an unfinished download${again}`);
  const damage = await findDamage(directory, manifest.files);
  if (damage) throw new Error(`${directory}: ${damage}${again}`);
}

/** What is not as it was downloaded, undefined if all is. */
export async function findDamage(directory: string, files: Manifest["files"]): Promise<string | undefined> {
  const folder = folderAt(directory);
  for (const { name, size } of files) {
    const found = await folder.open(name);
    if (!found) return `${name} is missing`;
    await found.close();
    if (found.size !== size) return `${name} has ${found.size} bytes, it was downloaded with ${size}`;
  }
  return undefined;
}

/** The manifest of a directory, undefined where there is none. Throws an Error if it is damaged. */
export async function readManifest(directory: string): Promise<Manifest | undefined> {
  const folder = folderAt(directory);
  const text = await readText(folder, manifestName);
  if (text === undefined) return undefined;
  try {
    const manifest: Manifest = JSON.parse(text);
    // The names are joined to the directory, and the files may be removed: nothing but plain names.
    const sound = manifest.files.every(({ name, size }) => isPlainName(name) && Number.isSafeInteger(size));
    if (sound && manifest.outdated.every(isPlainName)) return manifest;
  } catch {}
  throw new Error(`${folder.placeOf(manifestName)} is damaged: remove it and pull the model again`);
}

/** A file name without a path, a drive or a control character, which is not hidden. */
export function isPlainName(name: unknown): name is string {
  return typeof name === "string" && /^\w[^/\\:\p{Cc}]*$/u.test(name);
}
