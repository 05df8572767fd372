// What a prompt is tuned on: lines of JSON, each { "prompt", "completion" }, { "text", "label" } or { "messages" }, as examples
// with a prompt and a target; and which of them are held out. Nothing here knows a model.

import { randomSource } from "../../decode/random.ts";
import { FieldError, shown } from "../../field-error.ts";
import type { ChatMessage } from "../../prompt/chat-message.ts";
import type { Segment } from "../../prompt/segments.ts";

/** After `prompt`, the model is to say `target`. */
export interface TuneExample {
  readonly prompt: string | readonly Segment[];
  readonly target: string | readonly number[];
  /** The targets to choose among, where an answer is a choice: all labels of the data. */
  readonly choices?: readonly string[];
}

/** What a labelled text becomes: the label comes after it, with a space before. */
export const defaultTemplate = "{text}\nLabel:";

/** How a model takes conversations. */
export interface Conversations {
  /** Everything before an answer. @throws FieldError inside of `messages` */
  prompt(messages: readonly ChatMessage[]): readonly Segment[];
  /** The tokens of an answer, with what ends it. */
  answer(text: string): readonly number[];
}

/** The kinds of lines, each by its fields. */
const kinds = { labelled: "text and label", completed: "prompt and completion", conversation: "messages" } as const;

/**
 * Reads JSONL. A line { "text", "label" } is the prompt `template` with its text for {text}, and the target " label"; of
 * { "messages" } the last is the target, an assistant's.
 * @throws FieldError that names the line (as `where`, line n), what came and what was expected.
 */
export function parseExamples(
  jsonl: string,
  where: string,
  template: string = defaultTemplate,
  conversations?: Conversations,
): TuneExample[] {
  if (!template.includes("{text}"))
    throw new FieldError("template", `got ${JSON.stringify(template)}, expected {text} somewhere in it`);
  const lines = jsonl.split(/\r?\n/);
  const examples: TuneExample[] = [];
  const labels = new Set<string>();
  let kind: keyof typeof kinds | undefined;
  for (const [i, line] of lines.entries()) {
    if (line.trim() === "") continue;
    const at = `${where}, line ${i + 1}`;
    const fields = fieldsOf(line, at);
    const own =
      "messages" in fields ? "conversation" : "text" in fields || "label" in fields ? "labelled" : "completed";
    kind ??= own;
    if (kind !== own) throw new FieldError(at, `expected the fields of the lines before, ${kinds[kind]}`);
    if (own === "conversation") examples.push(conversationOf(fields, at, conversations));
    else if (own === "labelled") {
      const target = ` ${textOf(fields, "label", at)}`;
      labels.add(target);
      const text = textOf(fields, "text", at);
      examples.push({ prompt: template.replace("{text}", () => text), target });
    } else examples.push({ prompt: textOf(fields, "prompt", at), target: textOf(fields, "completion", at) });
  }
  if (examples.length === 0) throw new FieldError(where, "it has no lines, expected one JSON object a line");
  const choices = [...labels].sort();
  if (kind === "labelled" && choices.length < 2)
    throw new FieldError(where, `all labels are ${JSON.stringify(choices[0].slice(1))}, expected at least two`);
  return kind === "labelled" ? examples.map((example) => ({ ...example, choices })) : examples;
}

function fieldsOf(line: string, at: string): object {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new FieldError(at, (error as Error).message);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new FieldError(at, "expected an object { prompt, completion }, { text, label } or { messages }");
  return value;
}

function conversationOf(fields: object, at: string, conversations: Conversations | undefined): TuneExample {
  const { messages } = fields as { messages: unknown };
  if (!conversations)
    throw new FieldError(at, "this model has no chat template, expected prompt and completion, or text and label");
  if (!Array.isArray(messages) || messages.length < 2)
    throw new FieldError(`${at}: messages`, `got ${shown(messages)}, expected at least a question and its answer`);
  const before: readonly ChatMessage[] = messages.slice(0, -1);
  const { role, content } = (messages.at(-1) ?? {}) as { role?: unknown; content?: unknown };
  if (role !== "assistant" || typeof content !== "string" || content === "")
    throw new FieldError(
      `${at}: messages[${messages.length - 1}]`,
      `got role ${shown(role)} and content ${shown(content)}, expected an assistant's message with a text`,
    );
  try {
    return { prompt: conversations.prompt(before), target: conversations.answer(content) };
  } catch (error) {
    if (error instanceof FieldError) throw new FieldError(`${at}: ${error.field}`, error.problem, error.code);
    throw error;
  }
}

function textOf(fields: object, name: string, at: string): string {
  const value = (fields as Record<string, unknown>)[name];
  if (typeof value !== "string" || value === "")
    throw new FieldError(at, `${name} is ${JSON.stringify(value) ?? "missing"}, expected a text`);
  return value;
}

/** The numbers 0 … n − 1 in an order that the seed gives. Fisher & Yates. */
export function shuffled(n: number, seed: number): number[] {
  const random = randomSource(seed);
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** Holds out a share of the examples, chosen by the seed; at least one, and at least one stays. @throws FieldError for fewer than two. */
export function splitExamples(
  examples: readonly TuneExample[],
  share: number,
  seed: number,
): { train: TuneExample[]; heldOut: TuneExample[] } {
  if (!(share > 0 && share < 1)) throw new FieldError("share", `got ${share}, expected a share between 0 and 1`);
  if (examples.length < 2) throw new FieldError("examples", "there is 1, expected at least 2, one of them held out");
  const n = Math.min(examples.length - 1, Math.max(1, Math.round(share * examples.length)));
  const order = shuffled(examples.length, seed);
  return { heldOut: order.slice(0, n).map((i) => examples[i]), train: order.slice(n).map((i) => examples[i]) };
}

/** The examples of step 0, 1, …: every epoch goes through all in an order of its own, so a run can go on from any step. */
export function batchOf(step: number, batch: number, n: number, seed: number): number[] {
  return Array.from({ length: batch }, (_, i) => {
    const at = step * batch + i;
    return epochOrder(n, seed, Math.floor(at / n))[at % n];
  });
}

let last: { key: string; order: number[] } | undefined;
function epochOrder(n: number, seed: number, epoch: number): number[] {
  const key = `${n} ${seed} ${epoch}`;
  if (last?.key !== key) last = { key, order: shuffled(n, seed + 7919 * (epoch + 1)) };
  return last.order;
}
