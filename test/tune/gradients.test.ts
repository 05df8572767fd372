// model.gradients: losses and gradients as asked for, however the work is cut; and what does not fit is refused.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createOps } from "../../kernels/ops.ts";
import { referenceKernels } from "../../kernels/reference/reference.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { loadModel } from "../../src/model/load.ts";
import { embed } from "../../src/model/project.ts";
import { load, type Plainformer } from "../../src/plainformer.ts";
import type { Input } from "../../src/prompt/segments.ts";
import { type CandidateGradientsOptions, type GradientsOptions, gradientsOf } from "../../src/tune/gradients.ts";
import { decodeF32 } from "../../weights/dtype.ts";
import { openSafetensors } from "../../weights/safetensors.ts";
import { expectClose, tolerance } from "../expect-close.ts";
import { readGolden } from "../golden/golden.ts";
import { noise } from "../kernels/noise.ts";
import { kernelSets } from "../model/run.ts";

test.each(kernelSets.flatMap((kernels) => ["llama-gqa", "gpt2"].map((name) => [kernels, name])))(
  "%s: %s: PyTorch's loss and gradients",
  async (kernels, name) => {
    const golden = await readGolden(name);
    const file = await openSafetensors(`${golden.directory}/gradients.safetensors`);
    const expected = async (tensor: string) => decodeF32("f32", await file.read(tensor));
    const { ids } = golden.prompts[1];
    const prompt = ids.length - 30;
    const { ops, model } = await open(golden.directory, kernels);
    const rows = (await embedded(ops, model, ids)).slice(0, prompt * model.config.dModel);
    const input = [{ id: "p", embeds: rows, shape: [prompt, model.config.dModel] as const }];
    const engine = createEngine(ops, model, { cacheTokens: 64 });
    const context = { ops, model, tokenizer };
    const found = await engine.work(gradientsOf(context, { input, targets: [ids.slice(prompt)] }));
    expectClose([found.loss], await expected("loss"), tolerance.gradient, "loss");
    const all = await expected("inputs");
    expectClose(found.gradients.p, all.subarray(0, rows.length), tolerance.gradient, "gradient");
    await file.close();
    ops.kernels.close();
  },
);

const tokenizer = { encode: () => [] } as never; // these checkpoints have none: everything is ids

async function open(directory: string, kernels: string) {
  const { selectKernels } = await import("../../kernels/select.ts");
  const ops = createOps((await selectKernels(kernels)).kernels);
  return { ops, model: (await loadModel(ops, directory)).model };
}

type Opened = Awaited<ReturnType<typeof open>>;

function embedded(ops: Opened["ops"], model: Opened["model"], ids: readonly number[]): Promise<Float32Array> {
  const rows = ops.read(embed(ops, model, ops.upload(Int32Array.from(ids))));
  ops.endStep();
  return rows;
}

describe("the default model", () => {
  let model: Plainformer;
  let rows: (n: number, seed: number) => { embeds: Float32Array; shape: [number, number] };
  beforeAll(async () => {
    model = await load();
    const { dModel } = model.config;
    rows = (n, seed) => ({ embeds: noise(n * dModel, seed).map((x) => x * 0.1), shape: [n, dModel] });
  });
  afterAll(() => model.close());
  const text = (words: number) => "One day the little fox found a red ball. ".repeat(words);

  test("log-probabilities are those of score, the loss is the mean of −log p over all tokens", async () => {
    const input = [{ text: text(9) }, { id: "p", ...rows(5, 1) }, { text: "It was" }];
    const targets = [" a ball", " a very big ball", " nothing at all"];
    const { loss, logprobs, usage } = await model.gradients({ input, targets });
    const scores = await model.score({ input, targets });
    for (const [i, score] of scores.entries())
      expectClose(logprobs[i], score.logprobs, tolerance.logprob, `targets[${i}]`);
    const all = scores.flatMap((score) => score.logprobs);
    expectClose([loss], [-all.reduce((a, b) => a + b, 0) / all.length], tolerance.gradient, "loss");
    expect(usage.embedTokens).toBe(5);
    expect(usage.completionTokens).toBe(all.length);
    expect(usage.totalTokens).toBe(usage.promptTokens + all.length);
    expect(usage.backwardTokens).toBeGreaterThan(usage.promptTokens);
  });

  // Sharing: more than a page of text, then embeddings, then more than a page again.
  const targets = [" a ball", " a very big ball", " a very", " nothing at all", " a ball"];
  const weights = () =>
    targets.map((target, i) =>
      model.tokenizer.encode(target, { addSpecialTokens: false }).map((_, t) => Math.cos(3 * i + t)),
    );

  test("many targets and candidates at once = each alone, where pages are shared and where not", async () => {
    for (const [before, after] of [
      [0, 1],
      [9, 1],
      [9, 9],
    ]) {
      const segments = (p: object) => [{ text: text(before) }, { id: "p", ...p }, { text: text(after) }] as never;
      const candidates = [rows(5, 1), rows(9, 2)];
      const options = { input: segments(rows(5, 9)), targets, weights: weights(), candidates };
      const together = await model.candidateGradients(options);
      let alone = 0;
      for (const [c, candidate] of candidates.entries()) {
        const sum = new Float32Array(candidate.embeds.length);
        for (const [i, target] of targets.entries()) {
          const one = await model.gradients({ input: segments(candidate), targets: [target], weights: [weights()[i]] });
          expectClose(together.candidates[c].logprobs[i], one.logprobs[0], tolerance.gradient, "logprobs");
          for (const [at, value] of one.gradients.p.entries()) sum[at] += value;
          alone += one.usage.backwardTokens;
        }
        expectClose(
          together.candidates[c].gradients.p,
          sum,
          tolerance.gradient,
          `candidate ${c} of ${before}, ${after}`,
        );
      }
      expect(together.usage.backwardTokens).toBeLessThan(alone);
    }
  });

  test("weights: −1/n of each token is the cross-entropy; gradients of several segments come back by their names", async () => {
    const input = [{ id: "a", ...rows(3, 1) }, { text: "It was" }, { ...rows(2, 2) }];
    const n = model.tokenizer.encode(" a big ball", { addSpecialTokens: false }).length;
    const plain = await model.gradients({ input, targets: [" a big ball"], loss: "cross_entropy" });
    const weighted = await model.gradients({ input, targets: [" a big ball"], weights: [new Array(n).fill(-1 / n)] });
    expect(weighted.loss).toBeCloseTo(plain.loss, 6);
    expect(weighted.gradients).toEqual(plain.gradients);
    expect(Object.keys(plain.gradients).toSorted()).toEqual(["2", "a"]);
    expect(plain.gradients.a.length).toBe(3 * model.config.dModel);
    expect(plain.gradients["2"].length).toBe(2 * model.config.dModel);
  });

  test("one array in two segments has two gradients, which are not the same", async () => {
    const p = rows(2, 1);
    const input = [{ id: "a", ...p }, { text: "It was" }, { id: "b", ...p }];
    const { gradients } = await model.gradients({ input, targets: [" a"] });
    const other = await model.gradients({ input: [input[0], input[1], { id: "b", ...rows(2, 1) }], targets: [" a"] });
    expect(gradients).toEqual(other.gradients);
    expect(gradients.a).not.toEqual(gradients.b);
  });

  test("computing layers again gives the same bits", async () => {
    const input = [{ text: text(4) }, { id: "p", ...rows(5, 1) }];
    const plain = await model.gradients({ input, targets });
    expect(await model.gradients({ input, targets, recompute: true })).toEqual(plain);
  });

  test("a step down the gradient lowers the loss by as much as it says", async () => {
    const p = rows(4, 1);
    const input = (embeds: Float32Array) => [{ id: "p", embeds, shape: p.shape }, { text: "It was" }];
    const { loss, gradients } = await model.gradients({ input: input(p.embeds), targets: [" a ball"] });
    const squares = gradients.p.reduce((sum, g) => sum + g * g, 0);
    const rate = 1e-3 / Math.sqrt(squares);
    const moved = p.embeds.map((value, i) => value - rate * gradients.p[i]);
    const after = await model.gradients({ input: input(moved), targets: [" a ball"] });
    expectClose([loss - after.loss], [rate * squares], 0.02, "descent");
  });

  test("generation in the meantime is not disturbed, and does not disturb", async () => {
    const input = [{ text: text(4) }, { id: "p", ...rows(5, 1) }];
    const alone = await model.gradients({ input, targets });
    const words = async () => {
      for await (const event of model.generate({ input: text(2), maxTokens: 20, temperature: 0 }))
        if (event.type === "end") return event.text;
      throw new Error("no end");
    };
    const before = await words();
    const [during, beside] = await Promise.all([words(), model.gradients({ input, targets })]);
    expect(during).toBe(before);
    expect(beside).toEqual(alone);
  });

  const good = () => ({ input: [{ id: "p", ...rows(2, 1) }], targets: [[5, 6], [7]] });
  test.each<[string, () => Partial<GradientsOptions>, string | (() => string)]>([
    [
      "no embeds",
      () => ({ input: "text" }),
      "input: it has no embeds segment, expected at least one that gradients are wanted by",
    ],
    ["no targets", () => ({ targets: [] }), "targets: expected a list of at least one text or list of token ids"],
    ["an empty target", () => ({ targets: [[5], []] }), "targets[1]: it is empty, expected at least one token"],
    ["an empty text", () => ({ targets: [""] }), "targets[0]: it is empty, expected at least one token"],
    [
      "an unknown id",
      () => ({ targets: [[-1]] }),
      () => `targets[0]: token 0 is -1, expected a whole number from 0 to ${model.config.vocabSize - 1}`,
    ],
    [
      "a long target",
      () => ({ targets: [new Array(100_000).fill(5)] }),
      () => `targets[0]: 100000 tokens do not fit, expected at most ${model.config.maxSeqLen - 2} after this input`,
    ],
    ["few weights", () => ({ weights: [[1, 1]] }), "weights: got 1 lists, expected 2, one for each target"],
    [
      "short weights",
      () => ({ weights: [[1], [1]] }),
      "weights[0]: got 1 numbers, expected 2, one for each token of targets[0]",
    ],
    [
      "weights that are none",
      () => ({ weights: [[1, Number.NaN], [1]] }),
      "weights[0][1]: got NaN, expected a finite number",
    ],
    [
      "loss and weights",
      () => ({ loss: "cross_entropy", weights: [[1, 1], [1]] }),
      "weights: there is a loss too, expected one of both",
    ],
    ["another loss", () => ({ loss: "mse" as never }), 'loss: got "mse", expected "cross_entropy", or weights instead'],
    [
      "a name twice",
      () => ({
        input: [
          { id: "p", ...rows(1, 1) },
          { id: "p", ...rows(1, 1) },
        ],
      }),
      'input[1].id: "p" is there twice, expected different ids',
    ],
  ])("refused: %s", async (_, change, message) => {
    await expect(model.gradients({ ...good(), ...change() })).rejects.toThrow(
      typeof message === "string" ? message : message(),
    );
  });

  test.each<[string, () => Pick<CandidateGradientsOptions, "candidates"> & { input?: Input }, string | (() => string)]>(
    [
      ["no candidates", () => ({ candidates: [] }), "candidates: expected a list of at least one { embeds, shape }"],
      [
        "a narrow candidate",
        () => ({ candidates: [rows(2, 1), { embeds: new Float32Array(6), shape: [2, 3] }] }),
        () => `candidates[1].shape: rows are 3 wide, expected the model's width of ${model.config.dModel}`,
      ],
      [
        "an empty candidate",
        () => ({ candidates: [{ embeds: new Float32Array(0), shape: [0, 1] }] }),
        "candidates[0].shape: it has no rows, expected at least one",
      ],
      [
        "candidates for two",
        () => ({ input: [{ ...rows(1, 1) }, { ...rows(1, 2) }], candidates: [rows(1, 1)] }),
        "candidates: the input has 2 embeds segments, expected one that they take the place of",
      ],
      [
        "candidates for a text",
        () => ({ input: "text", candidates: [rows(1, 1)] }),
        "candidates: the input has 0 embeds segments, expected one that they take the place of",
      ],
    ],
  )("refused: %s", async (_, change, message) => {
    const options = { ...good(), ...change() };
    const expected = typeof message === "string" ? message : message();
    await expect(model.candidateGradients(options)).rejects.toThrow(expected);
    await expect(model.candidateScores(options)).rejects.toThrow(expected);
  });

  test("an aborted call ends with the signal's reason", async () => {
    const reason = new Error("enough");
    await expect(model.gradients({ ...good(), signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

test("a kernel set without derivatives is named", async () => {
  const { directory } = await readGolden("llama-gqa");
  const ops = createOps({ ...referenceKernels(), name: "tiny", derivatives: undefined });
  const { model } = await loadModel(ops, directory);
  const input = [{ embeds: new Float32Array(32), shape: [1, 32] as const }];
  expect(() => gradientsOf({ ops, model, tokenizer }, { input, targets: [[1]] })).toThrow(
    "the tiny kernels have no derivatives, expected a set that has them: simd, reference",
  );
});
