// POST /gradients: the library's numbers in the form that was sent; what is wrong is refused by name.

import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { FieldError } from "../../../src/field-error.ts";
import { loadInWorker } from "../../../src/plainformer.ts";
import { decodeF32, encodeF32 } from "../../../weights/dtype.ts";
import { expectClose, tolerance } from "../../expect-close.ts";
import { noise } from "../../kernels/noise.ts";
import { api } from "./api.ts";

const { ask, refused, served } = await api();
const { dModel } = served.config;
const values = (n: number, seed: number) => noise(n * dModel, seed).map((x) => x * 0.1);
const nested = (embeds: Float32Array) =>
  Array.from({ length: embeds.length / dModel }, (_, r) => [...embeds.subarray(r * dModel, (r + 1) * dModel)]);
const packed = (embeds: Float32Array, dtype: "f32" | "f16" | "bf16" = "f32") => ({
  shape: [embeds.length / dModel, dModel],
  dtype,
  data: Buffer.from(encodeF32(dtype, embeds)).toString("base64"),
});
const unpacked = ({ dtype, data }: { dtype: "f32" | "f16" | "bf16"; data: string }) =>
  decodeF32(dtype, Uint8Array.from(Buffer.from(data, "base64")));

const text = { type: "text", text: " It was" };
const targets = [" a ball", [5, 6]];

test("loss, log-probabilities and a gradient for each segment, in the form it came in", async () => {
  const [a, b, c] = [values(3, 1), values(2, 2), values(1, 3)];
  const exact = (embeds: Float32Array, dtype: "f16" | "bf16") => decodeF32(dtype, encodeF32(dtype, embeds));
  const input = [
    { type: "embeds", id: "a", embeds: nested(a) },
    text,
    { type: "embeds", id: "b", embeds: packed(b) },
    { type: "embeds", embeds: packed(c, "bf16") },
  ];
  const answer = await ask("/gradients", { input, targets, loss: "cross_entropy" });
  const expected = await served.gradients({
    input: [
      { id: "a", embeds: a, shape: [3, dModel] },
      { text: " It was" },
      { id: "b", embeds: b, shape: [2, dModel] },
      { embeds: exact(c, "bf16"), shape: [1, dModel] },
    ],
    targets: [" a ball", [5, 6]],
  });
  expect(answer.loss).toBe(expected.loss);
  expect(answer.logprobs).toEqual(expected.logprobs);
  expect(Object.keys(answer.gradients).toSorted()).toEqual(["3", "a", "b"]);
  expect(Float32Array.from(answer.gradients.a.flat())).toEqual(expected.gradients.a);
  expect(answer.gradients.b).toEqual(packed(expected.gradients.b));
  expect(answer.gradients["3"].dtype).toBe("bf16");
  expectClose(unpacked(answer.gradients["3"]), expected.gradients["3"], 0.01, "bf16");
  expect(answer.usage).toMatchObject({
    prompt_tokens: expected.usage.promptTokens,
    completion_tokens: expected.usage.completionTokens,
    backward_tokens: expected.usage.backwardTokens,
    prompt_tokens_details: { embed_tokens: 6 },
  });
});

test("weights: the derivative of any loss of log-probabilities goes through, here of a margin", async () => {
  const embeds = values(4, 5);
  const input = [{ type: "embeds", id: "p", embeds: packed(embeds) }, text];
  const labels = [[5], [6]];
  const plain = await ask("/gradients", { input, targets: labels });
  const [[yes], [no]] = plain.logprobs;
  const margin = yes - no; // L = log(1 + e^−margin), dL/dyes = −1 / (1 + e^margin)
  const w = -1 / (1 + Math.exp(margin));
  const { gradients } = await ask("/gradients", { input, targets: labels, weights: [[w], [-w]] });
  const g = unpacked(gradients.p);
  const rate = 1e-3 / Math.sqrt(g.reduce((sum, x) => sum + x * x, 0));
  const moved = embeds.map((x, i) => x - rate * g[i]);
  const after = await ask("/gradients", { input: [{ ...input[0], embeds: packed(moved) }, text], targets: labels });
  const loss = (m: number) => Math.log1p(Math.exp(-m));
  const fall = loss(margin) - loss(after.logprobs[0][0] - after.logprobs[1][0]);
  expectClose([fall], [rate * g.reduce((sum, x) => sum + x * x, 0)], 0.02, "descent");
});

test("candidates: each has a loss and gradients, in its own form; other segments stand still", async () => {
  const [one, two, still] = [values(3, 1), values(5, 2), values(2, 3)];
  const input = [
    { type: "embeds", id: "p", candidate: true },
    text,
    { type: "embeds", id: "still", embeds: packed(still) },
  ];
  const { candidates } = await ask("/gradients", { input, targets, candidates: [nested(one), packed(two)] });
  for (const [i, embeds] of [one, two].entries()) {
    const alone = await ask("/gradients", {
      input: [{ ...input[0], embeds: packed(embeds) }, ...input.slice(1)],
      targets,
    });
    expectClose([candidates[i].loss], [alone.loss], tolerance.gradient, "loss");
    expect(Object.keys(candidates[i].gradients)).toEqual(["p"]);
    const got = candidates[i].gradients.p;
    expect(Array.isArray(got)).toBe(i === 0);
    const sent = i === 0 ? Float32Array.from(got.flat()) : unpacked(got);
    expectClose(sent, unpacked(alone.gradients.p), tolerance.gradient, "p");
  }
});

describe("refused", () => {
  const good = { input: [{ type: "embeds", id: "p", embeds: packed(values(2, 1)) }, text], targets };
  test.each<[string, object, string]>([
    ["no embeddings", { input: "text" }, "input: it has no embeds segment"],
    ["an empty target", { targets: [" a", ""] }, "targets[1]: it is empty, expected at least one token"],
    ["no targets", { targets: [] }, "targets: got an empty array, expected at least 1 elements"],
    ["a long target", { targets: [new Array(9000).fill(5)] }, "targets[0]: 9000 tokens do not fit"],
    ["few weights", { weights: [[1]] }, "weights: got 1 lists, expected 2, one for each target"],
    ["short weights", { weights: [[1], [1]] }, "weights[0]: got 1 numbers, expected"],
    ["loss and weights", { loss: "cross_entropy", weights: [[1], [1]] }, "weights: there is a loss too"],
    ["another loss", { loss: "mse" }, 'loss: got "mse", expected "cross_entropy"'],
    [
      "embeddings that are no floats",
      { input: [{ type: "embeds", embeds: [new Array(dModel).fill("1")] }] },
      "input[0].embeds[0][0]: got string, expected a number",
    ],
    [
      "a name twice",
      { input: [good.input[0], good.input[0]] },
      'input[1].id: "p" is there twice, expected different ids',
    ],
    ["too many candidates", { candidates: new Array(200).fill([[1]]) }, "candidates: got 200, expected at most 128"],
  ])("%s", async (_, change, message) => {
    const error = await refused("/gradients", { ...good, ...change });
    expect(error.status).toBe(400);
    expect(error.message).toContain(message);
    expect(error.param).toBe(message.slice(0, message.indexOf(":")));
  });
});

test("in the worker: the same bits, beside a text that is being continued; an abort ends it", async () => {
  const worker = await loadInWorker();
  const embeds = values(20, 9);
  const input = [{ id: "p", embeds, shape: [20, dModel] as const }, { text: "One day" }];
  const hash = (rows: Float32Array) => createHash("sha256").update(rows).digest("hex");
  const words = async () => {
    for await (const event of worker.generate({ input: "Once", maxTokens: 30, temperature: 0 }))
      if (event.type === "end") return event.text;
    return undefined;
  };
  const before = await words();
  const [during, there, batch] = await Promise.all([
    words(),
    worker.gradients({ input, targets: [" a"] }),
    worker.batchGradients({ examples: [{ input, targets: [" a"] }] }),
  ]);
  const here = await served.gradients({ input, targets: [" a"] });
  expect(during).toBe(before);
  expect(there.loss).toBe(here.loss);
  expect(hash(there.gradients.p)).toBe(hash(here.gradients.p));
  expect(hash(batch.examples[0].gradients.p)).toBe(hash(here.gradients.p));
  await expect(worker.gradients({ input: "text", targets: [" a"] })).rejects.toThrow(FieldError);
  const reason = new Error("enough");
  await expect(worker.gradients({ input, targets: [" a"], signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  await worker.close();
  await expect(worker.gradients({ input, targets: [" a"] })).rejects.toThrow("closed");
});
