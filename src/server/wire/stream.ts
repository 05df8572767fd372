// A stream of server-sent events: "data: {json}" each, then "data: [DONE]". While nothing comes, because the request waits
// or its prompt is being computed, comments keep the connection alive; clients skip them.
// Source: the event stream format of the WHATWG HTML standard, section 9.2; the forms are those of DeepSeek.

import { apiErrorOf, errorBody } from "../errors.ts";
import type { Call } from "../operation.ts";

const comment = ": keep-alive\n\n";

/** Milliseconds without an event after which a comment is sent. */
export const keepAliveMs = 3000;

/**
 * The response to a streamed request. It waits for the first event so long as no comment is due: what goes wrong until
 * then has a status of its own; what goes wrong later is the stream's last event, and there is no [DONE].
 * `leave` is called when the client goes.
 * @throws what the events throw before the first.
 */
export async function eventStream(
  events: AsyncGenerator<object>,
  call: Pick<Call, "stream">,
  leave: () => void,
  pause: number = keepAliveMs,
): Promise<Response> {
  let next: Promise<IteratorResult<object>> | undefined = events.next();
  next.catch(() => {}); // handled where it is awaited
  let commentDue = (await withinPause(next, pause)) === undefined;
  let ended = false;
  const text = async (): Promise<string | undefined> => {
    if (ended) return undefined;
    if (commentDue) {
      commentDue = false;
      return comment;
    }
    try {
      next ??= events.next();
      const result = await withinPause(next, pause);
      if (!result) return comment;
      next = undefined;
      if (!result.done) return `data: ${JSON.stringify(result.value)}\n\n`;
      ended = true;
      return "data: [DONE]\n\n";
    } catch (error) {
      ended = true;
      return `data: ${JSON.stringify(errorBody(apiErrorOf(error)))}\n\n`;
    }
  };
  return textStream(text, call, async () => {
    leave();
    await events.return(undefined).catch(() => {});
  });
}

/** A response of the texts that `next` gives until there is none; each is sent when what was charged before it is on disk. */
export function textStream(
  next: () => Promise<string | undefined>,
  call: Pick<Call, "stream">,
  leave: () => Promise<void> | void = () => {},
): Response {
  const encoder = new TextEncoder();
  const end = call.stream();
  const source = {
    async pull(controller: ReadableStreamDefaultController<Uint8Array>) {
      try {
        const text = await next();
        await end.settled();
        if (text !== undefined) return controller.enqueue(encoder.encode(text));
        end.finish();
        controller.close();
      } catch (error) {
        end.finish(error);
        controller.error(error);
      }
    },
    async cancel() {
      end.left();
      await leave();
    },
  };
  return new Response(new ReadableStream<Uint8Array>(source, { highWaterMark: 0 }), {
    headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" },
  });
}

/** What the promise gives, or undefined when it takes longer. */
async function withinPause<T>(promise: Promise<T>, pause: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, pause, undefined);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
