// What a chat template can do, found out by trying: whether it knows a system role, shows tools, writes calls and their
// results, and in which form. Where it does not, chat-format.ts writes into messages what would be lost.

import type { ChatTemplate, TemplateMessage } from "./chat-template.ts";
import { withoutInk } from "./ink.ts";
import { type ToolFormat, toolFormatOf } from "./tool-formats.ts";
import { formatOfRenderings, writeCalls } from "./written-calls.ts";

export interface Habits {
  readonly knowsSystem: boolean;
  readonly knowsDeveloper: boolean;
  readonly readsTools: boolean;
  /** Whether it needs a description of every tool and parameter to show them. */
  readonly describesAll: boolean;
  /** Whether it knows tool messages. */
  readonly knowsResults: boolean;
  /** How it takes calls; undefined if it does not write them. */
  readonly calls: CallHabits | undefined;
}

export interface CallHabits {
  /** Arguments as an object; as text otherwise. */
  readonly objects: boolean;
  /** What it wants for no content. */
  readonly emptyContent: null | "";
  /** Whether it writes calls and content of one message. */
  readonly besideContent: boolean;
  /** Whether a message may have several calls. */
  readonly several: boolean;
}

const question = { role: "user", content: "a question" };
const system = { role: "system", content: "some rules" };
const answer = { role: "tool", content: "seven fathoms", name: "sound_depth", tool_call_id: "sounding0" };
const values = [
  { depth: 70071, note: "reef" },
  { depth: 90019, note: "kelp" },
];
const [one, other] = values.map((made, i) => ({
  id: `sounding${i}`,
  name: "sound_depth",
  arguments: JSON.stringify(made),
}));
/** Ids that all templates take, and those of the templates that write nothing but the id for a name. */
const idForms = [(i: number) => `sounding${i}`, (i: number) => `functions.sound_depth:${i}`];

function toolWith(description: { description?: string }) {
  const properties = { depth: { type: "integer", ...description }, note: { type: "string", ...description } };
  const parameters = { type: "object", properties, required: ["depth"] };
  return { type: "function", function: { name: "sound_depth", ...description, parameters } };
}

/** How a template and a vocabulary (`has`) treat tools, calls and roles. */
export function findHabits(
  template: ChatTemplate,
  has: (token: string) => boolean,
): { toolFormat: ToolFormat; habits: Habits } {
  const textOf = (messages: readonly TemplateMessage[], tools: readonly unknown[] | null = null): string => {
    try {
      return withoutInk(template.render({ messages, tools, add_generation_prompt: true }));
    } catch {
      return ""; // it cannot do this
    }
  };
  const shows = (description: { description?: string }) =>
    textOf([question], [toolWith(description)]).includes("sound_depth");
  const bare = shows({});
  const readsTools = bare || shows({ description: "The depth." });
  const tools = readsTools ? [toolWith({ description: "The depth." })] : null;
  const prompt = textOf([question], tools);

  const turnWith = (content: string | null, objects: boolean, count: number, idOf = idForms[0]): TemplateMessage => {
    const calls = values.slice(0, count).map((made, i) => ({
      ...{ id: idOf(i), type: "function" },
      function: { name: "sound_depth", arguments: objects ? made : `{"depth": ${made.depth}, "note": "${made.note}"}` },
    }));
    return { role: "assistant", content, tool_calls: calls };
  };
  /** Whether calls are in a text: as values, not as text in text. */
  const writes = (text: string, count: number) =>
    values.slice(0, count).every(({ depth, note }) => text.includes(String(depth)) && text.includes(note)) &&
    !text.includes('\\"depth\\"') &&
    text.split("sound_depth").length > prompt.split("sound_depth").length;

  const fallback = toolFormatOf(template.source, has);
  let best: { text: string; objects: boolean; emptyContent: null | ""; format: ToolFormat | undefined } | undefined;
  for (const objects of [true, false])
    for (const emptyContent of ["", null] as const) {
      const made = (count: number, idOf?: (i: number) => string) =>
        textOf([question, turnWith(emptyContent, objects, count, idOf)], tools);
      const text = made(1) || textOf([question, turnWith(emptyContent, objects, 1), answer], tools);
      const named = idForms.find((idOf) => writes(made(1, idOf), 1));
      if (!writes(text, 1) && !named) continue;
      const formats = idForms.map((idOf, i) =>
        formatOfRenderings({ calls: [one, other], one: i === 0 ? text : made(1, idOf), two: made(2, idOf), prompt }),
      );
      const format = formats.find((found) => found !== undefined);
      // The one whose form we know; then the one that adds nothing ("None", an empty turn).
      const better =
        !best ||
        (format && !best.format) ||
        (Boolean(format) === Boolean(best.format) && best.objects === objects && text.length < best.text.length);
      if (better) best = { text, objects, emptyContent, format };
    }
  const toolFormat = best?.format ?? fallback;
  const habits = {
    knowsSystem: textOf([system, question]).includes("some rules"),
    // Many templates write whatever role they get; only one that names it is meant for it.
    knowsDeveloper: template.source.includes("developer"),
    readsTools,
    describesAll: readsTools && !bare,
    knowsResults: false,
    calls: undefined,
  };

  // DeepSeek-V3's template opens a list of calls and does not close it after the first: better written without it.
  const isOpened = ({ begin }: ToolFormat) => begin !== "" && best?.text.includes(begin.trim());
  const isClosed = ({ end }: ToolFormat) => best?.text.includes(end.trim());
  const broken = best && (best.format ? !isClosed(best.format) : isOpened(fallback) && !isClosed(fallback));
  let calls: CallHabits | undefined;
  if (best && !broken) {
    const { objects, emptyContent } = best;
    const idOf = idForms[toolFormat.ids === "functions" ? 1 : 0];
    const both = textOf(
      [question, turnWith("some words", objects, 1, idOf), { ...answer, tool_call_id: idOf(0) }],
      tools,
    );
    const pair = textOf([question, turnWith(emptyContent, objects, 2, idOf)], tools);
    calls = {
      objects,
      emptyContent,
      besideContent: writes(both, 1) && both.includes("some words"),
      several: writes(pair, 2),
    };
  }
  const turn = calls
    ? turnWith(calls.emptyContent, calls.objects, 1)
    : { role: "assistant", content: writeCalls(toolFormat, [one]) };
  // Many templates write whatever role they get, tool messages too: only one that knows of tools means it.
  const namesTools = /["']tool["']/.test(template.source) || (readsTools && calls !== undefined);
  const knowsResults = namesTools && textOf([question, turn, answer], tools).includes(answer.content);
  return { toolFormat, habits: { ...habits, knowsResults, calls } };
}
