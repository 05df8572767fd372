// From an opened checkpoint to a Model: config.json chooses the family, the family takes its tensors, and nothing may be
// missing or left over. Each tensor is read straight into its place. Files are opened in open.ts.

import type { Ops } from "../../kernels/ops.ts";
import { fingerprintOf } from "../../weights/fingerprint.ts";
import { checkNames, FieldError, type Names } from "../field-error.ts";
import { fieldsOf } from "./families/config-json.ts";
import { familyOf } from "./families/known-families.ts";
import { ropeFactorsName, withRopeFactors } from "./families/rope-json.ts";
import { assertFits, type TakeOptions, weightsOf } from "./families/take-weights.ts";
import type { Model } from "./model.ts";
import { type OpenModel, openModel } from "./open.ts";

/** Dtypes that weights can be turned into at load. */
export const weightDTypes = ["f32", "bf16", "f16", "q8_0", "q4_0", "q4_1", "q4_K", "q6_K"] as const;
export type WeightDType = (typeof weightDTypes)[number];

export type LoadOptions = TakeOptions & { dtype?: WeightDType };

const loadOptionNames = { dtype: true, onProgress: true } satisfies Names<LoadOptions>;

export interface LoadedModel {
  readonly model: Model;
  /** Ids that end a text. */
  readonly endIds: readonly number[];
  readonly files: readonly string[];
  /** What was read otherwise than the files have it, in sentences: other tensor names, another dtype. */
  readonly notes: readonly string[];
  /** Tells the checkpoint from any other. */
  readonly fingerprint: string;
}

/**
 * Opens the model at a path or a URL (open.ts), and builds it.
 * @throws as `openModel` and `buildModel`.
 */
export async function loadModel(ops: Ops, place: string, options: LoadOptions = {}): Promise<LoadedModel> {
  checkNames(options, loadOptionNames);
  const opened = await openModel(place);
  return buildModel(ops, opened, options).finally(opened.source.close);
}

/**
 * The model in an opened checkpoint, on a kernel set.
 * @throws one sentence, if a tensor is missing, broken, left over or of another shape, or the family is unknown; FieldError,
 * if the kernels do not read the dtype that was asked for.
 */
export async function buildModel(ops: Ops, opened: OpenModel, options: LoadOptions = {}): Promise<LoadedModel> {
  const { place, json, where, source, endIds, notes } = opened;
  const { name, weightDTypes } = ops.kernels;
  if (options.dtype && !weightDTypes.includes(options.dtype))
    throw new FieldError(
      "dtype",
      `the ${name} kernels do not read ${options.dtype}, expected ${weightDTypes.join(", ")}`,
    );
  const family = familyOf(json, where);
  assertFits(ops, place, source, options.dtype);
  const fields = fieldsOf(json, where);
  const config = await withRopeFactors(family.config(fields), source);
  const taken = new Set(config.rope?.scaling.type === "factors" ? [ropeFactorsName] : []);
  const model = await family.model(config, fields, weightsOf(ops, source, taken, options));
  const extra = [...source.tensors.keys()].filter((name) => !taken.has(name) && !family.ignores(name, fields));
  if (extra.length > 0) {
    const names = some(extra.map((name) => source.storedName?.(name) ?? name));
    throw new Error(`${place}: ${extra.length} tensors have no place in a ${config.modelType} model: ${names}`);
  }
  return { model, endIds, files: source.files, notes, fingerprint: await fingerprintOf(config, source) };
}

function some(names: readonly string[]): string {
  return names.slice(0, 3).join(", ") + (names.length > 3 ? ", …" : "");
}
