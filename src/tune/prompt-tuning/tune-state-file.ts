// A run of prompt tuning on disk, so that it can go on after it was stopped: one safetensors file with parameters, Adam's
// moments and the best rows; the log and what the run was asked for are in its metadata. It is replaced whole.

import { kindOf } from "#platform";
import { encodeF32 } from "../../../weights/dtype.ts";
import { openSafetensors, readF32, writeSafetensors } from "../../../weights/safetensors.ts";
import { FieldError } from "../../field-error.ts";
import type { TuneState } from "./tune-prompt.ts";

/** What a run was asked for: it only goes on under the same. */
export type TuneSettings = Readonly<Record<string, string | number | boolean>>;

/** Writes the file, in place of an earlier one. @throws one sentence that names it; then the earlier one is still there. */
export async function writeTuneState(file: string, state: TuneState, settings: TuneSettings): Promise<void> {
  const groups = {
    parameter: state.parameters,
    m: state.adam.m,
    v: state.adam.v,
    best: new Map([["rows", state.best.rows]]),
  };
  const tensors = Object.entries(groups).flatMap(([group, values]) =>
    [...values].map(([name, data]) => ({
      name: `${group}.${name}`,
      dtype: "F32" as const,
      shape: [data.length],
      data: encodeF32("f32", data),
    })),
  );
  const { rows: _, ...best } = state.best;
  const run = { step: state.step, adamSteps: state.adam.steps, best, log: state.log };
  await writeSafetensors(file, tensors, { run: JSON.stringify(run), settings: JSON.stringify(settings) });
}

/**
 * Reads what `writeTuneState` wrote; undefined if there is no such file.
 * @throws one sentence, if it is broken; FieldError of what the run was asked for otherwise.
 */
export async function readTuneState(file: string, settings: TuneSettings): Promise<TuneState | undefined> {
  if (!(await kindOf(file))) return undefined;
  const checkpoint = await openSafetensors(file);
  try {
    const { metadata } = checkpoint;
    if (metadata.run === undefined || metadata.settings === undefined)
      throw new Error(`${file}: it is no state of a tuning run`);
    const before = JSON.parse(metadata.settings) as TuneSettings;
    const changed = [...new Set([...Object.keys(before), ...Object.keys(settings)])].find(
      (name) => before[name] !== settings[name],
    );
    if (changed !== undefined)
      throw new FieldError(
        changed,
        `the run began with ${changed} ${JSON.stringify(before[changed])}, now it is ${JSON.stringify(settings[changed])}; give the same, or another directory than that of ${file}`,
      );
    const group = async (prefix: string) => {
      const found = new Map<string, Float32Array>();
      for (const name of checkpoint.tensors.keys())
        if (name.startsWith(`${prefix}.`)) found.set(name.slice(prefix.length + 1), await readF32(checkpoint, name));
      return found;
    };
    const { step, adamSteps, best, log } = JSON.parse(metadata.run);
    const [parameters, m, v] = [await group("parameter"), await group("m"), await group("v")];
    const rows = await readF32(checkpoint, "best.rows");
    return { step, parameters, adam: { steps: adamSteps, m, v }, best: { ...best, rows }, log };
  } finally {
    await checkpoint.close();
  }
}
