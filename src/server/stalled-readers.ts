// Clients that keep a connection and read nothing of the stream that they asked for. What they do not take is soon computed no
// more (engine/event-queue.ts); here they are taken for gone in the end, so that what they hold is free again.

import type { ServerResponse } from "node:http";

export interface Readers {
  watch(response: ServerResponse): void;
  end(): void;
}

/** Destroys the connection of a stream that has bytes to send, none of which could be sent for so many seconds. */
export function watchReaders(stallSeconds: number): Readers {
  const streams = new Map<ServerResponse, { sent: number; since: number }>();
  const timer = setInterval(look, Math.min(1000, stallSeconds * 250));
  timer.unref();

  function look(): void {
    const now = performance.now();
    for (const [response, before] of streams) {
      const { socket } = response;
      if (!socket || response.writableEnded) continue; // nothing more is made for it
      const sent = socket.bytesWritten - socket.writableLength; // handed to the system
      if (socket.writableLength === 0 || sent !== before.sent) streams.set(response, { sent, since: now });
      else if (now - before.since > stallSeconds * 1000) socket.destroy();
    }
  }

  return {
    watch(response) {
      streams.set(response, { sent: -1, since: performance.now() });
      response.once("close", () => streams.delete(response));
    },
    end: () => clearInterval(timer),
  };
}
