// The two refusals of an engine that callers tell apart from bad input: too much at once, and too late.

/** More requests than the engine takes at a time: running and waiting places are all in use. */
export class EngineBusyError extends Error {
  override readonly name = "EngineBusyError";
}

/** The engine takes no more requests, or ended this one, because it was closed. */
export class EngineClosedError extends Error {
  override readonly name = "EngineClosedError";
}
