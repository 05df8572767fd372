// What the arguments of a tool may be, for whoever reads raw text: `5` in a tag is a number where the tool takes numbers, and
// text where it takes strings alone. Where it takes both, what is valid as something else than a string is that.

import type { Script, Value } from "./forms.ts";
import { isStringForm } from "./notation.ts";
import { createRecognizer, type Frame, mayEnd, type Style } from "./recognizer.ts";
import { valueOfSchema } from "./schema/compile.ts";

export interface ArgumentKind {
  readonly mayBeString: boolean;
  readonly onlyString: boolean;
  /** Whether a text of JSON is a valid value that is no string. */
  isOther(json: string): boolean;
}

const judging: Style = { spaces: { around: 256, inside: 256, tight: 256 }, escapes: "all", judged: true };

/** The kinds of the arguments that parameters declare; none where they cannot be read. */
export function argumentKinds(parameters: unknown): ReadonlyMap<string, ArgumentKind> {
  let value: Value;
  try {
    value = valueOfSchema(parameters, judging);
  } catch {
    return new Map(); // a grammar would have refused them: whatever comes is taken as it looks
  }
  const forms = new Map<string, Value["forms"]>();
  for (const form of value.forms)
    for (const { name, value } of form.kind === "object" ? form.properties : [])
      forms.set(name, [...(forms.get(name) ?? []), ...value.forms]);
  return new Map([...forms].map(([name, list]) => [name, kindOf(list)]));
}

function kindOf(forms: Value["forms"]): ArgumentKind {
  const others = forms.filter((form) => !isStringForm(form));
  const height = Math.min(...others.map((form) => ("height" in form ? form.height : 0)));
  const script: Script = { kind: "value", value: { forms: others, height }, next: { kind: "end" } };
  return {
    mayBeString: others.length < forms.length,
    onlyString: others.length === 0,
    isOther(json) {
      if (others.length === 0) return false;
      const { start, step } = createRecognizer(script, judging);
      let frames: readonly Frame[] = start;
      for (const byte of new TextEncoder().encode(json)) frames = frames.flatMap((frame) => step(frame, byte));
      return frames.some(mayEnd);
    },
  };
}
