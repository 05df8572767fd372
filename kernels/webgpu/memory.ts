// Where tensors lie on the device. Those of a step are ranges of one buffer, the heap, which grows when it has to. What is
// kept until the end, weights and cache pages, lies in slabs, one after the other; a slab is full when it is full. What is
// larger than a kernel can reach in one buffer is kept in pieces, in several slabs.

import { byteLengthOf, type DType } from "../../weights/dtype.ts";
import type { Device } from "./device.ts";
import { createRanges, type Range } from "./ranges.ts";
import { createRecorder, type Place, usage } from "./recorder.ts";

/** A buffer of this set: a range of the heap, or something kept, in one or more pieces. */
export type Held = Range | Kept;

export interface Kept {
  readonly pieces: readonly Piece[];
}

/** A part of what is kept: elements `first` … of it, so many. */
export interface Piece extends Place {
  readonly slab: GPUBuffer;
  readonly first: number;
  readonly length: number;
}

const smallestHeap = 1 << 22;
const smallestSlab = 1 << 20;

export type Memory = ReturnType<typeof createMemory>;

export function createMemory(device: Device) {
  const ranges = createRanges();
  let heap: GPUBuffer | undefined;
  const recorder = createRecorder(device, () => heap ?? grown(smallestHeap), ranges.settle);
  let slab: GPUBuffer | undefined;
  let slabUsed = 0;
  let kept = 0;

  function megabytes(bytes: number): string {
    return `${Math.ceil(bytes / 2 ** 20)} MiB`;
  }

  /** The heap, of so many bytes at least; a larger one than there was takes over its contents. */
  function grown(bytes: number): GPUBuffer {
    if (bytes > device.maxBinding)
      throw new Error(
        `webgpu kernels: a step needs ${megabytes(bytes)} of memory, this device reaches ${megabytes(device.maxBinding)} in a buffer`,
      );
    const size = Math.min(device.maxBinding, Math.max(smallestHeap, 2 ** Math.ceil(Math.log2(bytes))));
    const larger = recorder.create(size, usage.storage | usage.copySource | usage.copyTarget);
    if (heap) recorder.replace(heap, larger, Math.min(ranges.reach(), heap.size / 4));
    heap = larger;
    return larger;
  }

  function taken(bytes: number, fresh: boolean): Range {
    return ranges.take(Math.ceil(bytes / 4), fresh, (end) => {
      if (4 * end > (heap?.size ?? 0)) grown(4 * end);
    });
  }

  /** A place for so many bytes in a slab. A new slab has room for a quarter of what is kept, so that they are few. */
  function placed(bytes: number): Place & { slab: GPUBuffer } {
    const size = Math.ceil(bytes / 256) * 256;
    if (!slab || slabUsed + size > slab.size) {
      const room = Math.min(device.maxBinding, Math.max(smallestSlab, Math.ceil(kept / 1024) * 256));
      slab = recorder.create(Math.max(size, room), usage.storage | usage.copySource | usage.copyTarget);
      slabUsed = 0;
    }
    const place = { slab, at: slabUsed / 4 };
    slabUsed += size;
    kept += size;
    return place;
  }

  return {
    recorder,
    ranges,
    /** Room in the heap; `fresh` for what the host writes. */
    take: taken,
    /** Room for elements that are kept, in zeros. `unit`: elements that must not be parted, as a row of a matrix. */
    keep(dtype: DType, length: number, unit: number, bytesFor: (elements: number) => number): Kept {
      const bytes = bytesFor(length);
      const units = Math.floor(device.maxBinding / Math.max(1, bytesFor(unit)));
      if (bytes > device.maxBinding && (units === 0 || unit === length))
        throw new Error(
          `webgpu kernels: ${megabytes(byteLengthOf(dtype, unit))} of ${dtype} must lie together, this device reaches ${megabytes(device.maxBinding)} in a buffer`,
        );
      const most = Math.max(unit, units * unit);
      const pieces: Piece[] = [];
      for (let first = 0; first < length || pieces.length === 0; first += most) {
        const part = Math.min(most, length - first);
        pieces.push({ ...placed(bytesFor(part)), first, length: part });
      }
      return { pieces };
    },
  };
}

/** Where all of a buffer lies. @throws if it lies in pieces */
export function placeOf(held: Held): Place {
  if (!("pieces" in held)) return { slab: null, at: held.at };
  if (held.pieces.length > 1)
    throw new Error("webgpu kernels: a tensor in pieces can be multiplied with and looked up in, nothing else");
  return held.pieces[0];
}

/** The parts of a buffer, of so many elements: one of what is in the heap. */
export function piecesOf(held: Held, length: number): readonly (Place & Pick<Piece, "first" | "length">)[] {
  return "pieces" in held ? held.pieces : [{ slab: null, at: held.at, first: 0, length }];
}
