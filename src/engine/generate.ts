// One request on the engine: its input becomes rows, the rows' logits become tokens, the tokens become events. What the
// engine does with many of them at once is not seen here.

import type { Constraint } from "../decode/constraint.ts";
import { createDecoder, type DecodedToken, type FinishReason, wantOf } from "../decode/decoder.ts";
import type { DroppedKeyword, GrammarSpec } from "../decode/grammar/grammar.ts";
import { type LogProb, logProbOf, topLogProbs } from "../decode/log-probs.ts";
import type { Output } from "../decode/outputs.ts";
import { type DecodeParameters, type Decoding, decodeParameterNames, decodingOf } from "../decode/parameters.ts";
import { checkNames, inField, type Names } from "../field-error.ts";
import type { ModelConfig } from "../model/config.ts";
import { checkIds, type Input, idsOf, type Prompt, promptOf, roomAfter } from "../prompt/segments.ts";
import { unspokenIds } from "../prompt/unspoken.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { Engine } from "./engine.ts";
import { eventQueue } from "./event-queue.ts";

export interface GenerateOptions extends DecodeParameters {
  input: Input;
  signal?: AbortSignal;
  /** Whose request it is: computed prefixes are only ever shared within one tenant. */
  tenant?: string;
  /** Token ids that end the text beside the model's own. */
  endIds?: readonly number[];
  /**
   * What the output must be: it is so by construction, unless maxTokens or a stop string cuts it. `prefix` is text at the
   * end of the input that already belongs to it.
   */
  grammar?: GrammarSpec & { readonly prefix?: string };
}

/** Every name of `GenerateOptions`. */
export const generateOptionNames = {
  ...decodeParameterNames,
  input: true,
  signal: true,
  tenant: true,
  endIds: true,
  grammar: true,
} satisfies Names<GenerateOptions>;

/** What `generate` yields: the prompt once it is computed, then each token, then one end. */
export type GenerateEvent = GeneratePrompt | ({ type: "token" } & DecodedToken) | GenerateEnd;

export interface GeneratePrompt {
  type: "prompt";
  promptTokens: number;
  embedTokens: number;
  cachedTokens: number;
  /** Of the prompt's tokens in order, embeddings left out; with promptLogprobs. */
  logprobs?: PromptLogProb[];
}

/** A token of the prompt and its natural log-probability after everything before it. */
export interface PromptLogProb {
  id: number;
  /** Absent for the first row of a prompt, which nothing comes before. */
  logprob?: number;
  topLogprobs?: LogProb[];
}

export interface GenerateEnd {
  type: "end";
  /** The whole continuation. */
  text: string;
  /** Its token ids, an end-of-text token included. */
  ids: number[];
  finishReason: FinishReason;
  usage: Usage;
  /** Milliseconds from the call to the first token, and from the first token to the last. */
  timings: { firstTokenMs: number; decodeMs: number };
}

export interface Usage {
  /** Rows of the prompt, embeddings included: a virtual token counts as a token. */
  promptTokens: number;
  /** Of these, rows that came as embeddings. */
  embedTokens: number;
  /** Of promptTokens, rows whose keys and values were in the prefix cache: a multiple of 64. */
  cachedTokens: number;
  completionTokens: number;
  totalTokens: number;
}

/** What requests run on. */
export interface Served {
  readonly engine: Engine;
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  readonly endIds: readonly number[];
  /** Counts the tokens that were generated. */
  generatedTokens: number;
}

/** Continues an input; what it must be is `options.grammar` unless `other` is given. @throws as `ServedModel.generate`. */
export async function* generate(
  served: Served,
  options: GenerateOptions,
  other?: Constraint,
): AsyncGenerator<GenerateEvent, void, undefined> {
  const began = performance.now();
  checkNames(options, generateOptionNames);
  const { engine, config, tokenizer, endIds } = served;
  const constraint = other ?? (options.grammar && (await constraintFor(options.grammar, tokenizer)));
  const prompt = promptOf(options.input, tokenizer, config);
  const least = options.maxTokens === 0 && options.promptLogprobs !== undefined ? 0 : 1;
  const room = roomAfter(prompt.rows, config.maxSeqLen, engine.cacheTokens, least);
  const decoding = decodingOf(options, config.vocabSize, room, Math.min(config.maxSeqLen, engine.cacheTokens));
  const ends = [...endIds, ...checkIds(options.endIds ?? [], config.vocabSize, "endIds")];
  const unspoken = unspokenFor(decoding, tokenizer, ends);
  const decode = createDecoder(decoding, tokenizer, ends, idsOf(prompt), constraint, unspoken);
  const judge = decoding.promptLogprobs === undefined ? undefined : promptJudge(prompt, decoding.promptLogprobs);

  const events = eventQueue<GeneratePrompt | ({ type: "token" } & DecodedToken)>(engine.resume);
  const counted = { promptTokens: prompt.rows, embedTokens: prompt.embedRows, cachedTokens: 0 };
  const left = new AbortController(); // the consumer left the loop
  const signal = options.signal ? AbortSignal.any([options.signal, left.signal]) : left.signal;
  signal.addEventListener("abort", engine.resume, { once: true });
  let row = judge ? judge.firstRow : prompt.rows - 1; // the row that is shown next
  const work = engine.run({
    runs: prompt.runs,
    maxRows: prompt.rows + Math.max(0, decoding.maxTokens - 1),
    firstOutput: row,
    wants: judge ? "logits" : wantOf(decoding, constraint, unspoken),
    tenant: options.tenant,
    accept({ outputs, cachedRows }) {
      const last = prompt.rows - 1;
      for (const output of outputs.slice(0, Math.max(0, last - row))) judge?.see(row++, output);
      const output = outputs.at(-1);
      if (row < last || output === undefined) return [];
      if (row++ === last) {
        counted.cachedTokens = cachedRows;
        events.push({ type: "prompt", ...counted, ...(judge ? { logprobs: judge.logprobs } : {}) });
      }
      if (decoding.maxTokens === 0) return [];
      const tokens = inField("grammar", () => decode(output)); // the work of a mask is bounded
      served.generatedTokens += tokens.length;
      for (const token of tokens) events.push({ type: "token", ...token });
      return tokens.at(-1)?.finishReason ? [] : tokens.map((token) => token.id);
    },
    paused: events.isBehind,
    signal,
  });
  work.then(events.end, events.fail);

  let text = "";
  const ids: number[] = [];
  let finishReason: FinishReason = decoding.maxTokens === 0 ? "length" : "stop";
  let first = began;
  try {
    for await (const event of events) {
      if (event.type === "token") {
        if (ids.length === 0) first = performance.now();
        text += event.text;
        ids.push(event.id);
        finishReason = event.finishReason ?? finishReason;
      }
      yield event;
    }
  } finally {
    left.abort();
  }
  yield {
    type: "end",
    text,
    ids,
    finishReason,
    usage: { ...counted, completionTokens: ids.length, totalTokens: prompt.rows + ids.length },
    timings: { firstTokenMs: first - began, decodeMs: performance.now() - first },
  };
}

/** The control tokens that this request never chooses: not those that end its text, nor those that its bias favors. */
function unspokenFor({ controlTokens, logitBias }: Decoding, tokenizer: Tokenizer, ends: readonly number[]): number[] {
  if (controlTokens) return [];
  return unspokenIds(tokenizer).filter((id) => !ends.includes(id) && !((logitBias.get(id) ?? 0) > 0));
}

/** Log-probabilities of a prompt's own tokens, from the logits of the row before each. */
function promptJudge(prompt: Prompt, alternatives: number) {
  /** The token of each row; undefined for rows that came as embeddings. */
  const idOfRow = prompt.runs.flatMap<number | undefined>((run) =>
    "ids" in run ? run.ids : new Array<undefined>(run.rows).fill(undefined),
  );
  const logprobs: PromptLogProb[] = idOfRow[0] === undefined ? [] : [{ id: idOfRow[0] }];
  const next = idOfRow.findIndex((id, row) => row > 0 && id !== undefined);
  return {
    logprobs,
    /** The first row whose logits are wanted: the one before the first token that has anything before it. */
    firstRow: next < 0 ? prompt.rows - 1 : next - 1,
    see(row: number, logits: Output): void {
      const id = idOfRow[row + 1];
      if (id === undefined || !(logits instanceof Float32Array)) return;
      const found: PromptLogProb = { id, logprob: logProbOf(logits, id) };
      if (alternatives > 0) found.topLogprobs = topLogProbs(logits, alternatives);
      logprobs.push(found);
    },
  };
}

/** What a grammar is not held to. @throws as `generate` */
export async function droppedOf(grammar: GrammarSpec): Promise<readonly DroppedKeyword[]> {
  const { grammarOf } = await import("../decode/grammar/grammar.ts");
  return inField("grammar", () => grammarOf(grammar).dropped);
}

/**
 * The constraint that a grammar asks for; who asks for none does not load what makes them.
 * @throws FieldError inside of `grammar`: what cannot be honored, or the byte of its prefix that cannot stand there.
 */
async function constraintFor(
  { prefix, ...spec }: NonNullable<GenerateOptions["grammar"]>,
  tokenizer: Tokenizer,
): Promise<Constraint> {
  const { constraintOf } = await import("../decode/grammar/matcher.ts");
  return inField("grammar", () => constraintOf(spec, tokenizer, prefix));
}
