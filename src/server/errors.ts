// Errors as they leave the server: one body form for every status, no stack, no path, no internals.
// Form: what DeepSeek's clients have seen ({"error":{"message","type","param","code":"invalid_request_error"}}, always JSON).

import { FieldError } from "../field-error.ts";
import { snakeCase } from "./wire-names.ts";

/** The statuses that a call can be refused with. */
export type ErrorStatus = 400 | 401 | 402 | 403 | 404 | 405 | 408 | 413 | 415 | 422 | 429 | 431 | 500 | 503;

/** A refusal with its status. `message` is one sentence for the caller; `param` names the field, `retryAfter` is in seconds. */
export class ApiError extends Error {
  readonly status: ErrorStatus;
  readonly options: { readonly param?: string; readonly type?: string; readonly retryAfter?: number };

  constructor(status: ErrorStatus, message: string, options: ApiError["options"] = {}) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.options = options;
  }
}

/** The body on the wire. */
export interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: "invalid_request_error" };
}

/** The error's body on the wire, for a response or for the last event of a stream. */
export function errorBody({ status, message, options }: ApiError): ErrorBody {
  const type = options.type ?? types[status] ?? "invalid_request_error";
  return { error: { message, type, param: options.param ?? null, code: "invalid_request_error" } };
}

/** The error as a response, with Retry-After where it is known. */
export function errorResponse(error: ApiError): Response {
  const headers = new Headers({ "content-type": "application/json" });
  if (error.options.retryAfter !== undefined) headers.set("retry-after", String(error.options.retryAfter));
  return new Response(JSON.stringify(errorBody(error)), { status: error.status, headers });
}

const types: Partial<Record<ErrorStatus, string>> = {
  401: "authentication_error",
  402: "unknown_error", // as observed
  429: "rate_limit_error",
  500: "server_error",
  503: "server_error",
};

/**
 * Whatever was thrown, as a refusal. The library's RangeError and TypeError begin with the field that they are about
 * ("maxTokens: got 0, expected …"): they become a 400 that names it as the wire does. Names of errors, not classes, tell a
 * full or closing engine, because they may come from another thread. Anything else is a 500 that says nothing.
 */
export function apiErrorOf(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  if (name === "EngineBusyError")
    return new ApiError(503, "The server is overloaded, please retry later", { retryAfter: 1 });
  if (name === "EngineClosedError") return new ApiError(503, "The server is shutting down", { retryAfter: 5 });
  if (error instanceof FieldError) {
    const param = snakeCase(error.field);
    return new ApiError(400, `${param}: ${error.problem}`, { param });
  }
  const field = /^([A-Za-z_]\w*)([\w.[\]]*)(?=:)/.exec(message);
  if ((name === "RangeError" || name === "TypeError") && field) {
    const param = snakeCase(field[1]) + field[2];
    return new ApiError(400, param + message.slice(field[0].length), { param });
  }
  return new ApiError(500, "The server could not answer: an internal error");
}
