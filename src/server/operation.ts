// The contract between the server and its routes: an operation is one route with its schemas and its handler, told nothing
// of HTTP but the Response that it returns. The server checks key, limits and body before, and turns what is thrown after.

import type { z } from "zod";
import type { GenerateEvent, Usage } from "../engine/generate.ts";
import type { ChatFormat } from "../prompt/chat-format.ts";
import type { FimFormat } from "../prompt/fim.ts";
import type { ComputedModel, EngineLoad } from "../served-model.ts";
import type { InFlight } from "./in-flight.ts";
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
  /** Sees the events of one generation, for the times of its tokens. */
  tokenClock(): (event: GenerateEvent) => void;
  /** Counts and charges what was computed, once per continuation. What is sent after it waits until the charge is on disk. */
  charge(usage: Usage): void;
  /** Tells the caller something in a response header; before the handler returns. */
  warn(text: string): void;
  /** The answer goes on after the handler has returned it: the stream tells when it ends. */
  stream(): StreamEnd;
}

/** What a stream has to do for the request that it answers. */
export interface StreamEnd {
  /** Resolves when what was charged is on disk: to be awaited before anything is sent. */
  settled(): Promise<void>;
  /** Everything was sent, or the stream broke. */
  finish(error?: unknown): void;
  /** The client went away. */
  left(): void;
}

/** What the routes see of the server. */
export interface RouteContext {
  /** It knows the caller's soft prompts by name. */
  readonly model: ComputedModel;
  readonly modelId: string;
  /** Other names that the model answers to. */
  readonly aliases: readonly string[];
  /** null: the checkpoint has no chat template that can be run. */
  readonly chat: ChatFormat | null;
  /** null: the checkpoint has no fill-in-the-middle tokens. */
  readonly fim: FimFormat | null;
  /** undefined: the server keeps no soft prompts. */
  readonly softPrompts: SoftPromptStore | undefined;
  readonly limits: Limits;
  /** Whether more tokens than a limit, or than the context leaves, are cut instead of refused. */
  readonly capMaxTokens: boolean;
  /** Whether control tokens spelled out in a prompt of /completions count, where a request does not say. */
  readonly parseSpecialTokens: boolean;
  /** Whether strict tools are DeepSeek's: in beta, all or none, in the schemas that it offers. */
  readonly deepSeekStrict: boolean;
  /** Seconds since 1970 when the server began. */
  readonly created: number;
  readonly openApi: object;
  draining(): boolean;
  inFlight(): InFlight;
  /** Why charges cannot be written down now, tried when it is asked; undefined: they can, or there are none. */
  journalProblem(): Promise<string | undefined>;
  /** Counters in Prometheus' text form, and its content type. */
  metrics(): Promise<{ body: string; type: string }>;
  /** The engine's counters and their age. Where the model is too busy to tell, those of before; null: it never told. */
  counters(): Promise<{ load: EngineLoad; ageMs: number } | null>;
  /** The caller's money in millionths; undefined where there is nothing to run out of. */
  balanceOf(tenant: string | undefined): { currency: string; paidIn: number; left: number } | undefined;
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
  handle(context: RouteContext, body: Body, call: Call, params: Readonly<Record<string, string>>): Promise<Response>;
}
