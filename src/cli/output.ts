// What becomes of a command when nobody reads what it prints any more: most have nothing left to do; a server goes on.

let goesOn = false;

/** The command has more to do than print. */
export function goOnUnread(): void {
  goesOn = true;
}

/** Watches the process's output. */
export function watchOutput(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (goesOn) return;
    if (error.code === "EPIPE") process.exit(0); // the reader has seen enough
    throw error;
  });
  process.stderr.on("error", () => {}); // there is no place left to say so
}

/** Writes a line of a log; one that cannot be written is lost: nobody reads it, or a disk is full. */
export function writeLog(line: string): void {
  try {
    process.stderr.write(line);
  } catch {}
}
