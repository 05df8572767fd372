// Errors as they leave the server: one body form for every status, no stack, no path, no internals.
// A FieldError is put into the wire's names and words here and nowhere else.
// Form: what DeepSeek's clients have seen ({"error":{"message","type","param","code":"invalid_request_error"}}, always JSON).

import { KernelsFailedError } from "../../kernels/failed.ts";
import { EngineBusyError, EngineClosedError } from "../engine/errors.ts";
import { type FaultCode, FieldError } from "../field-error.ts";
import { snakeCase } from "./wire-names.ts";

/** The statuses that a call can be refused with. */
export type ErrorStatus = 400 | 401 | 402 | 403 | 404 | 405 | 408 | 413 | 415 | 422 | 429 | 431 | 500 | 503;

/** A refusal with its status. `message` is one sentence for the caller; `param` names the field, `retryAfter` is in seconds, `allow` lists methods. */
export class ApiError extends Error {
  readonly status: ErrorStatus;
  readonly options: {
    readonly param?: string;
    readonly type?: string;
    readonly code?: ErrorCode;
    readonly retryAfter?: number;
    readonly allow?: string;
  };

  constructor(status: ErrorStatus, message: string, options: ApiError["options"] = {}) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.options = options;
  }
}

/** All codes of the wire: DeepSeek's only one, and the one by which agents learn that they must shorten a conversation. */
export const errorCodes = ["invalid_request_error", "context_length_exceeded"] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** The body on the wire. */
export interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: ErrorCode };
}

/** The error's body on the wire, for a response or for the last event of a stream. */
export function errorBody({ status, message, options }: ApiError): ErrorBody {
  const type = options.type ?? types[status] ?? "invalid_request_error";
  return { error: { message, type, param: options.param ?? null, code: options.code ?? "invalid_request_error" } };
}

/** The error as a response, with Retry-After and Allow where they are known. */
export function errorResponse(error: ApiError): Response {
  const { retryAfter, allow } = error.options;
  const headers = new Headers({ "content-type": "application/json" });
  if (retryAfter !== undefined) headers.set("retry-after", String(retryAfter));
  if (allow !== undefined) headers.set("allow", allow);
  return new Response(JSON.stringify(errorBody(error)), { status: error.status, headers });
}

const types: Partial<Record<ErrorStatus, string>> = {
  401: "authentication_error",
  402: "unknown_error", // as observed
  429: "rate_limit_error",
  500: "server_error",
  503: "server_error",
};

/** The wire's code for a kind of fault; those that are not here have DeepSeek's. */
const codes: Partial<Record<FaultCode, ErrorCode>> = { context_length_exceeded: "context_length_exceeded" };

/** A fault in what was sent, about the field as the wire calls it. */
export function refusalOf({ field, problem, code }: FieldError, status: ErrorStatus = 400): ApiError {
  const param = snakeCase(field);
  return new ApiError(status, `${param || "body"}: ${problem}`, { param: param || undefined, code: codes[code] });
}

/** Whatever was thrown, as a refusal: what is no refusal is a 500 that says nothing. */
export function apiErrorOf(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof FieldError) return refusalOf(error);
  if (error instanceof EngineBusyError)
    return new ApiError(503, "The server is overloaded, please retry later", { retryAfter: 1 });
  if (error instanceof EngineClosedError) return new ApiError(503, "The server is shutting down", { retryAfter: 5 });
  if (error instanceof KernelsFailedError)
    return new ApiError(503, "The device that computes the model failed, and the model has to be loaded again");
  return new ApiError(500, "The server could not answer: an internal error");
}
