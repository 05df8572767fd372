// The places of a forward pass: the table says what is there, whoever is at one reads and changes exactly that, and what a
// place does not allow is refused by name.

import { describe, expect, test } from "vitest";
import { pageSize } from "../../kernels/kernels.ts";
import { createOps } from "../../kernels/ops.ts";
import { selectKernels } from "../../kernels/select.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { FieldError } from "../../src/field-error.ts";
import { type Hook, placesOf, placeWith } from "../../src/hooks.ts";
import { loadModel } from "../../src/model/load.ts";
import { readGolden } from "../golden/golden.ts";
import { collect, kernelSets, logitsOf } from "./run.ts";

async function open(name: string, kernels: string) {
  const golden = await readGolden(name);
  const ops = createOps((await selectKernels(kernels)).kernels);
  const { model } = await loadModel(ops, golden.directory);
  return { ops, model, ids: golden.prompts[1].ids };
}

describe.each(kernelSets.flatMap((kernels) => ["llama-gqa", "qwen3", "gpt2"].map((name) => [kernels, name])))(
  "%s: %s",
  async (kernels, name) => {
    const { ops, model, ids } = await open(name, kernels);
    const all = placesOf(model);
    const run = (hooks: readonly Hook[]) => logitsOf(ops, model, ids, { place: placeWith(ops, model, hooks) });
    const plain = await logitsOf(ops, model, ids);

    test("the table names what is there, in order, with its shape", async () => {
      const { place, seen } = collect(ops, model);
      expect(await logitsOf(ops, model, ids, { place })).toEqual(plain);
      expect([...seen.keys()]).toEqual(all.map(({ name }) => name));
      expect([...seen.keys()].some((name) => name.endsWith(".gate"))).toBe(name !== "gpt2");
      const columns = Math.ceil(ids.length / pageSize) * pageSize;
      for (const { name, facts } of all)
        expect(seen.get(name)?.shape, name).toEqual([ids.length, ...facts.shape(model.config, columns)]);
    });

    test("what is added or put in the place of a value is what the rest depends on", async () => {
      for (const { name: at, facts } of all.filter(({ facts }) => facts.allows.includes("add"))) {
        expect(facts.allows).toContain("replace");
        const { place, seen } = collect(ops, model, [at]);
        await logitsOf(ops, model, ids, { place });
        const { shape, values } = seen.get(at) as { shape: readonly number[]; values: Promise<Float32Array> };
        const own = await values;
        const delta = own.map((_, i) => 0.5 * Math.sin(i));
        const sum = own.map((value, i) => value + delta[i]);
        const logits = {
          replacedByItself: await run([{ at, replace: () => ops.upload(own, shape) }]),
          added: await run([{ at, add: () => ops.upload(delta, shape) }]),
          replacedBySum: await run([{ at, replace: () => ops.upload(sum, shape) }]),
        };
        expect(equal(logits.replacedByItself, plain), at).toBe(true);
        expect(equal(logits.added, plain), at).toBe(false);
        expect(equal(logits.replacedBySum, logits.added), at).toBe(true);
      }
    });

    test("nothing behind the residual stream depends on anything before it", async () => {
      const { place, seen } = collect(ops, model, ["residual.1"]);
      const others = ids.map((id) => (id * 5 + 1) % model.config.vocabSize);
      const theirs = await logitsOf(ops, model, others, { place });
      const { shape = [], values } = seen.get("residual.1") ?? {};
      const stream = (await values) as Float32Array;
      expect(await run([{ at: "residual.1", replace: () => ops.upload(stream, shape) }])).toEqual(theirs);
      expect(theirs).not.toEqual(plain);
    });

    test("hooks at one place follow each other, each with what the one before it left", async () => {
      const order: string[] = [];
      const values: Promise<Float32Array>[] = [];
      const half = (x: Tensor) => ops.upload(new Float32Array(x.shape[0] * x.shape[1]).fill(0.5), x.shape);
      const note = (step: string) => (x: Tensor, name: string) => {
        order.push(`${step} ${name}`);
        values.push(ops.read(x));
      };
      await run([
        { at: "layers.1.v", read: note("first") },
        { at: "layers.*.v", replace: half, add: half, read: note("second") },
        { at: "*.1.v", read: note("third") },
      ]);
      expect(order).toEqual(["second layers.0.v", "first layers.1.v", "second layers.1.v", "third layers.1.v"]);
      const [zero, first, second, third] = await Promise.all(values);
      for (const changed of [zero, second, third]) expect(changed.every((value) => value === 1)).toBe(true);
      expect(first).not.toEqual(second);
    });
  },
);

describe("refused", async () => {
  const { ops, model, ids } = await open("llama-gqa", "reference");
  const give = (x: Tensor) => x;
  const { nLayers } = model.config;

  test.each<[string, Hook[], string, string, string]>([
    [
      "to replace probabilities",
      [{ at: "layers.1.probs", replace: give }],
      "hooks[0].replace",
      "layers.1.probs does not allow it, expected read",
      "unsupported",
    ],
    [
      "to add to probabilities",
      [{ at: "final" }, { at: "layers.*.probs", add: give }],
      "hooks[1].add",
      "layers.0.probs does not allow it, expected read",
      "unsupported",
    ],
    [
      "to replace everything in a layer",
      [{ at: "layers.1.*", replace: give }],
      "hooks[0].replace",
      "layers.1.probs does not allow it, expected read",
      "unsupported",
    ],
    [
      "a name with a letter too few",
      [{ at: "layers.0.prob" }],
      "hooks[0].at",
      'no place is called "layers.0.prob", expected one such as layers.0.probs, layers.1.probs, layers.0.q',
      "unknown",
    ],
    [
      "a pattern with a letter too few",
      [{ at: "layers.*.head" }],
      "hooks[0].at",
      'no place is called "layers.*.head", expected one such as layers.*.heads, layers.*.q, layers.*.k',
      "unknown",
    ],
    [
      "a layer too many",
      [{ at: `residual.${nLayers + 1}` }],
      "hooks[0].at",
      `no place is called "residual.${nLayers + 1}", expected one such as residual.0, residual.1, residual.2`,
      "unknown",
    ],
    [
      "a name like none",
      [{ at: "hidden_states" }],
      "hooks[0].at",
      'no place is called "hidden_states", expected one such as residual.*, layers.*.attentionNorm, layers.*.q, layers.*.k, layers.*.v, layers.*.probs, layers.*.heads, layers.*.attention, layers.*.between, layers.*.feedForwardNorm, layers.*.gate, layers.*.up, layers.*.activation, layers.*.feedForward, final, logits',
      "unknown",
    ],
    ["no name", [{ at: "" }], "hooks[0].at", 'no place is called "", expected one such as', "unknown"],
  ])("%s", (_, hooks, field, problem, code) => {
    const error = caught(() => placeWith(ops, model, hooks));
    expect(error).toBeInstanceOf(FieldError);
    expect(error).toMatchObject({ field, code });
    expect((error as FieldError).problem).toContain(problem);
  });

  test("a name of 10 MB is answered at once", { timeout: 5000 }, () => {
    expect(caught(() => placeWith(ops, model, [{ at: "layers.0.q".repeat(1_000_000) }]))).toBeInstanceOf(FieldError);
  });

  test.each<Hook>([
    { at: "layers.1.q", replace: () => ops.upload(new Float32Array(4), [2, 2]) },
    { at: "layers.1.q", add: () => ops.upload(new Float32Array(4), [2, 2]) },
  ])("a tensor of another shape: %o", async (hook) => {
    const run = logitsOf(ops, model, ids, { place: placeWith(ops, model, [hook]) });
    await expect(run).rejects.toThrow("layers.1.q: a hook gave a tensor of shape [2,2], expected [");
    ops.endStep();
  });
});

/** Equal to the bit; faster than an assertion. */
function equal(a: Float32Array, b: Float32Array): boolean {
  const [bytes, others] = [a, b].map(({ buffer, byteOffset, byteLength }) =>
    Buffer.from(buffer, byteOffset, byteLength),
  );
  return bytes.equals(others);
}

function caught(attempt: () => unknown): unknown {
  try {
    return attempt();
  } catch (error) {
    return error;
  }
}
