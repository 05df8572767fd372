// Picks a kernel set at start and says why. A set that was asked for by name is used or the start fails: never another one
// in silence.

import { availableParallelism } from "node:os";
import type { Kernels } from "./kernels.ts";
import { referenceKernels } from "./reference/reference.ts";
import { simdKernels } from "./simd/host/simd.ts";

export interface KernelOptions {
  /** Threads of a set that has any. Default: all cores */
  threads?: number;
}

/** The sets of this build, best first; `auto` takes the first that works here. */
const sets: { name: string; open: (options: KernelOptions) => Kernels }[] = [
  { name: "simd", open: (options) => simdKernels(options) as Kernels },
  { name: "reference", open: () => referenceKernels() },
];

export interface Selection {
  readonly kernels: Kernels;
  /** One sentence: why this set, and why the ones before it were passed over. */
  readonly why: string;
}

/**
 * Opens the kernel set `name`, or with "auto" the best that works.
 * @throws if the name is unknown (the error lists the known ones), the named set does not work here, or `threads` is not
 * from 1 to the number of cores.
 */
export function selectKernels(name = "auto", options: KernelOptions = {}): Selection {
  checkThreads(options.threads);
  if (name !== "auto") {
    const set = sets.find((candidate) => candidate.name === name);
    if (!set)
      throw new Error(`kernels: unknown set "${name}", expected ${["auto", ...sets.map((s) => s.name)].join(", ")}`);
    return { kernels: set.open(options), why: "asked for by name" };
  }
  const passedOver: string[] = [];
  for (const set of sets) {
    try {
      const kernels = set.open(options);
      return { kernels, why: passedOver.length > 0 ? passedOver.join("; ") : "the fastest set" };
    } catch (error) {
      passedOver.push(`${set.name} passed over: ${(error as Error).message}`);
    }
  }
  throw new Error(`kernels: no set works here (${passedOver.join("; ")})`);
}

/** Before any set is tried: a wrong number must not look like a set that does not work. */
function checkThreads(threads: number | undefined): void {
  const cores = availableParallelism();
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= cores))
    throw new RangeError(
      `threads: got ${threads}, expected a whole number from 1 to ${cores}, the cores of this machine`,
    );
}
