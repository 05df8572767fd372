// A fault in what a caller gave, as data: which field, what is wrong with it, and what kind of fault it is. It is thrown
// where the fault is known, crosses threads as it is, and is put into words of the wire or of the command line in one place
// each. Nobody parses its message.

/**
 * The kind of a fault, for programs: a value of the wrong type, a value out of its range, nothing where something must be,
 * a name that nobody knows, a prompt that does not fit the model's context, something that is not computed here.
 */
export type FaultCode =
  | "invalid_type"
  | "invalid_value"
  | "missing"
  | "unknown"
  | "context_length_exceeded"
  | "unsupported";

/** `field` is a path in the library's own names: `maxTokens`, `input[2].embeds`, `messages[3].content[1].embeds`. */
export class FieldError extends Error {
  override readonly name = "FieldError";
  readonly field: string;
  /** What came and what was expected: one sentence without the field's name. */
  readonly problem: string;
  readonly code: FaultCode;

  constructor(field: string, problem: string, code: FaultCode = "invalid_value") {
    super(`${field}: ${problem}`);
    this.field = field;
    this.problem = problem;
    this.code = code;
  }
}

/** Runs `make`; the fields of its faults are then inside `field`: `text` in `input[2]` becomes `input[2].text`. */
export function inField<Made>(field: string, make: () => Made): Made {
  try {
    return make();
  } catch (error) {
    throw within(field, error);
  }
}

/** A fault of something inside `field`; any other error as it is. */
export function within(field: string, error: unknown): unknown {
  return error instanceof FieldError ? moved(error, `${field}${joint(error.field)}${error.field}`) : error;
}

/** The same fault of another field. */
export function moved({ problem, code }: FieldError, field: string): FieldError {
  return new FieldError(field, problem, code);
}

function joint(inner: string): string {
  return inner === "" || inner.startsWith("[") ? "" : ".";
}
