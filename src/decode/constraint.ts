// What may come next in a constrained text, as the decoder asks it: JSON, a schema, a tool call. Only the questions are
// here; the grammars that answer them are in grammar/. One constraint is the state of one sequence.

/** The state of one sequence: the tokens so far decide which may come. */
export interface Constraint {
  /**
   * Sets the logits [vocabSize] of tokens that may not come next to -Infinity, after penalties and before temperature.
   * End-of-text tokens are none of its business: the decoder allows them where `complete` says so.
   */
  mask(logits: Float32Array): void;
  /** Hears which token came, chosen or forced. An end-of-text token is never told. */
  accept(id: number): void;
  /** Token ids that must come now, whatever the model says; empty where there is a choice. */
  forced(): readonly number[];
  /** Whether the text may end here. */
  readonly complete: boolean;
  /** Whether nothing but the end may come. */
  readonly finished: boolean;
}
