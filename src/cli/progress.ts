// A progress bar on stderr for work that takes over a second, on a terminal only.

import { SingleBar } from "cli-progress";

export interface Progress {
  loaded: number;
  total: number;
  file?: string;
}

/** A bar that shows itself after a second; `stop` leaves the line clean. */
export function progressBar(): { update: (progress: Progress) => void; stop: () => void } {
  const began = performance.now();
  let bar: SingleBar | undefined;
  return {
    update({ loaded, total, file }) {
      if (!process.stderr.isTTY || performance.now() - began < 1000) return;
      if (!bar) {
        bar = new SingleBar({
          format: "{bar} {percentage}% of {size} {file}",
          stream: process.stderr,
          clearOnComplete: true,
          hideCursor: true,
        });
        bar.start(total, loaded);
      }
      bar.setTotal(total);
      bar.update(loaded, { size: bytesText(total), file: file ?? "" });
    },
    stop: () => bar?.stop(),
  };
}

/** A number of bytes for people: "5.2 MB". */
export function bytesText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB"];
  const unit = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
  return `${(bytes / 1000 ** unit).toFixed(unit === 0 ? 0 : 1)} ${units[unit]}`;
}
