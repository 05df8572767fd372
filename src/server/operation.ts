// The contract between the server and its routes: an operation is one route with its schemas and its handler, told nothing
// of HTTP but the Response that it returns. The server checks key, limits and body before, and turns what is thrown after.

import type { z } from "zod";
import type { Usage } from "../engine/generate.ts";
import type { ChatFormat } from "../prompt/chat-format.ts";
import type { FimFormat } from "../prompt/fim.ts";
import type { ServedModel } from "../served-model.ts";
import type { Limits } from "./limits.ts";
import type { SoftPromptStore } from "./soft-prompt-store.ts";

/** One request, as its handler sees it. */
export interface Call {
  /** Hash of the caller's key; undefined on an open server. Isolates prefix caches. */
  readonly tenant: string | undefined;
  /** Whether what DeepSeek offers in beta is on: under /beta, or everywhere with --beta. */
  readonly beta: boolean;
  readonly requestId: string;
  /** The Accept header: which of several forms the client takes. */
  readonly accept: string;
  /** Aborts when the client has gone, the time is up, or the server ends; the reason is then an error that can be sent. */
  readonly signal: AbortSignal;
  /** Counts and charges what was computed, once per continuation. What is sent after it waits until the charge is on disk. */
  charge(usage: Usage): void;
  /** Tells the caller something in a response header; before the handler returns. */
  warn(text: string): void;
}

/** What the routes share. */
export interface Service {
  readonly served: ServedModel;
  readonly modelId: string;
  /** Other names that the model answers to. */
  readonly aliases: readonly string[];
  /** null: the checkpoint has no chat template. */
  readonly chat: ChatFormat | null;
  /** null: the checkpoint has no fill-in-the-middle tokens. */
  readonly fim: FimFormat | null;
  /** undefined: the server keeps no soft prompts. */
  readonly softPrompts?: SoftPromptStore;
  readonly limits: Limits;
  /** Seconds since 1970 when the model was loaded. */
  readonly created: number;
}

/** One route. */
export interface Operation<Body = unknown> {
  readonly method: "get" | "post" | "put" | "delete";
  /** As Hono writes paths: "/models/:id". Served under "", "/v1" and "/beta". */
  readonly path: string;
  readonly summary: string;
  /** A JSON body and its fields; unknown ones are ignored. A field `model` is checked by the server. */
  readonly body?: z.ZodType<Body>;
  /** The body may come as bytes too, of type application/octet-stream: what they are as a body. */
  readonly octets?: (bytes: Uint8Array) => Body;
  /** What it answers, by status, as JSON; `text/event-stream` beside it is `events`, each a JSON object. */
  readonly responses: Readonly<Record<number, z.ZodType>>;
  readonly events?: z.ZodType;
  /** Content type of the answers that are not errors. Default application/json */
  readonly type?: string;
  /** Needs no key and is answered while the server ends: for what watches it. */
  readonly open?: true;
  handle(service: Service, body: Body, call: Call, params: Readonly<Record<string, string>>): Promise<Response>;
}
