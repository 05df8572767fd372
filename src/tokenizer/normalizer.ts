// Normalizers: what tokenizer.json does to text before it is cut. Each is a function from string to string; they run on
// the pieces between added tokens, never on an added token. Source: huggingface/tokenizers src/normalizers.

import { componentOf, type Fields, fieldError, fieldsOf, listOf, stringOf } from "./fields.ts";
import { toNfc } from "./nfc.ts";
import { literal, toRegExp } from "./regex.ts";

export type Normalizer = (text: string) => string;

const builders: Readonly<Record<string, (config: Fields, where: string) => Normalizer>> = {
  Sequence(config, where) {
    const steps = listOf(config.normalizers, `${where}.normalizers`).map((step, i) =>
      createNormalizer(step, `${where}.normalizers[${i}]`),
    );
    return (text) => steps.reduce((result, step) => step(result), text);
  },
  NFC: () => toNfc,
  Prepend(config, where) {
    const prefix = stringOf(config.prepend, `${where}.prepend`);
    return (text) => (text === "" ? text : prefix + text);
  },
  Replace(config, where) {
    const pattern = patternOf(config.pattern, `${where}.pattern`);
    const content = stringOf(config.content, `${where}.content`);
    const plain = fieldsOf(config.pattern, where).String;
    if (typeof plain === "string") return (text) => text.split(plain).join(content); // three times as fast on spaces
    return (text) => text.replace(pattern, () => content);
  },
};

/** The normalizer of tokenizer.json (null: none); throws an Error that names the field on anything unknown. */
export function createNormalizer(value: unknown, where = "normalizer"): Normalizer {
  if (value === null || value === undefined) return (text) => text;
  const config = fieldsOf(value, where);
  return componentOf(builders, config, where)(config, where);
}

/** A pattern field, `{"String": text}` or `{"Regex": source}`, as a RegExp with flags "gu"; throws if it is neither. */
export function patternOf(value: unknown, where: string): RegExp {
  const pattern = fieldsOf(value, where);
  if (typeof pattern.String === "string") return new RegExp(literal(pattern.String), "gu");
  if (typeof pattern.Regex !== "string") throw fieldError(where, value, '{"String": ...} or {"Regex": ...}');
  try {
    return toRegExp(pattern.Regex);
  } catch (error) {
    throw new Error(`tokenizer.json: ${where}: ${(error as Error).message}`);
  }
}
