// The platform in a browser: in a page, or in a worker of one. There are no paths here; models come from URLs and Blobs.

import type { Platform } from "./platform.ts";

const noPaths = async (path: string): Promise<never> => {
  throw new Error(`${path}: a browser has no files by path, expected a URL`);
};
export const kindOf: Platform["kindOf"] = noPaths;
export const openFile: Platform["openFile"] = noPaths;
export const writeFile: Platform["writeFile"] = noPaths;
export const makeDirectory: Platform["makeDirectory"] = noPaths;

export const join: Platform["join"] = (directory, name) => `${directory.replace(/\/+$/, "")}/${name}`;
export const dirname: Platform["dirname"] = (path) => path.replace(/\/+[^/]*\/*$/, "");
export const basename: Platform["basename"] = (path, extension = "") => {
  const name = path.replace(/\/+$/, "").replace(/^.*\//, "");
  return name.endsWith(extension) ? name.slice(0, name.length - extension.length) : name;
};

export const locationOf: Platform["locationOf"] = (url) => url.href;

export const readShipped: Platform["readShipped"] = async (url) => {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url.href} answered ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
};

export const cores: Platform["cores"] = () => navigator.hardwareConcurrency ?? 1;
/** `navigator.deviceMemory` says 8 GiB at most, whatever there is. */
export const totalMemory: Platform["totalMemory"] = () => Number.POSITIVE_INFINITY;

const waiting: (() => void)[] = [];
let ring: (() => void) | undefined;

/** By a message to ourselves: nested timeouts would take 4 ms each. */
export const yieldToHost: Platform["yieldToHost"] = () =>
  new Promise((resolve) => {
    waiting.push(resolve);
    ring ??= createBell(() => waiting.shift()?.());
    ring();
  });

/** A function that has the host call `onRing` in a turn of its own. */
function createBell(onRing: () => void): () => void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = onRing;
  return () => port2.postMessage(null);
}

export const afterThisEvent: Platform["afterThisEvent"] = queueMicrotask;

export const startThread: Platform["startThread"] = (url, data) => {
  const worker = new Worker(url, { type: "module" });
  worker.postMessage(data);
  let resolveEnded: (how: string) => void = () => {};
  const end = (how: string) => {
    worker.terminate(); // of which no event tells
    resolveEnded(how);
  };
  return {
    ended: new Promise((resolve) => {
      resolveEnded = resolve;
    }),
    post: (message) => worker.postMessage(message),
    onMessage: (listener) => worker.addEventListener("message", ({ data }) => listener(data)),
    onError: (listener) =>
      worker.addEventListener("error", ({ message }) => {
        listener(new Error(message || `${url.href} cannot be run`));
        end("error"); // as an error ends a thread elsewhere
      }),
    terminate: () => end("terminated"),
    keepAlive() {}, // a page lives as long as it is shown
  };
};

export const parentThread: Platform["parentThread"] = () =>
  new Promise((resolve) => {
    addEventListener(
      "message",
      ({ data }) =>
        resolve({
          data,
          post: (message) => postMessage(message),
          onMessage: (listener) => addEventListener("message", ({ data }) => listener(data)),
        }),
      { once: true },
    );
  });

export const startScript: Platform["startScript"] = (script, data) => {
  const url = URL.createObjectURL(
    new Blob([`onmessage = ({ data }) => { ${script}; close(); };`], { type: "text/javascript" }),
  );
  new Worker(url, { type: "module" }).postMessage(data); // the URL stays: some browsers fetch it later than they should
};

/** Where a browser has it, it needs no flag. */
export const allowRelaxedSimd: Platform["allowRelaxedSimd"] = () => {};

// What a browser has and the types of Node do not say.
type Listen = (
  type: string,
  listener: (event: { data: unknown; message: string }) => void,
  once?: { once: true },
) => void;
declare const navigator: { readonly hardwareConcurrency?: number };
declare const MessageChannel: new () => {
  readonly port1: { onmessage: () => void };
  readonly port2: { postMessage(message: unknown): void };
};
declare const Worker: new (
  url: URL | string,
  options: { type: "module" },
) => { readonly addEventListener: Listen; postMessage(message: unknown): void; terminate(): void };
declare const addEventListener: Listen;
declare const postMessage: (message: unknown) => void;

export const mayHaveGpu: Platform["mayHaveGpu"] = () => "gpu" in navigator;

export const openGpu: Platform["openGpu"] = async () => {
  const { gpu } = navigator as { gpu?: GPU };
  if (!gpu)
    throw new Error("there is no WebGPU here: this browser has none, or the page is not served from a secure context");
  return gpu;
};
