// A GPU in software for the tests: SwiftShader as @sparticuz/chromium carries it, unpacked once into a folder of its own.
// The loader of shared libraries reads LD_LIBRARY_PATH when a process starts, so it is set before the workers are started
// (build.ts), and they and every process that they start have it. Where there is none, tests say why they were skipped.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { brotliDecompressSync } from "node:zlib";

const packageName = "@sparticuz/chromium";
const icd = "vk_swiftshader_icd.json";

/** Why there is no software GPU for the workers' tests, which then skip themselves; undefined where there is one. */
export const noSoftwareGpu: string | undefined =
  process.env.VK_ICD_FILENAMES === undefined
    ? (process.env.PLAINFORMER_NO_SOFTWARE_GPU ?? "the software GPU was not set up (test/build.ts)")
    : undefined;

/** Sets the environment in which the Vulkan loader finds SwiftShader, or says in it why that cannot be. */
export function setUpSoftwareGpu(env: NodeJS.ProcessEnv): void {
  if (env.VK_ICD_FILENAMES !== undefined) return; // the caller's own GPU
  try {
    const folder = unpackedSwiftShader();
    env.LD_LIBRARY_PATH = [folder, env.LD_LIBRARY_PATH].filter(Boolean).join(":");
    env.VK_ICD_FILENAMES = join(folder, icd);
  } catch (error) {
    env.PLAINFORMER_NO_SOFTWARE_GPU = `no software GPU: ${error instanceof Error ? error.message : error}`;
  }
}

/** The folder with libvulkan.so.1, libvk_swiftshader.so and the file that names the latter. */
function unpackedSwiftShader(): string {
  if (process.platform !== "linux" || process.arch !== "x64")
    throw new Error(`SwiftShader of ${packageName} is for linux-x64, this is ${process.platform}-${process.arch}`);
  const entry = createRequire(import.meta.url).resolve(packageName);
  const bin = join(entry.slice(0, entry.lastIndexOf(packageName)), packageName, "bin");
  const { version } = JSON.parse(readFileSync(join(dirname(bin), "package.json"), "utf8"));
  const folder = join(tmpdir(), `plainformer-swiftshader-${version}-${process.getuid?.()}`);
  if (existsSync(join(folder, icd))) return folder;
  mkdirSync(dirname(folder), { recursive: true });
  const partial = mkdtempSync(`${folder}-`);
  try {
    const tar = brotliDecompressSync(readFileSync(join(bin, "swiftshader.tar.br")));
    execFileSync("tar", ["-x", "-C", partial], { input: tar });
    renameSync(partial, folder);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    if (!existsSync(join(folder, icd))) throw error; // else another process was first
  }
  return folder;
}

/** The run that tries the WebGPU set at length (npm run test:gpu, with PLAINFORMER_GPU=1). It consists of files that import this one. */
export const gpuRun = process.env.PLAINFORMER_GPU !== undefined;
