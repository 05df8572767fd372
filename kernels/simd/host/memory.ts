// The one memory that all threads share: at the bottom the threads' control block, above it what lives until the set is
// closed, and blocks that each step fills from the start again. Nothing is freed one by one.

import { controlBytes } from "../codes.ts";

/** Bytes of a page of WebAssembly memory, and the most pages there can be: 4 GiB. */
export const pageBytes = 65536;
export const maxPages = 65536;
/** Everything starts at a multiple of this: a cache line. */
const alignment = 64;
/** Minimum size of a block. */
const blockBytes = 1 << 20;

export interface SimdMemory {
  readonly memory: WebAssembly.Memory;
  /** Zeros that live as long as the memory. → address. @throws when the memory is full: how much is needed, how much there is. */
  keep(bytes: number): number;
  /** Bytes of the current step; they hold anything. → address */
  take(bytes: number): number;
  /** How much of the step's memory is in use, for `release`. */
  mark(): object;
  /** Frees what the step has taken since the mark. */
  release(mark: object): void;
  /** Calls `use` with bytes that are free again when it returns. */
  borrow(bytes: number, use: (address: number) => void): void;
  /** All bytes of the step are free again. */
  endStep(): void;
}

interface Block {
  readonly begin: number;
  size: number;
}

/** A place in the step's blocks. */
interface Mark {
  readonly current: number;
  readonly used: number;
}

/**
 * An empty memory that grows to at most `limitPages`.
 * @throws if the engine has no shared memory or cannot reserve 4 GiB of addresses.
 */
export function createMemory(limitPages = maxPages): SimdMemory {
  const memory = new WebAssembly.Memory({ initial: controlBytes / pageBytes, maximum: maxPages, shared: true });
  let size = controlBytes;
  let top = controlBytes; // of all that was ever handed out
  const blocks: Block[] = [];
  let current = 0; // block of the step, and how much of it is in use
  let used = 0;

  function grow(bytes: number): number {
    const begin = top;
    const end = begin + roundUp(bytes);
    const pages = Math.max(0, Math.ceil((end - size) / pageBytes));
    try {
      if (size / pageBytes + pages > limitPages) throw new RangeError(`more than ${limitPages} pages`);
      if (pages > 0) memory.grow(pages);
    } catch (cause) {
      const [needed, inUse, most] = [end, begin, limitPages * pageBytes].map(mebibytes);
      throw new Error(
        `simd kernels: ${needed} of memory are needed (${inUse} are in use), at most ${most} can be had`,
        {
          cause,
        },
      );
    }
    size += pages * pageBytes;
    top = end;
    return begin;
  }

  function take(bytes: number): number {
    const wanted = roundUp(bytes);
    for (; current < blocks.length; current++, used = 0) {
      if (used + wanted <= blocks[current].size) return place(wanted);
      if (current === blocks.length - 1) break;
    }
    const last = blocks.at(-1);
    if (last && last.begin + last.size === top) {
      grow(Math.max(used + wanted - last.size, blockBytes)); // nothing was kept in between: the block grows
      last.size = top - last.begin;
    } else {
      const begin = grow(Math.max(wanted, blockBytes));
      current = blocks.push({ begin, size: top - begin }) - 1;
      used = 0;
    }
    return place(wanted);
  }

  function mark(): Mark {
    return { current, used };
  }

  function release(mark: object): void {
    ({ current, used } = mark as Mark);
  }

  function place(bytes: number): number {
    used += bytes;
    return blocks[current].begin + used - bytes;
  }

  return {
    memory,
    keep: grow,
    take,
    mark,
    release,
    borrow(bytes, use) {
      const taken = mark();
      try {
        use(take(bytes));
      } finally {
        release(taken);
      }
    },
    endStep() {
      current = 0;
      used = 0;
    },
  };
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
