// A schema as the compiler sees it: the constraints of one schema object in one form, whatever draft it was written in.
// dialect.ts makes it from JSON, complement.ts turns it round; nothing here knows a keyword's spelling. Each member says
// something about values of its own type only, as JSON Schema has it; `types` alone says which types there may be.

import type { Bound } from "../number-range.ts";
import type { Formula } from "./presence.ts";

/** Sets of types as bits. A number is an integer or a fraction: so "not an integer" is a set too. */
export const types = { null: 1, boolean: 2, integer: 4, fraction: 8, string: 16, array: 32, object: 64 } as const;
export type Types = number;
export const numberTypes = types.integer | types.fraction;
export const allTypes = 127;

/** A schema by name: two places of the same name are the same schema, so what is made of it is made once. */
export interface Place {
  readonly name: string;
  /** The JSON pointer of what it was made from; for errors. */
  readonly at: string;
  readonly schema: boolean | Keywords;
}

/** A pattern or format that must hold, or must not. */
export interface Signed {
  readonly name: string;
  readonly not: boolean;
  readonly at: string;
}

/** Of the items from index `from` on, `min` to `max` are in `place`. */
export interface Contains {
  readonly place: Place;
  readonly from: number;
  readonly min: number;
  readonly max: number;
  readonly at: string;
}

/** Some key is there whose name is in `names` (absent: matches `pattern`; else is none of `beyond`) and its value in `place`. */
export interface Exists {
  readonly at: string;
  readonly name: string;
  readonly keys:
    | { readonly pattern: string }
    | { readonly beyond: ReadonlySet<string>; readonly patterns: readonly string[] }
    | { readonly names: Place };
  readonly place: Place;
}

export interface Keywords {
  /** Where it stands, a JSON pointer. */
  readonly at: string;
  readonly types?: Types;
  /** The value is in each of the lists. */
  readonly enums?: readonly (readonly unknown[])[];
  /** Scalars that the value is not. */
  readonly except?: readonly (string | number | boolean | null)[];

  readonly min?: Bound;
  readonly max?: Bound;
  readonly multiples?: readonly number[];
  readonly notMultiples?: readonly number[];

  readonly minLength?: number;
  readonly maxLength?: number;
  readonly patterns?: readonly Signed[];
  readonly formats?: readonly Signed[];

  readonly prefixItems?: readonly Place[];
  /** Items beyond the prefix. */
  readonly items?: Place;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly contains?: readonly Contains[];
  readonly uniqueItems?: true;
  readonly unevaluatedItems?: Place;

  readonly properties?: ReadonlyMap<string, Place>;
  readonly patternProperties?: readonly { readonly pattern: string; readonly place: Place }[];
  readonly additionalProperties?: Place;
  readonly unevaluatedProperties?: Place;
  readonly propertyNames?: Place;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  /** Which keys are there. */
  readonly presence?: Formula;
  readonly exists?: readonly Exists[];

  readonly allOf?: readonly Place[];
  readonly choices?: readonly Choice[];
  readonly not?: readonly Place[];
}

/** One of several schemas holds: at least one, or exactly one. */
export interface Choice {
  readonly at: string;
  readonly exactly: boolean;
  readonly options: readonly Place[];
}

/** A schema of a branch: its own keywords, its name, and those of the schemas that led to it at the same place. */
export interface Member extends Keywords {
  readonly name: string;
  readonly above: readonly string[];
}

export interface Branch {
  readonly members: readonly Member[];
  /** A key that must be there besides all that are declared. */
  readonly witness: Exists | undefined;
}

/** A place whose schema is made when it is looked at. */
export function placeOf(name: string, at: string, make: () => boolean | Keywords): Place {
  let made: { schema: boolean | Keywords } | undefined;
  return {
    name,
    at,
    get schema() {
      made ??= { schema: make() };
      return made.schema;
    },
  };
}

/** The type of a JSON value. */
export function typeOf(value: unknown): Types {
  if (value === null) return types.null;
  if (typeof value === "number") return Number.isInteger(value) ? types.integer : types.fraction;
  if (typeof value === "object") return Array.isArray(value) ? types.array : types.object;
  return typeof value === "string" ? types.string : types.boolean;
}

/** A text that two values share if they are equal: keys sorted, so that their order does not count. */
export function canonical(value: unknown): string {
  if (typeof value === "string") return `"${value}`;
  if (typeof value !== "object" || value === null) return String(value);
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
