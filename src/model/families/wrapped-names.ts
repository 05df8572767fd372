// The tensor names of a checkpoint that was saved from inside a wrapper (torch.compile's _orig_mod, DataParallel's module,
// PEFT's base_model.model), or from the bare model without its head: what stands in front of the family's names is found
// once, from the embedding and the layers, and left off. More than one such prefix is an error, never a guess.

import type { SourceTensor, TensorSource } from "../../../weights/tensor-source.ts";
import type { TensorNames } from "./family.ts";

/** Wrappers of single modules, anywhere in a name but in front of it: compiled, sharded or recomputed layer by layer. */
const innerWrappers = /(?<=\.)(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\./g;

/**
 * The same tensors under the family's names, and a note where these are not the file's.
 * @throws one sentence with both, if tensors stand under several prefixes, or two would have one name.
 */
export function withFamilyNames(
  source: TensorSource,
  { roots, embedding, layers }: TensorNames,
): { source: TensorSource; notes: readonly string[] } {
  const stored = [...source.tensors.keys()];
  const plain = stored.map((name) => name.replace(innerWrappers, ""));
  const examples = new Map<string, string>(); // by prefix, the first name that stands under it
  for (const [i, name] of plain.entries()) {
    const prefix = prefixOf(name, embedding, layers);
    if (prefix !== undefined && !examples.has(prefix)) examples.set(prefix, stored[i]);
  }
  const [first, second] = examples;
  if (second)
    throw new Error(
      `${source.files[0]}: tensors stand under ${shown(first[0])} (${first[1]}) and under ${shown(second[0])} (${second[1]}), expected one prefix for all`,
    );
  const unwrapped = plain.every((name, i) => name === stored[i]);
  if (!first || (roots.includes(first[0]) && unwrapped)) return { source, notes: [] };

  const [prefix] = first;
  const storedNames = new Map<string, string>();
  for (const [i, name] of plain.entries()) {
    const familyName = unwrap(name, prefix, roots[0]);
    const other = storedNames.get(familyName);
    if (other !== undefined)
      throw new Error(`${source.files[0]}: tensors ${other} and ${stored[i]} are both ${familyName}, expected one`);
    storedNames.set(familyName, stored[i]);
  }
  const tensors = new Map<string, SourceTensor>();
  for (const [name, from] of storedNames) tensors.set(name, source.tensors.get(from) as SourceTensor);
  const storedName = (name: string) =>
    storedNames.get(name) ?? (name.startsWith(roots[0]) ? prefix + name.slice(roots[0].length) : name);
  const notes = [];
  if (!roots.includes(prefix)) notes.push(`tensor names have ${shown(prefix)} where this family has "${roots[0]}"`);
  if (!unwrapped)
    notes.push(
      `tensor names have wrappers inside (${stored.find((name, i) => name !== plain[i])}), which are left off`,
    );
  return {
    source: {
      tensors,
      storedName,
      files: source.files,
      totalBytes: source.totalBytes,
      read: (name, into) => source.read(storedName(name), into),
      readRange: source.readRange,
      close: source.close,
    },
    notes,
  };
}

/** What stands in front of the embedding, or of the layers, in a name; undefined in names of other tensors. */
function prefixOf(name: string, embedding: string, layers: string): string | undefined {
  if (name === embedding || name.endsWith(`.${embedding}`)) return name.slice(0, -embedding.length);
  const at = `.${name}`.search(new RegExp(`\\.${layers.replace(".", "\\.")}\\d+\\.`));
  return at < 0 ? undefined : name.slice(0, at);
}

/** The head stands beside the model that the prefix ends with, or beside one of its wrappers. */
function unwrap(name: string, prefix: string, root: string): string {
  const [head, outer] = /^(.*\.)?lm_head\.(?:weight|bias)$/.exec(name) ?? [];
  if (head !== undefined && prefix.startsWith(outer ?? "")) return name.slice((outer ?? "").length);
  return name.startsWith(prefix) ? root + name.slice(prefix.length) : name;
}

const shown = (prefix: string) => (prefix === "" ? "no prefix" : `"${prefix}"`);
