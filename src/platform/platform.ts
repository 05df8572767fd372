// What differs between the places that this program runs in: files, threads, cores. node.ts and browser.ts both export all of
// it; package.json's `imports` chooses, so the rest of the program imports "#platform" and does not know which it got. The
// package.json that the build writes to dist/ makes the same choice among compiled files.

/** The exports of "#platform". What a platform does not have throws one sentence that says so. */
export interface Platform {
  /** What is at a path: undefined where nothing is, "file" for all that is no directory. */
  kindOf(path: string): Promise<"file" | "directory" | undefined>;
  /** Opens a file for reading. @throws in the host's words, also for what is no regular file. */
  openFile(path: string): Promise<OpenFile>;
  /**
   * Writes these bytes one after the other to a file that appears under its name, in place of an earlier one, when it is
   * complete. @throws in the host's words, or what `parts` throws; then the earlier one is still there.
   */
  writeFile(path: string, parts: Parts): Promise<void>;
  /** Makes a directory, and those that it is in. */
  makeDirectory(path: string): Promise<void>;
  /** The path of a file in a directory, and the two parts of a path. */
  join(directory: string, name: string): string;
  dirname(path: string): string;
  basename(path: string, extension?: string): string;
  /** What this program calls a file that ships with it: a path, or a URL where it came from one. */
  locationOf(url: URL): string;
  /** All bytes of a file that ships with this program. */
  readShipped(url: URL): Promise<Uint8Array<ArrayBuffer>>;

  /** Threads that can run at once. */
  cores(): number;
  /** Bytes of memory of this machine; infinite where the host does not say. */
  totalMemory(): number;
  /** Resolves when the host has had its turn: timers, input, output and messages that were waiting. */
  yieldToHost(): Promise<void>;
  /** Calls back when all that follows from the current event has run, before the next one where the host can do so. */
  afterThisEvent(callback: () => void): void;

  /** Starts a thread with the program at `url` (in a checkout a .ts file), which `parentThread` gives `data`. */
  startThread(url: URL, data: unknown): Thread;
  /** In a thread that `startThread` started: what it was started with, and its line to who did. */
  parentThread(): Promise<ParentThread>;
  /** Runs a JavaScript text, which sees `data`, in a thread of its own that does not keep the program running. */
  startScript(script: string, data: object): void;
  /** Whether it is worth looking for a GPU, which takes a while: false where there is none for sure. */
  mayHaveGpu(): boolean;
  /** This host's WebGPU. `flags` are for one that is opened here. @throws one sentence if there is none, with what to install. */
  openGpu(flags?: readonly string[]): Promise<GPU>;
  /** Switches relaxed SIMD on where the host has it behind a flag that can still be set. */
  allowRelaxedSimd(): void;
}

export interface OpenFile {
  readonly size: number;
  /** Reads bytes from `position` on into `into`, as many as the host likes to at a time. → how many; 0 at the end */
  read(into: Uint8Array, position: number): Promise<number>;
  close(): Promise<void>;
}

export type Parts = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** A thread, seen by the one that started it. */
export interface Thread {
  post(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Hears of an error that nothing in the thread caught. */
  onError(listener: (error: Error) => void): void;
  /** Resolves when the thread is no more. → the host's word for how it ended */
  readonly ended: Promise<string>;
  terminate(): void;
  /** Whether the thread keeps the program running while it waits. It does at first. */
  keepAlive(whether: boolean): void;
}

/** The thread that started this one. */
export interface ParentThread {
  readonly data: unknown;
  post(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
}
