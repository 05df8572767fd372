// What differs between the places that this program runs in: files, threads, cores. node.ts and browser.ts both export all of
// it; package.json's `imports` chooses, so the rest of the program imports "#platform" and does not know which it got. The
// package.json that the build writes to dist/ makes the same choice among compiled files.

/** The exports of "#platform". */
export interface Platform {
  /** Resolves when the host has had its turn: timers, input, output and messages that were waiting. */
  yieldToHost(): Promise<void>;
}
