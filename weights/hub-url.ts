// The hub where no file can be kept: a browser reads a model where it is, by ranges of its URLs.

import { type PullOptions, parseReference, publicHub } from "./hub-reference.ts";

/** The URL under which the files of `owner/name` or `owner/name@revision` are; nothing is fetched yet. */
export async function pull(reference: string, { endpoint = publicHub }: PullOptions = {}): Promise<string> {
  const { name, revision } = parseReference(reference);
  return `${endpoint.replace(/\/+$/, "")}/${name}/resolve/${encodeURIComponent(revision)}/`;
}
