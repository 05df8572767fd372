// THE case table: every kernel set runs all of it. A second one has attention with a window, sinks or a soft cap, which a
// set computes or refuses. Inputs and expected outputs of both come from test/golden/make-kernel-golden.py.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { Heads } from "../../kernels/arena.ts";
import type { Kernels, RouteRule } from "../../kernels/kernels.ts";
import { createOps, type Ops } from "../../kernels/ops.ts";
import type { Buffer, Tensor } from "../../kernels/tensor.ts";
import type { DType } from "../../weights/dtype.ts";
import { openSafetensors } from "../../weights/safetensors.ts";
import { expectNmse, expectSameBits } from "../expect-close.ts";

interface Case {
  case: string;
  op: string;
  inputs: string[];
  numbers: Record<string, number>;
}

const goldens = new URL("../golden/", import.meta.url);
type Table = "kernels" | "attention" | "experts";
const casesOf = (table: Table): (Case & { table: Table })[] =>
  JSON.parse(readFileSync(new URL(`${table}.json`, goldens), "utf8")).cases.map((c: Case) => ({ ...c, table }));
const dtypes: Record<string, DType> = { F32: "f32", BF16: "bf16", F16: "f16", I32: "i32" };

/** Declares a test for each case. `limit` is the NMSE that the set may have against f64. */
export function testKernels(open: () => Kernels | Promise<Kernels>, limit: number): void {
  const cases = [...casesOf("kernels"), ...casesOf("experts")];
  test("the table has cases of every op", () => {
    const ops =
      "gather concat columns joinColumns add multiply scale linear route routeWeights expertLinear weightedSum";
    const others = "rmsNorm layerNorm rope attention swiglu gelu";
    expect(new Set(cases.map((c) => c.op))).toEqual(new Set(`${ops} ${others}`.split(" ")));
  });

  test.each(cases.map((c) => [c.case, c] as const))("%s", async (_, c) => {
    const { kernels, expectGuards } = guarded(await open());
    const ops = createOps(kernels);
    const { inputs, load, close } = await openCase(ops, c.table, c);
    const before = await Promise.all(c.inputs.map((name) => ops.read(inputs[name])));

    const out = runCase(ops, c, inputs);
    const expected = await load("out");
    expect(out.shape).toEqual(expected.shape);
    if (expected.dtype === "i32") expect(await ops.read(out), c.case).toEqual(await ops.read(expected));
    else expectNmse(await ops.read(out), await ops.read(expected), limit, c.case);

    if (c.op === "attention") await expectAttention(ops, c, inputs, before, await load("probs"), limit);
    else
      for (const [i, name] of c.inputs.entries())
        expect(await ops.read(inputs[name]), `${name} is as before`).toEqual(before[i]);
    await expectGuards();
    await close();
    kernels.close();
  });
}

/** The same for attention with a window, sinks or a soft cap; also its gradients. */
export function testSoftmax(open: () => Kernels | Promise<Kernels>, limit: number): void {
  test.each(casesOf("attention").map((c) => [c.case, c] as const))("%s", async (_, c) => {
    const { kernels, expectGuards } = guarded(await open());
    const ops = createOps(kernels);
    const { inputs: t, load, close } = await openCase(ops, "attention", c);
    const before = await Promise.all(c.inputs.map((name) => ops.read(t[name])));
    const out = runCase(ops, c, t);
    expectNmse(await ops.read(out), await ops.read(await load("out")), limit, c.case);
    await expectAttention(ops, c, t, before, await load("probs"), limit);
    const heads = headsOf(c.numbers, t);
    const gradients = ops.derivatives().attentionBackward(await load("dOut"), t.q, pagesOf(t), rowsOf(t), heads);
    for (const name of ["dQ", "dK", "dV"] as const) {
      const actual = gradients[name];
      expect(actual === null, name).toBe(name === "dV" && !t.v);
      if (actual) expectNmse(await ops.read(actual), await ops.read(await load(name)), limit, `${c.case} ${name}`);
    }
    await expectGuards();
    await close();
    kernels.close();
  });
}

/** The tensors of a case: its inputs, and any other by name. */
async function openCase(ops: Ops, table: Table, c: Case) {
  const file = await openSafetensors(fileURLToPath(new URL(`${table}.safetensors`, goldens)));
  const load = (name: string): Promise<Tensor> => {
    const entry = file.tensors.get(`${c.case}.${name}`);
    if (!entry) throw new Error(`no tensor ${c.case}.${name}`);
    return ops.load(dtypes[entry.dtype], entry.shape, async (into) => {
      await file.read(entry.name, into);
    });
  };
  const inputs: Record<string, Tensor> = {};
  for (const name of c.inputs) inputs[name] = await load(name);
  return { inputs, load, close: () => file.close() };
}

const guardValues = Float32Array.from({ length: 16 }, (_, i) => -12345.5 - i);

/** The same set, with words before and after each of its buffers that no op may change. */
export function guarded(kernels: Kernels): { kernels: Kernels; expectGuards: () => Promise<void> } {
  const guards: Buffer[] = [];
  function between<T>(make: () => T): T {
    guards.push(kernels.upload(guardValues));
    const made = make();
    guards.push(kernels.upload(guardValues));
    return made;
  }
  async function keptGuard(): Promise<void> {
    const bytes = new Uint8Array(guardValues.buffer);
    guards.push(await kernels.load("f32", guardValues.length, async (into) => into.set(bytes)));
  }
  return {
    kernels: {
      ...kernels,
      alloc: (dtype, length, kept) => between(() => kernels.alloc(dtype, length, kept)),
      upload: (values) => between(() => kernels.upload(values)),
      async load(...args) {
        await keptGuard();
        const loaded = await kernels.load(...args);
        await keptGuard();
        return loaded;
      },
    },
    async expectGuards() {
      expect(guards.length).toBeGreaterThan(0);
      for (const [i, guard] of guards.entries())
        expectSameBits(await kernels.read(guard, "f32", guardValues.length), guardValues, `guard ${i}`);
    },
  };
}

function runCase(ops: Ops, { op, numbers, inputs: names }: Case, t: Record<string, Tensor>): Tensor {
  switch (op) {
    case "gather":
      return ops.gather(t.table, t.ids);
    case "concat":
      return ops.concat(names.map((name) => t[name]));
    case "add":
      return ops.add(t.a, t.b);
    case "columns":
      return ops.columns(t.x, numbers.begin, numbers.width);
    case "joinColumns":
      return ops.joinColumns(names.map((name) => t[name]));
    case "multiply":
      return ops.multiply(t.a, t.b);
    case "scale":
      return ops.scale(t.x, numbers.factor);
    case "route":
      return ops.route(t.logits, t.bias, ruleOf(numbers, t));
    case "routeWeights":
      return ops.routeWeights(t.logits, t.ids, ruleOf(numbers, t));
    case "expertLinear":
      return ops.expertLinear(t.x, t.ids, t.w);
    case "weightedSum":
      return ops.weightedSum(t.x, t.weights);
    case "linear":
      return ops.linear(t.x, t.w, t.bias);
    case "rmsNorm":
      return ops.rmsNorm(t.x, t.weight, numbers.eps);
    case "layerNorm":
      return ops.layerNorm(t.x, t.weight, t.bias, numbers.eps);
    case "rope":
      return ops.rope(t.x, t.cos, t.sin, numbers.headDim, numbers.offset);
    case "attention":
      return ops.attention(t.q, t.k, t.v ?? null, pagesOf(t), rowsOf(t), headsOf(numbers, t));
    case "swiglu":
      return ops.swiglu(t.gate, t.up);
    case "gelu":
      return ops.gelu(t.x);
    default:
      throw new Error(`no way to run ${op}`);
  }
}

const ruleOf = ({ softmax, bestTwo, normalize, ...rule }: Record<string, number>, t: Record<string, Tensor>) =>
  ({
    ...(rule as Pick<RouteRule, "nActive" | "nGroups" | "nActiveGroups" | "scale">),
    nExperts: t.logits.shape[1],
    score: softmax ? "softmax" : "sigmoid",
    groupScore: bestTwo ? "best two" : "best",
    normalize: normalize === 1,
  }) as const;
const pagesOf = (t: Record<string, Tensor>) => ({ k: t.kPages, v: t.vPages ?? null });
const rowsOf = (t: Record<string, Tensor>) => ({
  sequences: t.sequences,
  positions: t.positions,
  pageTable: t.pageTable,
});
const headsOf = (
  { nHeads, nCacheHeads, kDim, vDim, scale, window, softCap }: Record<string, number>,
  { sinks }: Record<string, Tensor>,
): Heads => ({ nHeads, nCacheHeads, kDim, vDim, scale, window, softCap, sinks });

/** The probabilities; and that exactly the slots of this step's rows were written. */
async function expectAttention(
  ops: Ops,
  c: Case,
  t: Record<string, Tensor>,
  before: Float32Array[],
  probs: Tensor,
  limit: number,
): Promise<void> {
  const ours = ops.attentionProbs(t.q, pagesOf(t), rowsOf(t), headsOf(c.numbers, t));
  expect(ours.shape).toEqual(probs.shape);
  expectNmse(await ops.read(ours), await ops.read(probs), limit, `${c.case} probabilities`);

  const of = (name: string) => before[c.inputs.indexOf(name)];
  const [, maxPages] = t.pageTable.shape;
  for (const [rowsName, pagesName] of [
    ["k", "kPages"],
    ["v", "vPages"],
  ]) {
    if (!t[rowsName]) continue;
    const expected = of(pagesName).slice();
    const width = t[rowsName].shape[1];
    for (const [r, position] of of("positions").entries()) {
      const page = of("pageTable")[of("sequences")[r] * maxPages + Math.floor(position / 64)];
      expected.set(of(rowsName).subarray(r * width, (r + 1) * width), (page * 64 + (position % 64)) * width);
    }
    expect(await ops.read(t[pagesName]), `${pagesName} after the step`).toEqual(expected);
  }
  for (const name of ["q", "k", "v", "sequences", "positions", "pageTable", "sinks"])
    if (t[name]) expect(await ops.read(t[name]), `${name} is as before`).toEqual(of(name));
}
