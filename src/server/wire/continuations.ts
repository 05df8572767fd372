// All continuations of one request: n of each prompt, side by side on the engine, as one stream of events, counted together
// and charged once, also when the client goes away midway.

import { eventQueue } from "../../engine/event-queue.ts";
import type { GenerateEvent, GenerateOptions, Usage } from "../../engine/generate.ts";
import { type FieldNames, renamed } from "../../field-error.ts";
import type { Call, RouteContext } from "../operation.ts";
import { choiceSeeds } from "./parameters.ts";

/** Most continuations of one request that the engine is given at once: the rest of a long list waits here, not there. */
const atOnce = 16;

export interface ContinuationsRequest {
  /** One for each prompt; the seed is set here. */
  prompts: readonly GenerateOptions[];
  /** Continuations of each prompt: choice = prompt · n + continuation. */
  n: number;
  seed: number | bigint | null | undefined;
  /** Where the options came from on the wire. */
  fields: FieldNames;
}

export interface Continuations {
  /** Events of all choices as they come, those of one choice in order. @throws what the library throws, by the wire's fields */
  readonly events: AsyncGenerator<{ choice: number; event: GenerateEvent }>;
  /** What was computed so far; a prompt counts once, however many continuations it has. */
  usage(): Usage;
  /** Ends the work within one step. */
  leave(): void;
}

/** Starts the continuations when their events are asked for; leaving the loop early ends them and charges for what was computed. */
export function continuations(context: RouteContext, call: Call, request: ContinuationsRequest): Continuations {
  const { prompts, n, fields } = request;
  const left = new AbortController();
  const signal = AbortSignal.any([call.signal, left.signal]);
  const seeds = choiceSeeds(request.seed, n);
  const counted: Usage = {
    promptTokens: 0,
    embedTokens: 0,
    cachedTokens: 0,
    completionTokens: 0,
    totalTokens: 0,
  };

  const count = (choice: number, event: GenerateEvent) => {
    if (event.type === "token") counted.completionTokens++;
    if (event.type === "prompt" && choice % n === 0) {
      counted.promptTokens += event.promptTokens;
      counted.embedTokens += event.embedTokens;
      counted.cachedTokens += event.cachedTokens;
    }
    counted.totalTokens = counted.promptTokens + counted.completionTokens;
  };

  async function* events(): AsyncGenerator<{ choice: number; event: GenerateEvent }> {
    const queue = eventQueue<{ choice: number; event: GenerateEvent }>();
    const choices = prompts.length * n;
    let next = 0;
    const work = async () => {
      while (next < choices) {
        const choice = next++;
        const prompt = Math.floor(choice / n);
        const see = call.tokenClock();
        for await (const event of context.model.generate({ ...prompts[prompt], seed: seeds[choice % n], signal })) {
          see(event);
          count(choice, event);
          queue.push({ choice, event });
          await queue.caughtUp();
        }
      }
    };
    const workers = Array.from({ length: Math.min(atOnce, choices) }, work);
    Promise.all(workers).then(queue.end, (error) => {
      queue.fail(error);
      left.abort(error);
    });
    try {
      yield* queue;
    } catch (error) {
      throw renamed(error, fields);
    } finally {
      left.abort(new Error("the reader left"));
      await Promise.allSettled(workers);
      if (counted.totalTokens > 0) call.charge(counted);
    }
  }

  return {
    events: events(),
    usage: () => ({ ...counted }),
    leave: () => left.abort(new Error("the client left")),
  };
}
