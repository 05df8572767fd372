// What a row says: the choice made for a decoder is the choice that it makes itself from the logits, ties, extremes and
// logits that are no numbers included.

import fc from "fast-check";
import { expect, test } from "vitest";
import { createOps } from "../../kernels/ops.ts";
import type { Constraint } from "../../src/decode/constraint.ts";
import { createDecoder, wantOf } from "../../src/decode/decoder.ts";
import { logProbOf } from "../../src/decode/log-probs.ts";
import { notFinite, outputOf, readOutputs, type Want } from "../../src/decode/outputs.ts";
import { type DecodeParameters, decodingOf } from "../../src/decode/parameters.ts";
import { defaultModel } from "../../src/plainformer.ts";
import { loadTokenizer } from "../../src/tokenizer/load-tokenizer.ts";
import { kernelSets, kernelsNamed } from "../model/run.ts";

const tokenizer = await loadTokenizer(defaultModel);
const vocabSize = 300;
const largestFloat = 3.4028234663852886e38;

const value = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(-2, -1, -0, 0, 1, 2, 2.0000002384185791) }, // many equal ones
  { weight: 3, arbitrary: fc.float({ noNaN: true, noDefaultInfinity: true }) },
  { weight: 1, arbitrary: fc.constantFrom(largestFloat, -largestFloat, 1e-45) },
);
const logitsOf = (broken: boolean) =>
  fc
    .tuple(
      fc.array(value, { minLength: vocabSize, maxLength: vocabSize }),
      fc.nat(vocabSize - 1),
      fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
    )
    .map(([values, at, bad]) => Float32Array.from(broken ? values.with(at, bad) : values));

function decoder(parameters: DecodeParameters) {
  const decoding = decodingOf({ seed: 1, ignoreEnd: true, ...parameters }, vocabSize, 1000);
  return { decode: createDecoder(decoding, tokenizer, [1], []), want: wantOf(decoding) };
}

const greedy: [DecodeParameters, Want][] = [
  [{ temperature: 0 }, "id"],
  [{ temperature: 0, topK: 3, topP: 0.5, minP: 0.9 }, "id"],
  [{ temperature: 0, logprobs: 0 }, { top: 1 }],
  [{ temperature: 0, logprobs: 7 }, { top: 7 }],
  [{ temperature: 0, logprobs: 300 }, { top: 300 }],
];

test.each(greedy)("%j wants %j, and decodes from it what it decodes from logits", (parameters, wanted) => {
  expect(decoder(parameters).want).toEqual(wanted);
  fc.assert(
    fc.property(fc.array(logitsOf(false), { minLength: 1, maxLength: 4 }), (rows) => {
      const [byChoice, byLogits] = [decoder(parameters), decoder(parameters)];
      for (const logits of rows)
        expect(byChoice.decode(outputOf(logits.slice(), wanted))).toEqual(byLogits.decode(logits.slice()));
    }),
    { numRuns: 150, seed: 7 },
  );
});

test.each(greedy)(
  "%j: a logit that is not finite is the same error, when the row is taken and not before",
  (parameters, wanted) => {
    fc.assert(
      fc.property(logitsOf(true), (logits) => {
        const output = outputOf(logits.slice(), wanted);
        expect(output).toEqual(wanted === "id" ? notFinite : []);
        const message = "the model's logits are not finite numbers: its weights or input are broken";
        expect(() => decoder(parameters).decode(output)).toThrow(message);
        expect(() => decoder(parameters).decode(logits)).toThrow(message);
      }),
      { numRuns: 50, seed: 7 },
    );
  },
);

const constraint: Constraint = {
  mask: () => {},
  accept: () => {},
  forced: () => [],
  complete: false,
  finished: false,
};
test.each<[DecodeParameters, Constraint | undefined]>([
  [{ temperature: 0.001 }, undefined],
  [{}, undefined],
  [{ temperature: 1, topK: 1 }, undefined],
  [{ temperature: 0, repetitionPenalty: 1.1 }, undefined],
  [{ temperature: 0, frequencyPenalty: 0.1 }, undefined],
  [{ temperature: 0, presencePenalty: -0.1 }, undefined],
  [{ temperature: 0, logitBias: { 5: 1 }, logprobs: 3 }, undefined],
  [{ temperature: 0 }, constraint],
])("%j needs all logits", (parameters, constraint) => {
  expect(wantOf(decodingOf(parameters, vocabSize, 10), constraint)).toBe("logits");
});

test.each(kernelSets)("%s: rows that want different things get each its own", async (name) => {
  const ops = createOps(await kernelsNamed(name));
  const rows = [
    [1, 5, 5, 2],
    [0, -1, Number.NaN, 9],
    [4, 4, 4, 4],
    [1, 2, 3, 4],
    [-5, -5, -7, -5],
    [1, 5, 5, 2],
    [9, 5, Number.NaN, 2],
    [4, 4, 4, 4],
  ].map((row) => Float32Array.from(row));
  const wants: Want[] = ["id", "id", { top: 2 }, "logits", { top: 9 }];
  wants.push({ except: [1, 3] }, { except: [0] }, { except: new Array(40).fill(0) });
  const said = readOutputs(ops, ops.upload(Float32Array.from(rows.flatMap((row) => [...row])), [8, 4]), wants);
  ops.endStep();
  // Chosen on a device, sums are in f32.
  const close = (logprob: number) => (name === "webgpu" ? expect.closeTo(logprob, 6) : logprob);
  const top = (row: number, ids: number[]) => ids.map((id) => ({ id, logprob: close(logProbOf(rows[row], id)) }));
  expect(await said).toEqual([1, notFinite, top(2, [0, 1]), rows[3], top(4, [0, 1, 3, 2]), 2, notFinite, 1]);
  if (name !== "webgpu") ops.kernels.close();
});
