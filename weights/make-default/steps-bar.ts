// A progress bar for long work in steps, with the time that is left; a line now and then where stderr is no terminal.

import { SingleBar } from "cli-progress";

/** `update` says how many steps are done and what else is worth knowing. */
export function stepsBar(
  total: number,
  done: number,
): { update: (step: number, note: string) => void; stop: () => void } {
  const bar = new SingleBar({
    format: "{bar} {value}/{total}, {note}, {eta_formatted} left",
    stream: process.stderr,
    etaBuffer: 50,
    hideCursor: true,
  });
  const terminal = process.stderr.isTTY;
  const began = performance.now();
  let told = began;
  if (terminal) bar.start(total, done, { note: "" });
  return {
    update(step, note) {
      const now = performance.now();
      if (terminal) bar.update(step, { note });
      else if (now - told > 30_000 || step === total) {
        const minutes = ((now - began) / (step - done) / 60_000) * (total - step);
        process.stderr.write(`${step}/${total}, ${note}, ${minutes.toFixed(1)} minutes left\n`);
        told = now;
      }
    },
    stop: () => terminal && bar.stop(),
  };
}
