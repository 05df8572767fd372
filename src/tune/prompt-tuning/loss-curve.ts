// A run of prompt tuning as a picture: loss on the steps' examples, loss and accuracy on the held-out ones. Plain SVG text.

import type { TuneLogEntry } from "./tune-prompt.ts";

const [width, height] = [720, 400];
const frame = { left: 56, right: width - 56, top: 40, bottom: height - 44 };

/** The log's curves: loss on the left axis, accuracy on the right. */
export function lossCurve(log: readonly TuneLogEntry[], title: string): string {
  const train = log.flatMap(({ step, loss }) => (loss === undefined ? [] : [{ step, value: loss }]));
  const looks = log.flatMap(({ step, heldOut }) => (heldOut ? [{ step, ...heldOut }] : []));
  const steps = Math.max(1, ...log.map(({ step }) => step));
  const most = niceCeiling(Math.max(...train.map(({ value }) => value), ...looks.map(({ loss }) => loss)));
  const x = (step: number) => frame.left + (step / steps) * (frame.right - frame.left);
  const y = (share: number) => frame.bottom - share * (frame.bottom - frame.top);
  const path = (points: readonly { step: number; value: number }[], color: string, weight: number) =>
    `<polyline fill="none" stroke="${color}" stroke-width="${weight}" points="${points
      .map(({ step, value }) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`)
      .join(" ")}"/>`;
  const text = (at: number, line: number, words: string, anchor = "middle", color = "#444") =>
    `<text x="${at.toFixed(1)}" y="${line.toFixed(1)}" text-anchor="${anchor}" fill="${color}">${escaped(words)}</text>`;

  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(width / 2, 22, title, "middle", "#111"),
  ];
  for (const tick of [0, 0.25, 0.5, 0.75, 1]) {
    parts.push(
      `<line x1="${frame.left}" x2="${frame.right}" y1="${y(tick)}" y2="${y(tick)}" stroke="#ddd"/>`,
      text(frame.left - 6, y(tick) + 4, (tick * most).toPrecision(3), "end"),
      text(frame.right + 6, y(tick) + 4, `${tick * 100} %`, "start", green),
      text(x(tick * steps), frame.bottom + 18, String(Math.round(tick * steps))),
    );
  }
  parts.push(
    path(
      train.map(({ step, value }) => ({ step, value: value / most })),
      "#b9c8e6",
      1,
    ),
    path(
      smooth(train).map(({ step, value }) => ({ step, value: value / most })),
      blue,
      2,
    ),
    path(
      looks.map(({ step, loss }) => ({ step, value: loss / most })),
      orange,
      2,
    ),
    path(
      looks.map(({ step, accuracy }) => ({ step, value: accuracy })),
      green,
      2,
    ),
    text(frame.left, height - 8, "■ loss of the steps", "start", blue),
    text(frame.left + 150, height - 8, "■ loss, held out", "start", orange),
    text(frame.left + 280, height - 8, "■ right answers, held out (right axis)", "start", green),
    text(frame.right, height - 8, "step", "end"),
    "</svg>",
  );
  return `${parts.join("\n")}\n`;
}

const [blue, orange, green] = ["#2f5fb3", "#d9752b", "#3a8f4d"];

/** The mean of up to nine neighbors, in place of each. */
function smooth(points: readonly { step: number; value: number }[]): { step: number; value: number }[] {
  return points.map(({ step }, i) => {
    const near = points.slice(Math.max(0, i - 4), i + 5);
    return { step, value: near.reduce((sum, { value }) => sum + value, 0) / near.length };
  });
}

/** The next number of the kind 1, 2, 4, 5, 10 · 10ⁿ. */
function niceCeiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 4, 5, 10].find((nice) => nice * power >= value) ?? 10) * power;
}

function escaped(text: string): string {
  return text.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;" })[c] ?? "&gt;");
}
