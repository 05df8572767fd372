// Opens a kernel set and says why it is this one. A set that was asked for by name is used or the start fails: never another
// one in silence. Only a set that is tried is imported.

import { FieldError } from "../src/field-error.ts";
import type { Kernels } from "./kernels.ts";

export interface KernelOptions {
  /** Threads of a set that has any. Default: all cores */
  threads?: number;
}

/** The sets of this build; `auto` takes the first of `automatic` that works here. */
const sets: Record<string, (options: KernelOptions) => Promise<Kernels>> = {
  webgpu: async () => (await import("./webgpu/webgpu.ts")).webgpuKernels(),
  simd: async (options) => (await import("./simd/host/simd.ts")).simdKernels(options),
  reference: async () => (await import("./reference/reference.ts")).referenceKernels(),
};

const automatic = ["simd", "reference"];

export interface Selection {
  readonly kernels: Kernels;
  /** One sentence: why this set, and why the ones before it were passed over. */
  readonly why: string;
}

/**
 * Opens the kernel set of a name, or with "auto" the best that works; a set that is open already is taken as it is.
 * @throws a FieldError if the name is unknown (it lists the known ones) or `threads` is not a number the set can have; an
 * Error if the named set does not work here.
 */
export async function selectKernels(
  choice: string | Kernels = "auto",
  options: KernelOptions = {},
): Promise<Selection> {
  const { threads } = options;
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1))
    throw new FieldError("threads", `got ${threads}, expected a whole number ≥ 1`);
  if (typeof choice !== "string") {
    checkSet(choice, options);
    return { kernels: choice, why: "given by the caller" };
  }
  if (choice !== "auto") {
    if (!Object.hasOwn(sets, choice))
      throw new FieldError(
        "kernels",
        `unknown set "${choice}", expected ${["auto", ...Object.keys(sets)].join(", ")}`,
        "unknown",
      );
    return { kernels: await sets[choice](options), why: "asked for by name" };
  }
  const passedOver: string[] = [];
  for (const name of automatic) {
    try {
      const kernels = await sets[name](options);
      return { kernels, why: passedOver.length > 0 ? passedOver.join("; ") : "the fastest set" };
    } catch (error) {
      if (error instanceof FieldError) throw error; // a wrong number must not look like a set that does not work
      passedOver.push(`${name} passed over: ${error instanceof Error ? error.message : error}`);
    }
  }
  throw new Error(`kernels: no set works here (${passedOver.join("; ")})`);
}

/** What a caller without types could give; and what would otherwise be dropped in silence. */
function checkSet(set: Kernels, { threads }: KernelOptions): void {
  if (typeof set?.linear !== "function" || typeof set.read !== "function")
    throw new FieldError(
      "kernels",
      `got ${set === null ? "null" : typeof set}, expected a name or a kernel set`,
      "invalid_type",
    );
  if (threads !== undefined)
    throw new FieldError("threads", `got ${threads} beside the kernel set ${set.name}, which is open already`);
}
