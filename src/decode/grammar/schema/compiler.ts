// What the parts of a compilation share: how texts are spelled, the values that have been asked for, the patterns.

import type { Automaton } from "../automaton.ts";
import type { Value } from "../forms.ts";
import type { Escapes } from "../string.ts";
import type { Place } from "./keywords.ts";
import type { Patterns } from "./patterns.ts";

/** How a text is written, or read. */
export interface Spelling {
  readonly escapes: Escapes;
  /** As in a recognizer's style. */
  readonly judged: boolean;
}

export interface Compiler extends Spelling {
  readonly patterns: Patterns;
  /** The value of a set of schemas; filled later, because values contain each other. */
  valueAt(places: readonly Place[]): Value;
  /** Why there are no forms; kept for the case that nothing can be satisfied. */
  conflict(at: string, what: string): [];
  /** The strings of a place; undefined: none. */
  namesIn(place: Place): Automaton | undefined;
}
