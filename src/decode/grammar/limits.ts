// Every bound of the grammar code, in one place. They count states and steps, never seconds: a schema that is refused here
// is refused on every machine.

/** Open arrays and objects at once, in text; deeper brackets are masked. */
export const maxDepth = 512;

/** Parentheses inside a pattern, which is read by recursive functions. */
export const maxNesting = 200;

/** Brackets of a schema's own text inside each other, for the same reason. */
export const maxSchemaDepth = 1_000;

/** Keywords of one schema that are left out before all of it is. */
export const maxDropped = 40;

/** Places of a compiled schema: one for each distinct set of schemas that apply together. */
export const maxValues = 20_000;

/** Alternatives of one place, after anyOf inside anyOf inside allOf has been multiplied out. */
export const maxForms = 2_000;

/**
 * Alternatives of one place above which "not this schema" is taken in its plainest forms only: fewer where a text is
 * written, because each of them costs at every token.
 */
export const maxWrittenBranches = 40;
export const maxJudgedBranches = 500;

/** Times that schemas are looked at together, to tell whether they contradict each other. */
export const maxLooks = 20_000;

/** States of the automaton of one pattern, and of patterns that must hold together. */
export const maxAutomatonStates = 50_000;

/** States of the nondeterministic automaton looked at, summed over the subset construction of one pattern. */
export const maxSubsetWork = 300_000;

/** Automata and edges looked at to tell which of several patterns a text matches, in one place of a schema. */
export const maxClassifyWork = 3_000_000;

/** Names and texts held against patterns, in one schema. */
export const maxMatches = 200_000;

/** Edges looked at to tell how long the texts of a pattern with a length can be. */
export const maxCountWork = 5_000_000;

/** Members of a oneOf. */
export const maxExclusive = 200;

/** Members of a oneOf that speak of keys alone and are told apart as one formula. */
export const maxOneOfFormulas = 100;

/** Names of keys that depend on each other, in one object. */
export const maxNamesTogether = 500;

/** States in which the keys of one object can be, by what is still asked of those to come. */
export const maxKeyStates = 50_000;

/** Code points of one pattern. */
export const maxPatternLength = 20_000;

/** Numbers of a block that are tried for one that is not left out. */
export const maxTries = 10_000;

/** Digits before the point, and after it, of a number that nothing else bounds. */
export const maxDigits = 40;

/** Ways to read the text so far that are kept side by side; what more there are is dropped (each one kept is valid). */
export const maxStacks = 1_000;

/** Trie nodes visited for one mask. */
export const maxMaskSteps = 20_000_000;

/** Masks and their parts kept per grammar, in tokens listed. */
export const maxCachedTokens = 8_000_000;

/** Forced text that is taken at once, in bytes. */
export const maxForcedBytes = 512;

/** Tokens listed in what is known of machines, of all grammars over one vocabulary. */
export const maxWalkedTokens = 16_000_000;

/** Forms of strings and numbers that grammars share, and machines of keys, kept for the next that needs them. */
export const maxShared = 64;

/** States of an automaton of keys that grammars share. */
export const maxSharedStates = 100;

/** Compiled grammars kept for requests that ask for the same. */
export const maxKeptGrammars = 32;
