// What the device is told: dispatches in one compute pass, until somebody reads or the step ends; then all of it is
// submitted at once. Pipelines and bind groups are made once; parameters are immediates, or slots of one uniform buffer.

import { type Device, immediateBytes } from "./device.ts";
import { type Places, type Program, type Shader, shaderOf, wordsOf } from "./program.ts";

/** Where an operand is: so many words into a slab, or into the heap (null). */
export interface Place {
  readonly slab: GPUBuffer | null;
  readonly at: number;
}

/** A program compiled for operands that lie in these places. */
interface Compiled {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  readonly bindings: Shader["bindings"];
  readonly immediate: boolean;
  readonly groups: Map<string, GPUBindGroup>;
}

/** What was done since the set was opened. */
export interface Counters {
  dispatches: number;
  passes: number;
  submits: number;
  /** Bytes that came back to the host. */
  bytesRead: number;
  pipelines: number;
  bindGroups: number;
  /** Buffers that are alive, and their bytes. */
  buffers: number;
  bytes: number;
}

// WebGPU's flags are globals that not every platform has.
export const usage = { mapRead: 1, copySource: 4, copyTarget: 8, uniform: 64, storage: 128 } as const;

/** Bytes between parameters in the uniform buffer, as every device takes them. */
const slotBytes = 256;
const slots = 1024;
/** Workgroups in one dimension of a dispatch. */
const gridSide = 65_535;

export type Recorder = ReturnType<typeof createRecorder>;

/** `heap` gives the buffer of activations, which may be another one from time to time; `submitted` is called after each submit. */
export function createRecorder(device: Device, heap: () => GPUBuffer, submitted: () => void) {
  const { gpu } = device;
  const counters: Counters = {
    dispatches: 0,
    passes: 0,
    submits: 0,
    bytesRead: 0,
    pipelines: 0,
    bindGroups: 0,
    buffers: 0,
    bytes: 0,
  };
  const alive = new Set<GPUBuffer>();
  const compiled = new WeakMap<Program, Map<string, Compiled>>();
  const slabNumbers = new WeakMap<GPUBuffer, number>();
  let slabCount = 0;
  const words = new Uint32Array((slotBytes / 4) * slots);
  const floats = new Float32Array(words.buffer);
  let uniforms: GPUBuffer | undefined;
  let slot = 0;
  let encoder: GPUCommandEncoder | undefined;
  let pass: GPUComputePassEncoder | undefined;
  let heapBound: GPUBuffer | undefined; // the one that bind groups are for
  let groupsOf: Compiled[] = [];
  let retired: GPUBuffer[] = []; // to be destroyed once the device was told all that uses them
  let reads: { staging: GPUBuffer; bytes: number; settle: (value: Promise<Uint8Array>) => void }[] = [];
  let idle: GPUBuffer[] = []; // staging buffers

  // ---- buffers

  function create(bytes: number, flags: number): GPUBuffer {
    const buffer = gpu.createBuffer({ size: bytes, usage: flags });
    alive.add(buffer);
    counters.buffers++;
    counters.bytes += bytes;
    return buffer;
  }
  function destroy(buffer: GPUBuffer): void {
    if (!alive.delete(buffer)) return;
    counters.buffers--;
    counters.bytes -= buffer.size;
    buffer.destroy();
  }

  // ---- programs

  function compile(program: Program, key: string, places: Places): Compiled {
    const immediate = device.immediates && 4 * wordsOf(program) <= immediateBytes;
    const { code, bindings } = shaderOf(program, places, immediate);
    const layout = gpu.createBindGroupLayout({
      entries: [
        ...(immediate
          ? []
          : [{ binding: 0, visibility: 4, buffer: { type: "uniform", hasDynamicOffset: true, minBindingSize: 4 * wordsOf(program) } } as const]), // biome-ignore format: one entry
        ...bindings.map(
          ({ writable }, i) =>
            ({ binding: i + 1, visibility: 4, buffer: { type: writable ? "storage" : "read-only-storage" } }) as const,
        ),
      ],
    });
    const label = `${program.name} (${key})`;
    const descriptor: GPUPipelineLayoutDescriptor & { immediateSize?: number } = {
      bindGroupLayouts: [layout],
      ...(immediate ? { immediateSize: 4 * wordsOf(program) } : {}),
    };
    const pipeline = gpu.createComputePipeline({
      label,
      layout: gpu.createPipelineLayout(descriptor),
      compute: { module: gpu.createShaderModule({ label, code }), entryPoint: "main" },
    });
    counters.pipelines++;
    const made = { pipeline, layout, bindings, immediate, groups: new Map() };
    groupsOf.push(made);
    return made;
  }

  function bindGroup({ layout, bindings, immediate, groups }: Compiled, slabs: readonly GPUBuffer[]): GPUBindGroup {
    const key = slabs.map(numberOf).join();
    const known = groups.get(key);
    if (known) return known;
    const of = (slab: number | null) => ({ buffer: slab === null ? heap() : slabs[slab] });
    const made = gpu.createBindGroup({
      layout,
      entries: [
        ...(immediate ? [] : [{ binding: 0, resource: { buffer: uniformBuffer(), size: slotBytes } }]),
        ...bindings.map(({ slab }, i) => ({ binding: i + 1, resource: of(slab) })),
      ],
    });
    counters.bindGroups++;
    groups.set(key, made);
    return made;
  }
  function numberOf(slab: GPUBuffer): number {
    let number = slabNumbers.get(slab);
    if (number === undefined) {
      number = slabCount++;
      slabNumbers.set(slab, number);
    }
    return number;
  }
  function uniformBuffer(): GPUBuffer {
    uniforms ??= create(slotBytes * slots, usage.uniform | usage.copyTarget);
    return uniforms;
  }

  // ---- commands

  function commands(): GPUCommandEncoder {
    if (!encoder) {
      gpu.pushErrorScope("validation");
      encoder = gpu.createCommandEncoder();
    }
    return encoder;
  }
  function endPass(): void {
    pass?.end();
    pass = undefined;
  }

  /** Runs a program in so many workgroups. A number is given for each of its numbers, a place for each of its operands. */
  function run(
    program: Program,
    operands: Readonly<Record<string, Place>>,
    numbers: Readonly<Record<string, number>>,
    groups: number,
  ): void {
    if (groups === 0) return;
    if (heapBound !== heap()) {
      for (const { groups } of groupsOf) groups.clear();
      heapBound = heap();
    }
    if (slot === slots) flush();
    const encoder = commands(); // first of all: what is wrong with a pipeline or a bind group belongs to what was recorded
    const slabs: GPUBuffer[] = [];
    const places: (number | null)[] = [];
    let word = (slot * slotBytes) / 4;
    const first = word;
    for (const name in program.operands) {
      const { slab, at } = operands[name];
      if (slab === null) {
        places.push(null);
      } else {
        const known = slabs.indexOf(slab);
        places.push(known < 0 ? slabs.push(slab) - 1 : known);
      }
      words[word++] = at;
    }
    for (const name of program.numbers) {
      if (program.floats?.includes(name)) floats[word++] = numbers[name];
      else words[word++] = numbers[name];
    }
    words[word++] = groups;

    const key = places.map((place) => place ?? "h").join("");
    let variants = compiled.get(program);
    if (!variants) {
      variants = new Map();
      compiled.set(program, variants);
    }
    let variant = variants.get(key);
    if (!variant) {
      variant = compile(program, key, places);
      variants.set(key, variant);
    }
    if (!pass) {
      pass = encoder.beginComputePass();
      counters.passes++;
    }
    pass.setPipeline(variant.pipeline);
    const group = bindGroup(variant, slabs);
    if (variant.immediate) {
      pass.setBindGroup(0, group);
      (pass as GPUComputePassEncoder & Immediates).setImmediates(0, words, first, word - first);
    } else {
      pass.setBindGroup(0, group, [slot * slotBytes]);
      slot++;
    }
    const across = Math.min(groups, gridSide);
    pass.dispatchWorkgroups(across, Math.ceil(groups / across));
    counters.dispatches++;
  }

  /** Submits what was recorded. */
  function flush(): void {
    if (!encoder) return;
    endPass();
    if (slot > 0) gpu.queue.writeBuffer(uniformBuffer(), 0, words, 0, (slot * slotBytes) / 4);
    slot = 0;
    gpu.queue.submit([encoder.finish()]);
    encoder = undefined;
    counters.submits++;
    // Nothing that was read may be shown before it is known that the device did what it was told.
    const errors = gpu.popErrorScope().then(
      (error) => error && device.fail(error.message),
      () => {}, // the device was lost
    );
    for (const { staging, bytes, settle } of reads) settle(valuesOf(staging, bytes, errors));
    reads = [];
    for (const buffer of retired) destroy(buffer);
    retired = [];
    submitted();
  }

  async function valuesOf(staging: GPUBuffer, bytes: number, errors: Promise<unknown>): Promise<Uint8Array> {
    try {
      await Promise.all([staging.mapAsync(1, 0, bytes), errors]);
    } catch (error) {
      // Mapping fails when the device is lost, which `lost` says better, a little later; it is heard when it is known.
      await Promise.race([gpu.lost, new Promise((resolve) => setTimeout(resolve, 100))]);
      device.fail(`what was computed cannot be read: ${error instanceof Error ? error.message : error}`);
    }
    const failure = device.failure();
    if (failure) {
      destroy(staging);
      throw failure;
    }
    const copy = new Uint8Array(staging.getMappedRange(0, bytes).slice(0));
    staging.unmap();
    counters.bytesRead += bytes;
    idle.push(staging);
    while (idle.length > 8) destroy(idle.shift() as GPUBuffer);
    return copy;
  }

  return {
    counters,
    create,
    run,
    flush,
    /** The bytes that the place holds when all that was recorded so far is done. Whole words. */
    read({ slab, at }: Place, bytes: number): Promise<Uint8Array> {
      const failure = device.failure();
      if (failure) return Promise.reject(failure);
      const fits = idle.findIndex(({ size }) => size >= bytes && size <= Math.max(4096, 4 * bytes));
      const staging =
        fits >= 0
          ? idle.splice(fits, 1)[0]
          : create(Math.max(4096, 2 ** Math.ceil(Math.log2(bytes))), usage.mapRead | usage.copyTarget);
      endPass();
      commands().copyBufferToBuffer(slab ?? heap(), at * 4, staging, 0, bytes);
      return new Promise((resolve) => {
        reads.push({ staging, bytes, settle: resolve });
        queueMicrotask(flush); // for whoever reads without ending the step
      });
    },
    /** Copies so many words from the beginning of one buffer to that of another, which takes its place; the first is destroyed. */
    replace(old: GPUBuffer, next: GPUBuffer, words: number): void {
      endPass();
      if (words > 0) commands().copyBufferToBuffer(old, 0, next, 0, words * 4);
      retired.push(old);
    },
    write({ slab, at }: Place, bytes: Uint8Array | Float32Array | Int32Array): void {
      gpu.queue.writeBuffer(slab ?? heap(), at * 4, bytes.buffer, bytes.byteOffset, bytes.byteLength);
    },
    close(): void {
      pass = undefined;
      encoder = undefined;
      groupsOf = [];
      for (const buffer of alive) destroy(buffer);
      idle = [];
    },
  };
}

/** Not in every declaration of WebGPU yet. */
interface Immediates {
  setImmediates(offset: number, data: Uint32Array, dataOffset: number, size: number): void;
}
