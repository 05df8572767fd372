import fc from "fast-check";
import { expect, test } from "vitest";
import { repeatDetector } from "../../src/decode/repeats.ts";
import type { GenerateEnd } from "../../src/index.ts";
import { load } from "../../src/plainformer.ts";
import { times } from "../long.ts";

/** How many tokens of a list come before it is said to repeat; undefined if it never is. */
function heard(ids: readonly number[]): number | undefined {
  const repeats = repeatDetector();
  const at = ids.findIndex((id) => repeats(id));
  return at < 0 ? undefined : at + 1;
}

/** The definition: the list ends with 48 tokens or more, and four periods or more, of one period up to 64. */
function endsInRepeats(ids: readonly number[]): boolean {
  for (let period = 1; period <= 64; period++) {
    const tail = Math.max(4 * period, 48);
    const end = ids.slice(-tail);
    if (ids.length >= tail && end.every((id, i) => i < period || id === end[i - period])) return true;
  }
  return false;
}

const cycle = (period: number, length: number, from = 1000) => Array.from({ length }, (_, i) => from + (i % period));

test("four periods and 48 tokens: not one less, and no period that is longer", () => {
  const before = cycle(37, 37, 5000);
  for (const period of [1, 2, 3, 11, 12, 13, 47, 63, 64])
    expect(heard([...before, ...cycle(period, 1000)]), `${period}`).toBe(37 + Math.max(4 * period, 48));
  expect(heard(cycle(65, 2000))).toBeUndefined();
  expect(heard([...cycle(1, 47), 7, ...cycle(1, 47), 7])).toBeUndefined();
});

test("whatever comes: at the first token after which the definition holds", () => {
  const piece = fc
    .tuple(fc.array(fc.nat(2), { minLength: 1, maxLength: 70 }), fc.integer({ min: 1, max: 60 }))
    .map(([period, count]) =>
      Array.from({ length: Math.min(count * period.length, 400) }, (_, i) => period[i % period.length]),
    );
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 4 }), (pieces) => {
      const ids = pieces.flat();
      const at = heard(ids);
      if (at !== undefined) expect(endsInRepeats(ids.slice(0, at))).toBe(true);
      const first = Array.from(ids.keys()).find((i) => endsInRepeats(ids.slice(0, i + 1)));
      expect(at).toBe(first === undefined ? undefined : first + 1);
    }),
    { numRuns: times(25, 500), seed: 3 },
  );
});

test("a generation that repeats is cut when it is asked for, and else goes on", async () => {
  const model = await load();
  const [a] = model.tokenizer.encode("a", { addSpecialTokens: false });
  const run = async (options: object) => {
    let end: GenerateEnd | undefined;
    const always = { input: "b", maxTokens: 90, temperature: 0, logitBias: { [a]: 100 } };
    for await (const event of model.generate({ ...always, ...options })) if (event.type === "end") end = event;
    return end;
  };
  expect(await run({ stopRepeats: true })).toMatchObject({ finishReason: "length", ids: new Array(48).fill(a) });
  expect(await run({})).toMatchObject({ finishReason: "length", ids: new Array(90).fill(a) });
  await model.close();
});
