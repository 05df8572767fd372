// Opens a kernel set and says why it is this one. A set that was asked for by name is used or the start fails: never another
// one in silence. Only a set that is tried is imported.

import { checkNames, FieldError, type Names } from "../src/field-error.ts";
import { exactKernels } from "./exact.ts";
import type { Kernels } from "./kernels.ts";

export interface KernelOptions {
  /** Threads of a set that has any. Default: all cores */
  threads?: number;
  /** Round nothing before products with quantized weights. Default false: the set may, for speed */
  exact?: boolean;
}

/** The sets of this build; `auto` takes the first of `automatic` that works here, or a GPU that is faster (`fasterOnGpu`). */
const sets: Record<string, (options: Pick<KernelOptions, "threads">) => Promise<Kernels>> = {
  webgpu: async () => (await import("./webgpu/webgpu.ts")).webgpuKernels(),
  simd: async (options) => (await import("./simd/host/simd.ts")).simdKernels(options),
  reference: async () => (await import("./reference/reference.ts")).referenceKernels(),
};

const automatic = ["simd", "reference"];

const kernelOptionNames = { threads: true, exact: true } satisfies Names<KernelOptions>;

/** Every set's name. */
export const setNames: readonly string[] = Object.keys(sets);

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
  checkNames(options, kernelOptionNames);
  const { threads, exact } = options;
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1))
    throw new FieldError("threads", `got ${threads}, expected a whole number ≥ 1`);
  if (typeof choice !== "string") {
    checkSet(choice, options);
    return { kernels: exact ? exactKernels(choice) : choice, why: "given by the caller" };
  }
  if (choice !== "auto") {
    if (!Object.hasOwn(sets, choice))
      throw new FieldError(
        "kernels",
        `unknown set "${choice}", expected ${["auto", ...Object.keys(sets)].join(", ")}`,
        "unknown",
      );
    return { kernels: await open(choice, options), why: "asked for by name" };
  }
  const passedOver: string[] = [];
  for (const name of automatic) {
    try {
      const kernels = await open(name, options);
      return { kernels, why: passedOver.length > 0 ? passedOver.join("; ") : "the fastest set" };
    } catch (error) {
      if (error instanceof FieldError && error.code !== "unsupported") throw error; // a wrong number must not look like a set that does not work
      passedOver.push(`${name} passed over: ${error instanceof Error ? error.message : error}`);
    }
  }
  throw new Error(`kernels: no set works here (${passedOver.join("; ")})`);
}

/**
 * What `auto` chose, or the WebGPU set in its place: where there is an adapter that is no processor in disguise, and it takes
 * more decode steps a second in a model of about so many weights. `why` has the reason, with both figures if there are any.
 */
export async function fasterOnGpu(chosen: Selection, nWeights: number): Promise<Selection> {
  try {
    const { openAdapter } = await import("./webgpu/device.ts");
    const { software, about } = await openAdapter();
    if (software) return { ...chosen, why: `${chosen.why}; webgpu passed over: ${about} is no GPU` };
    return await faster(chosen, () => sets.webgpu({}), nWeights);
  } catch (error) {
    return { ...chosen, why: `${chosen.why}; webgpu passed over: ${error instanceof Error ? error.message : error}` };
  }
}

/** The faster of a set that is open and one that can be opened; the other is closed. */
export async function faster(chosen: Selection, open: () => Promise<Kernels>, nWeights: number): Promise<Selection> {
  const { stepsPerSecond } = await import("./steps-per-second.ts");
  const other = await open();
  try {
    const figures = [await stepsPerSecond(other, nWeights), await stepsPerSecond(chosen.kernels, nWeights)];
    const [others, ours] = figures.map((figure) => `${figure.toFixed(1)} steps a second`);
    const why = `the fastest set: ${other.name} takes ${others}, ${chosen.kernels.name} ${ours}`;
    if (figures[0] <= figures[1]) return { ...chosen, why };
    const kernels = await open(); // without what the trial has kept
    chosen.kernels.close();
    return { kernels, why };
  } finally {
    other.close();
  }
}

/** @throws FieldError of `exact` if the set cannot; it is closed then. */
async function open(name: string, { threads, exact }: KernelOptions): Promise<Kernels> {
  const kernels = await sets[name]({ threads });
  try {
    return exact ? exactKernels(kernels) : kernels;
  } catch (error) {
    kernels.close();
    throw error;
  }
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
