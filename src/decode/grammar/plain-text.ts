// A whole answer in a language: one of a few texts, or what a pattern matches, neither quoted nor escaped. It is built on the
// machine of the same string in JSON, which is given each byte as JSON spells it.

import { FieldError, inField, shown } from "../../field-error.ts";
import { languageOf, searchAutomaton } from "./automaton.ts";
import { dead, tabulate } from "./byte-machine.ts";
import { machineForm, type Script } from "./forms.ts";
import { type Language, words } from "./language.ts";
import { parseRegex, type Regex } from "./regex.ts";
import { limited } from "./schema/patterns.ts";
import { stringMachine } from "./string.ts";

/** The whole text matches a pattern, as if it stood between ^ and $, or is one of some texts. */
export type TextSpec =
  | { readonly kind: "regex"; readonly pattern: string }
  | { readonly kind: "choice"; readonly texts: readonly string[] };

const quote = 0x22;

/** The script of such a text. @throws FieldError of `pattern` or `texts` */
export function textScript(spec: TextSpec): Script {
  const language = spec.kind === "choice" ? words(textsOf(spec.texts)) : patternLanguage(spec.pattern);
  const json = stringMachine(language, "needed");
  const spelled = Array.from({ length: 128 }, (_, code) =>
    new TextEncoder().encode(JSON.stringify(String.fromCharCode(code)).slice(1, -1)),
  );
  const machine = tabulate<number>({
    start: json.next(json.start, quote),
    key: (state) => state,
    step(state, byte) {
      let at = state;
      for (const one of byte < 128 ? spelled[byte] : [byte]) if (at !== dead) at = json.next(at, one);
      return at === dead ? undefined : at;
    },
    accepts: (state) => json.next(state, quote) !== dead,
  });
  const end: Script = { kind: "end" };
  const text: Script = { kind: "value", value: { forms: [machineForm(machine)], height: 0 }, next: end };
  if (!language.accepts(language.start)) return text;
  if (language.texts(language.start) === 1)
    throw new FieldError(spec.kind === "choice" ? "texts" : "pattern", "nothing but the empty text is allowed by it");
  return { kind: "choice", options: [text, end] };
}

function textsOf(texts: readonly string[]): readonly string[] {
  if (!Array.isArray(texts) || texts.length === 0)
    throw new FieldError("texts", `got ${shown(texts)}, expected a list of at least one text`, "invalid_type");
  for (const [i, text] of texts.entries())
    if (typeof text !== "string" || /\p{Surrogate}/u.test(text))
      throw new FieldError(`texts[${i}]`, `got ${shown(text)}, expected a text`, "invalid_type");
  return texts;
}

function patternLanguage(pattern: string): Language {
  if (typeof pattern !== "string")
    throw new FieldError("pattern", `got ${shown(pattern)}, expected a text`, "invalid_type");
  const whole = (): Regex => ({ kind: "sequence", parts: [{ kind: "start" }, parseRegex(pattern), { kind: "end" }] });
  const automaton = inField("pattern", () => limited("", "it", () => searchAutomaton(whole())));
  if (!automaton) throw new FieldError("pattern", `no text matches ${shown(pattern)}`);
  return languageOf(automaton);
}
