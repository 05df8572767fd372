// Opening a GPU: the adapter, the limits that are asked of it, and what is heard of it when it fails.

import { openGpu } from "#platform";
import { KernelsFailedError } from "../failed.ts";

export interface Device {
  readonly gpu: GPUDevice;
  /** One line for people: whose GPU, through what. */
  readonly about: string;
  /** A processor that plays a GPU. */
  readonly software: boolean;
  /** Whether kernels get their parameters as immediates, without a buffer. */
  readonly immediates: boolean;
  /** Bytes that a kernel reaches in one buffer. */
  readonly maxBinding: number;
  /** What went wrong, once something did: nothing that was computed since can be believed. */
  failure(): KernelsFailedError | undefined;
  fail(problem: string): void;
  close(): void;
}

export interface DeviceOptions {
  /** Give parameters in a buffer, even where the device has immediates. */
  uniforms?: boolean;
  /** Most bytes of a buffer, where fewer than the device's own are wanted. */
  maxBinding?: number;
  /** What this platform's WebGPU is opened with, such as Dawn's `backend=null`. */
  flags?: readonly string[];
}

/** An adapter, which is not yet a device. */
export interface Adapter {
  readonly webgpu: GPU;
  readonly adapter: GPUAdapter;
  readonly about: string;
  readonly software: boolean;
}

/**
 * The adapter that this platform gives when asked for a fast one.
 * @throws one sentence if there is no WebGPU, or no adapter.
 */
export async function openAdapter(flags?: readonly string[]): Promise<Adapter> {
  const webgpu = await openGpu(flags);
  const adapter = await webgpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter)
    throw new Error("there is no GPU adapter here, expected one that this platform's WebGPU does not block");
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
  const names = [...new Set([vendor, architecture, device, description])].filter(Boolean).join(", ");
  return {
    webgpu,
    adapter,
    about: names || "an unnamed adapter",
    software: isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|software|basic render/i.test(names),
  };
}

/**
 * Opens a device of that adapter.
 * @throws as `openAdapter`, and one sentence if the adapter gives no device.
 */
export async function openDevice({ uniforms = false, maxBinding, flags }: DeviceOptions = {}): Promise<Device> {
  const { webgpu, adapter, about, software } = await openAdapter(flags);
  const { limits } = adapter;
  const binding = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize, maxBinding ?? Infinity);
  const immediates = !uniforms && webgpu.wgslLanguageFeatures.has("immediate_address_space");
  const requiredLimits: Record<string, number> = {
    maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
    maxBufferSize: limits.maxBufferSize,
    maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
    ...(immediates ? { maxImmediateSize: immediateBytes } : {}),
  };
  const gpu = await adapter.requestDevice({ requiredLimits, label: "plainformer" }).catch((error) => {
    throw new Error(`the GPU adapter gives no device: ${error instanceof Error ? error.message : error}`);
  });

  let failure: KernelsFailedError | undefined;
  let closed = false;
  const fail = (problem: string) => {
    if (!closed) failure ??= new KernelsFailedError(`webgpu kernels: ${problem}`);
  };
  gpu.lost.then(({ message, reason }) => fail(`the GPU device was lost: ${message || reason}`));
  gpu.addEventListener("uncapturederror", ({ error }) => fail(error.message));

  return {
    gpu,
    about: `WebGPU on ${about}`,
    software,
    immediates,
    maxBinding: binding,
    failure: () => failure,
    fail,
    close() {
      closed = true;
      gpu.destroy();
    },
  };
}

/** Bytes of parameters that every implementation of immediates has. */
export const immediateBytes = 64;
