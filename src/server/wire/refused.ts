// The refusal of one field: every wrong value that the schemas let through ends here.

import { ApiError } from "../errors.ts";

/** A 400 that names a field, and what is wrong with it. */
export function refused(field: string, problem: string): ApiError {
  return new ApiError(400, `${field}: ${problem}`, { param: field });
}
