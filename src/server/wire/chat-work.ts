// A conversation as the library takes it, whatever protocol asked for it → the generations that answer it. A protocol is one
// translation of its body into a ChatRequest, and one of what the turn's readers read into its own form.

import { type ChatOptions, type ChatTurn, chatTurn } from "../../chat.ts";
import { FieldError, type FieldNames, renamed } from "../../field-error.ts";
import type { Call, RouteContext } from "../operation.ts";
import { snakeCase } from "../wire-names.ts";
import { type Continuations, continuations } from "./continuations.ts";

export interface ChatRequest {
  readonly options: Omit<ChatOptions, "seed" | "signal">;
  /** Where the options came from on the wire. */
  readonly fields: FieldNames;
  /** How many answers, and the seed of the first. */
  readonly n: number;
  readonly seed: number | bigint | null | undefined;
}

export interface ChatWork extends Continuations {
  readonly turn: ChatTurn;
}

/**
 * Makes the answers ready, and tells the caller what he may want to know: the headers of a stream leave before its first token.
 * @throws FieldError by the wire's fields
 */
export async function chatWork(
  context: RouteContext,
  call: Call,
  { options, fields, n, seed }: ChatRequest,
): Promise<ChatWork> {
  const { chat, model } = context;
  try {
    if (!chat) {
      const field = options.input === undefined ? "messages" : "input";
      throw new FieldError(field, "this model has no chat template; use /completions", "unsupported");
    }
    const turn = chatTurn(chat, model.tokenizer, options);
    for (const { field, hint } of await turn.settle(model)) call.warn(`${fields[field] ?? snakeCase(field)}: ${hint}`);
    const given = Object.entries(turn.fields).map(([field, given]) => [field, fields[given] ?? given]);
    const onWire: FieldNames = { ...fields, ...Object.fromEntries(given) };
    return { turn, ...continuations(context, call, { prompts: [turn.options], n, seed, fields: onWire }) };
  } catch (error) {
    throw renamed(error, fields);
  }
}
