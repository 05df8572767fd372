// Draws a run's losses as an SVG: a line through the means of ten steps each.
// Usage: tsx weights/make-default/curve.ts LOSSES_JSONL OUT_SVG

import { readFile, writeFile } from "node:fs/promises";

const group = 10;
const [file, out] = process.argv.slice(2);
const lines = (await readFile(file, "utf8")).trim().split("\n");
const losses = lines.map((line) => JSON.parse(line) as { step: number; loss: number });
const [width, height, left, bottom] = [640, 280, 44, 34];
const last = losses[losses.length - 1].step;
const top = Math.ceil(Math.max(...losses.map(({ loss }) => loss)));
const x = (step: number) => (left + ((width - left - 12) * step) / last).toFixed(1);
const y = (loss: number) => (height - bottom - ((height - bottom - 12) * loss) / top).toFixed(1);

const means: string[] = [];
for (let i = 0; i + group <= losses.length; i += group) {
  const mean = losses.slice(i, i + group).reduce((sum, { loss }) => sum + loss, 0) / group;
  means.push(`${x(losses[i + group - 1].step)},${y(mean)}`);
}
const ticks = Array.from(
  { length: top + 1 },
  (_, loss) => `<text x="${left - 6}" y="${Number(y(loss)) + 4}" text-anchor="end">${loss}</text>`,
);
const marks = Array.from({ length: 5 }, (_, i) => Math.round((last * i) / 4));
const steps = marks.map(
  (step) => `<text x="${x(step)}" y="${height - bottom + 16}" text-anchor="middle">${step}</text>`,
);
await writeFile(
  out,
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">
<title>Training loss by step</title>
<rect width="${width}" height="${height}" fill="white"/>
<polyline points="${means.join(" ")}" fill="none" stroke="#1f4e8c" stroke-width="1.5"/>
<path d="M${left} 12V${height - bottom}H${width - 12}" fill="none" stroke="black"/>
${ticks.join("")}${steps.join("")}
<text x="${(left + width) / 2}" y="${height - 4}" text-anchor="middle">step</text>
<text x="12" y="${(height - bottom) / 2}" text-anchor="middle" transform="rotate(-90 12 ${(height - bottom) / 2})">loss in nats</text>
</svg>
`,
);
