// Picks a kernel set at start and says why. A set that was asked for by name is used or the start fails: never another one
// in silence.

import type { Kernels } from "./kernels.ts";
import { referenceKernels } from "./reference/reference.ts";

/** The sets of this build, best first; `auto` takes the first that works here. */
const sets: { name: string; open: () => Kernels }[] = [{ name: "reference", open: referenceKernels }];

export interface Selection {
  readonly kernels: Kernels;
  /** One sentence: why this set, and why the ones before it were passed over. */
  readonly why: string;
}

/**
 * Opens the kernel set `name`, or with "auto" the best that works.
 * @throws if the name is unknown (the error lists the known ones) or the named set does not work here.
 */
export function selectKernels(name = "auto"): Selection {
  if (name !== "auto") {
    const set = sets.find((candidate) => candidate.name === name);
    if (!set)
      throw new Error(`kernels: unknown set "${name}", expected ${["auto", ...sets.map((s) => s.name)].join(", ")}`);
    return { kernels: set.open(), why: "asked for by name" };
  }
  const passedOver: string[] = [];
  for (const set of sets) {
    try {
      const kernels = set.open();
      const why =
        passedOver.length > 0
          ? passedOver.join("; ")
          : sets.length === 1
            ? "the only set of this build"
            : "the fastest set";
      return { kernels, why };
    } catch (error) {
      passedOver.push(`${set.name} passed over: ${(error as Error).message}`);
    }
  }
  throw new Error(`kernels: no set works here (${passedOver.join("; ")})`);
}
