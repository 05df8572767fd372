// The RFC's examples 1 and 4 as they can work: a soft prompt is trained against a running server by an encoder that only the
// client has, then kept on the server and used by name. The RFC's loop has no gradient, because text has none; here the
// server returns ∂loss/∂embeddings, and the client goes on from there through its encoder by the chain rule:
//
//   rows = start + tanh(V · A) · B,     V the virtual tokens; V, A and B are trained, by Adam
//
// Server: plainformer serve --soft-prompts FOLDER. STEPS and BATCH may be set; DATA names a JSONL file of { text, label }.

import { readFile } from "node:fs/promises";

const url = process.env.PLAINFORMER_URL ?? "http://127.0.0.1:8000";
const [steps, batch] = [Number(process.env.STEPS ?? 200), Number(process.env.BATCH ?? 8)];
const model = "deepseek-chat";

/** What of the answers is looked at. */
interface Answer {
  error: { message: string };
  data: { embeddings: number[][]; sum: number }[];
  loss: number;
  gradients: { p: { shape: [number, number]; data: string } };
  choices: { text: string }[];
}
async function call(method: string, path: string, body?: object): Promise<Answer> {
  const response = await fetch(url + path, {
    method,
    headers: { "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const answer = (await response.json()) as Answer;
  if (!response.ok) throw new Error(answer.error.message);
  return answer;
}

// ---- data, and tensors as the server takes them

interface Remark {
  text: string;
  label: string;
}
const few: Remark[] = [
  { text: "The film was wonderful.", label: "good" },
  { text: "The soup was disgusting.", label: "bad" },
  { text: "Everything about the trip was lovely.", label: "good" },
  { text: "The room was dirty and the bed was broken.", label: "bad" },
];
const data = process.env.DATA
  ? (await readFile(process.env.DATA, "utf8"))
      .trim()
      .split("\n")
      .map((line): Remark => JSON.parse(line))
  : few;
const labels = [...new Set(data.map(({ label }) => label))].sort();
const textOf = ({ text }: Remark) => ({ type: "text", text: `${text}\nLabel:` });

type Matrix = number[][];
const packed = (rows: Matrix) => ({
  shape: [rows.length, rows[0].length],
  dtype: "f32",
  data: Buffer.from(Float32Array.from(rows.flat()).buffer).toString("base64"),
});
function unpacked({ shape: [n, width], data }: { shape: [number, number]; data: string }): Matrix {
  const bytes = Uint8Array.from(Buffer.from(data, "base64"));
  const values = new Float32Array(bytes.buffer);
  return Array.from({ length: n }, (_, r) => [...values.subarray(r * width, (r + 1) * width)]);
}

// ---- the client's own encoder

const map2 = (a: Matrix, b: Matrix, f: (x: number, y: number) => number) =>
  a.map((row, r) => row.map((x, c) => f(x, b[r][c])));
const transposed = (a: Matrix) => a[0].map((_, c) => a.map((row) => row[c]));
const product = (a: Matrix, b: Matrix) => {
  const columns = transposed(b);
  return a.map((row) => columns.map((column) => row.reduce((sum, x, k) => sum + x * column[k], 0)));
};
let seed = 1;
const random = () => {
  seed = (seed * 48271) % 2147483647; // Park & Miller 1988
  return seed / 2147483647 - 0.5;
};
const randomMatrix = (n: number, m: number, scale: number): Matrix =>
  Array.from({ length: n }, () => Array.from({ length: m }, () => scale * random()));

// A soft prompt begins best at rows of the table: those of a few words, as often as needed.
const words = "Is this good or bad? Read it and choose one of the two words.";
const table = await call("POST", "/token_embeddings", { model, input: words, add_special_tokens: false });
const start: Matrix = Array.from(
  { length: 20 },
  (_, i) => table.data[0].embeddings[i % table.data[0].embeddings.length],
);
const [tokens, width, hidden] = [start.length, start[0].length, 32];
const parameters = [
  randomMatrix(tokens, hidden, 1), // V
  randomMatrix(hidden, hidden, 1), // A
  randomMatrix(hidden, width, 0.01), // B
];
const encode = () => {
  const [v, a, b] = parameters;
  const inner = product(v, a).map((row) => row.map(Math.tanh));
  return { inner, rows: map2(start, product(inner, b), (x, y) => x + y) };
};
function backward(inner: Matrix, dRows: Matrix): Matrix[] {
  const [v, a, b] = parameters;
  const dInner = map2(product(dRows, transposed(b)), inner, (d, y) => d * (1 - y * y));
  return [product(dInner, transposed(a)), product(transposed(v), dInner), product(transposed(inner), dRows)];
}

// ---- example 1: training

const moments = parameters.map((p) => p.map((row) => row.map(() => [0, 0])));
function adam(gradients: Matrix[], step: number, rate = 0.01) {
  for (const [i, gradient] of gradients.entries())
    for (const [r, row] of gradient.entries())
      for (const [c, g] of row.entries()) {
        const m = moments[i][r][c];
        m[0] = 0.9 * m[0] + 0.1 * g;
        m[1] = 0.999 * m[1] + 0.001 * g * g;
        parameters[i][r][c] -= (rate * (m[0] / (1 - 0.9 ** step))) / (Math.sqrt(m[1] / (1 - 0.999 ** step)) + 1e-8);
      }
}

const losses: number[] = [];
for (let step = 1; step <= steps; step++) {
  const { inner, rows } = encode();
  const p = { type: "embeds", id: "p", embeds: packed(rows) };
  const none = { type: "tokens", ids: [] }; // what follows ids gets no special tokens
  const answers = await Promise.all(
    Array.from({ length: batch }, (_, i) => data[((step - 1) * batch + i) % data.length]).map((remark) =>
      call("POST", "/gradients", {
        model,
        input: [p, none, textOf(remark)],
        targets: [` ${remark.label}`],
        loss: "cross_entropy",
      }),
    ),
  );
  const dRows = answers
    .map((answer) => unpacked(answer.gradients.p))
    .reduce((sum, one) => map2(sum, one, (x, y) => x + y))
    .map((row) => row.map((x) => x / batch));
  adam(backward(inner, dRows), step);
  losses.push(answers.reduce((sum, { loss }) => sum + loss, 0) / batch);
}

// ---- example 4: the soft prompt at work, by name

const { rows } = encode();
await call("PUT", "/soft_prompts/sentiment", { embeds: packed(rows) });
const prompt = (remark: Remark) => [
  { type: "soft_prompt", name: "sentiment" },
  { type: "tokens", ids: [] },
  textOf(remark),
];
const judged = process.env.HELD_OUT
  ? (await readFile(process.env.HELD_OUT, "utf8"))
      .trim()
      .split("\n")
      .map((line): Remark => JSON.parse(line))
  : data;
let right = 0;
for (const remark of judged) {
  const scores = await call("POST", "/score", {
    model,
    input: prompt(remark),
    targets: labels.map((label) => ` ${label}`),
  });
  const sums: number[] = scores.data.map(({ sum }) => sum);
  if (labels[sums.indexOf(Math.max(...sums))] === remark.label) right++;
}
const completion = await call("POST", "/completions_from_embeds", {
  model,
  input: prompt(judged[0]),
  max_tokens: 1,
  temperature: 0,
});
console.log(
  JSON.stringify({
    first: losses[0],
    last: losses.slice(-5).reduce((a, b) => a + b, 0) / Math.min(5, losses.length),
    accuracy: right / judged.length,
    text: judged[0].text,
    label: completion.choices[0].text,
  }),
);
