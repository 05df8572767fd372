// A model in a worker thread, as the program that started it sees it: the same methods, each a message there and a message
// back, so that the program's own thread never computes. The thread's side is thread.ts.

import { startThread } from "#platform";
import { EngineClosedError } from "../engine/errors.ts";
import { eventQueue } from "../engine/event-queue.ts";
import { type GenerateEvent, type GenerateOptions, generateOptionNames } from "../engine/generate.ts";
import { candidateScoreOptionNames, scoreOptionNames } from "../engine/score.ts";
import { traceOptionNames } from "../engine/trace.ts";
import { checkNames, FieldError, type Names, shown } from "../field-error.ts";
import { closeOptionNames, type LoadOptions, type ServedModel } from "../served-model.ts";
import { loadTokenizer } from "../tokenizer/load-tokenizer.ts";
import { batchOptionNames, candidateGradientsOptionNames, gradientsOptionNames } from "../tune/gradients.ts";
import { withChat } from "../with-chat.ts";
import { type Call, type Calls, type Facts, type Reply, type Request, receivedError, type Start } from "./messages.ts";

/** The thread's program, built or in a checkout. */
const program = new URL(import.meta.url.endsWith(".ts") ? "./thread.ts" : "./thread.js", import.meta.url);

/** A call that has not been answered. */
interface Pending {
  resolve(answer: unknown): void;
  reject(reason: unknown): void;
  onEvent?(event: GenerateEvent): void;
}

/** Starts a thread that loads a model. @throws as `loadInWorker`. */
export async function startWorker(source: string | undefined, options: LoadOptions): Promise<ServedModel> {
  const { onProgress, probe, kernels, ...rest } = options;
  if (kernels !== undefined && typeof kernels !== "string")
    throw new FieldError("kernels", "an open set cannot cross into a worker, expected a name", "unsupported");
  const start: Start = {
    source,
    options: { ...rest, kernels },
    wantsProgress: onProgress !== undefined,
    probe: probe && { names: probe.names },
  };
  const thread = crossing(start.options, () => startThread(program, start));
  const pending = new Map<number, Pending>();
  let calls = 0;
  let closing = false;
  let ended: Error | undefined; // why no call can be answered any more

  const exited = thread.ended.then((how) => {
    end(closing ? new EngineClosedError("the model was closed") : new Error(`the model's worker ended (${how})`));
  });
  const facts = await new Promise<Facts>((resolve, reject) => {
    thread.onError((error) => end(new Error(`the model's worker failed: ${error.message}`, { cause: error })));
    thread.onMessage((replies) => {
      for (const reply of replies as Reply[]) {
        if (reply.type === "progress") onProgress?.(reply.progress);
        else if (reply.type === "seen") probe?.see(reply.name, reply.value);
        else if (reply.type === "ready") resolve(reply.facts);
        else if (reply.type === "closed") thread.terminate();
        else if (reply.type === "event") pending.get(reply.id)?.onEvent?.(reply.event);
        else if (reply.type === "answer") settle(reply.id)?.resolve(reply.answer);
        else if (reply.id !== undefined) settle(reply.id)?.reject(receivedError(reply.error));
        else reject(receivedError(reply.error));
      }
    });
    exited.then(() => reject(ended));
  }).catch(async (error) => {
    thread.terminate();
    throw error;
  });

  /** Rejects everything that waits for an answer, and all that will be asked. */
  function end(reason: Error): void {
    ended ??= reason;
    for (const id of [...pending.keys()]) settle(id)?.reject(ended);
  }

  function settle(id: number): Pending | undefined {
    const call = pending.get(id);
    pending.delete(id);
    if (pending.size === 0 && !closing) thread.keepAlive(false); // an idle model does not keep the process alive
    return call;
  }

  const post = (request: Request) => thread.post(request);

  /** Calls a method in the thread; an abort reaches it between two steps, and the caller at once. */
  async function call<M extends keyof Calls>(
    { method, argument }: Extract<Call, { method: M }>,
    signal?: AbortSignal,
    onEvent?: (event: GenerateEvent) => void,
    id = calls++,
  ): Promise<Calls[M]["answer"]> {
    signal?.throwIfAborted();
    if (ended) throw ended;
    const abort = () => {
      settle(id)?.reject(signal?.reason);
      post({ type: "abort", id });
    };
    try {
      return await new Promise<Calls[M]["answer"]>((resolve, reject) => {
        crossing(argument, () => post({ type: "call", id, method, argument } as Request));
        pending.set(id, { resolve: resolve as (answer: unknown) => void, reject, onEvent });
        thread.keepAlive(true);
        signal?.addEventListener("abort", abort);
      });
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  async function* generate(options: GenerateOptions): AsyncGenerator<GenerateEvent, void, undefined> {
    checkNames(options, generateOptionNames);
    const { signal, ...argument } = options;
    const left = new AbortController(); // the consumer left the loop
    const id = calls++;
    const events = eventQueue<GenerateEvent>((behind) => {
      if (pending.has(id)) post({ type: behind ? "pause" : "resume", id });
    });
    const either = signal ? AbortSignal.any([signal, left.signal]) : left.signal;
    call<"generate">({ method: "generate", argument }, either, events.push, id).then(events.end, events.fail);
    try {
      for await (const event of events) yield event;
    } finally {
      left.abort();
    }
  }

  /** Calls a method whose only argument is options; a slip in a name is found here, before what cannot cross is. */
  async function checked<M extends Exclude<keyof Calls, "generate" | "embed" | "load">>(
    method: M,
    options: Calls[M]["argument"] & { signal?: AbortSignal },
    names: Names<typeof options>,
  ): Promise<Calls[M]["answer"]> {
    checkNames(options, names);
    const { signal, ...argument } = options;
    return call<M>({ method, argument } as Extract<Call, { method: M }>, signal);
  }

  const { directory } = facts;
  const tokenizer = await loadTokenizer(directory);
  thread.keepAlive(false);
  return withChat({
    ...facts,
    tokenizer,
    generate,
    score: (options) => checked("score", options, scoreOptionNames),
    candidateScores: (options) => checked("candidateScores", options, candidateScoreOptionNames),
    gradients: (options) => checked("gradients", options, gradientsOptionNames),
    candidateGradients: (options) => checked("candidateGradients", options, candidateGradientsOptionNames),
    batchGradients: (options) => checked("batchGradients", options, batchOptionNames),
    trace: (options) => checked("trace", options, traceOptionNames),
    droppedOf: (argument) => call<"droppedOf">({ method: "droppedOf", argument }),
    embed: (argument) => call<"embed">({ method: "embed", argument }),
    load: () => call<"load">({ method: "load", argument: undefined }),
    async close(options = {}) {
      checkNames(options, closeOptionNames);
      const { drainMs = 0 } = options;
      closing = true;
      thread.keepAlive(true);
      if (!ended) post({ type: "close", drainMs });
      await exited;
    },
  });
}

/** Sends options to another thread. @throws FieldError of the first that holds what cannot be copied: a function, say. */
function crossing<Result>(options: unknown, send: () => Result): Result {
  try {
    return send();
  } catch (error) {
    if (!(error instanceof DOMException) || error.name !== "DataCloneError") throw error;
    for (const [name, value] of Object.entries(options as object)) {
      try {
        structuredClone(value);
      } catch {
        throw new FieldError(
          name,
          `got ${shown(value)}, of which something cannot cross into a worker`,
          "invalid_type",
        );
      }
    }
    throw error;
  }
}
