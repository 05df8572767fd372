// The worker thread's program: loads a model and answers the calls of the program that started it (client.ts).

import { afterThisEvent, parentThread } from "#platform";
import { load, type Plainformer } from "../plainformer.ts";
import { type Reply, type Request, type Start, sentError } from "./messages.ts";

const parent = await parentThread();
const { source, options, wantsProgress, probe } = parent.data as Start;
const calls = new Map<number, AbortController>();

// The tokens of a step cross together.
let outbox: Reply[] = [];
function reply(message: Reply): void {
  if (outbox.length === 0)
    afterThisEvent(() => {
      const messages = outbox;
      outbox = [];
      parent.post(messages);
    });
  outbox.push(message);
}

try {
  const model = await load(source, {
    ...options,
    onProgress: wantsProgress ? (progress) => reply({ type: "progress", progress }) : undefined,
    probe: probe && { ...probe, see: (name, value) => reply({ type: "seen", name, value }) },
  });
  parent.onMessage((request) => receive(model, request as Request));
  const { config, kernels, endIds, cacheTokens, maxRunning, directory, files, fingerprint, chatTemplate } = model;
  const facts = { config, kernels, endIds, cacheTokens, maxRunning, directory, files, fingerprint, chatTemplate };
  reply({ type: "ready", facts });
} catch (error) {
  reply({ type: "error", id: undefined, error: sentError(error) });
}

async function receive(model: Plainformer, request: Request): Promise<void> {
  if (request.type === "abort") {
    calls.get(request.id)?.abort();
    goOn(request.id);
  } else if (request.type === "pause") pause(request.id);
  else if (request.type === "resume") goOn(request.id);
  else if (request.type === "close") {
    await model.close({ drainMs: request.drainMs });
    reply({ type: "closed" });
  } else {
    const { id } = request;
    const abort = new AbortController();
    calls.set(id, abort);
    try {
      reply({ type: "answer", id, answer: await answer(model, request, abort.signal) });
    } catch (error) {
      reply({ type: "error", id, error: sentError(error) });
    } finally {
      goOn(id);
      calls.delete(id);
    }
  }
}

/** Generations whose events nobody takes now, each with what waits for that to end. */
const paused = new Map<number, { over: Promise<void>; end(): void }>();

function pause(id: number): void {
  let end = () => {};
  const over = new Promise<void>((resolve) => {
    end = resolve;
  });
  if (calls.has(id)) paused.set(id, { over, end });
}

function goOn(id: number): void {
  paused.get(id)?.end();
  paused.delete(id);
}

async function answer(
  model: Plainformer,
  call: Extract<Request, { type: "call" }>,
  signal: AbortSignal,
): Promise<unknown> {
  switch (call.method) {
    case "generate":
      for await (const event of model.generate({ ...call.argument, signal })) {
        reply({ type: "event", id: call.id, event });
        await paused.get(call.id)?.over;
      }
      return undefined;
    case "score":
      return model.score({ ...call.argument, signal });
    case "candidateScores":
      return model.candidateScores({ ...call.argument, signal });
    case "gradients":
      return model.gradients({ ...call.argument, signal });
    case "candidateGradients":
      return model.candidateGradients({ ...call.argument, signal });
    case "batchGradients":
      return model.batchGradients({ ...call.argument, signal });
    case "trace":
      return model.trace({ ...call.argument, signal });
    case "droppedOf":
      return model.droppedOf(call.argument);
    case "embed":
      return model.embed(call.argument);
    case "load":
      return model.load();
  }
}
