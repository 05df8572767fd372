// The fault of a kernel set whose device stopped working.

/** A device was lost, or refused what it was told to do: what was being computed is gone, and the set is of no use any more. */
export class KernelsFailedError extends Error {
  override readonly name = "KernelsFailedError";
}
