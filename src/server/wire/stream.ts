// A stream of server-sent events: "data: {json}" each, then "data: [DONE]". While nothing comes, because the request waits
// or its prompt is being computed, comments keep the connection alive; clients skip them.
// Source: the event stream format of the WHATWG HTML standard, section 9.2; the forms are those of DeepSeek.

import { type ApiError, apiErrorOf, errorBody } from "../errors.ts";

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
  leave: () => void,
  pause: number = keepAliveMs,
): Promise<Response> {
  const encoder = new TextEncoder();
  let next: Promise<IteratorResult<object>> | undefined = events.next();
  next.catch(() => {}); // handled where it is awaited
  const first = await withinPause(next, pause);
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      if (!first) controller.enqueue(encoder.encode(comment));
    },
    async pull(controller) {
      const send = (text: string) => controller.enqueue(encoder.encode(text));
      try {
        next ??= events.next();
        const result = await withinPause(next, pause);
        if (!result) return send(comment);
        next = undefined;
        if (!result.done) return send(`data: ${JSON.stringify(result.value)}\n\n`);
        send("data: [DONE]\n\n");
      } catch (error) {
        const refusal: ApiError = apiErrorOf(error);
        send(`data: ${JSON.stringify(errorBody(refusal))}\n\n`);
      }
      controller.close();
    },
    async cancel() {
      leave();
      await events.return(undefined).catch(() => {});
    },
  });
  return new Response(body, {
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
