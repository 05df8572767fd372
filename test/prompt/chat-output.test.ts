// A model's text → thoughts, words and calls, whatever the pieces it comes in.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Tool } from "../../src/prompt/chat-message.ts";
import { type ChatDelta, chatOutput } from "../../src/prompt/chat-output.ts";
import { type ToolFormat, toolFormats } from "../../src/prompt/tool-formats.ts";
import { writeCalls } from "../../src/prompt/written-calls.ts";
import { times } from "../long.ts";

const tools: Tool[] = ["get_weather", "add"].map((name) => ({ type: "function", function: { name } }));
const thinkTags = { open: "<think>", close: "</think>" };
const formatOf = (name: string) => toolFormats.find((format) => format.name === name) as ToolFormat;
const formats = toolFormats.map(({ name }) => name);
/** Whose arguments are one JSON object, and so stay as they are to the letter. */
const jsonFormats = toolFormats.filter(({ notation }) => !notation).map(({ name }) => name);

interface Setting {
  format?: string;
  startsInReasoning?: boolean;
  offered?: Tool[];
  thinks?: boolean;
}

interface Message {
  content: string;
  reasoning: string;
  calls: { id?: string; name?: string; arguments: string }[];
}

/** The whole message that comes of a text in pieces; each delta is checked on the way. */
function read(pieces: readonly string[], setting: Setting = {}): Message {
  const { format = "hermes", startsInReasoning = false, offered = tools, thinks = true } = setting;
  const output = chatOutput({
    format: {
      toolFormat: formatOf(format),
      thinkTags: thinks ? thinkTags : undefined,
      specialTexts: ["<|im_end|>", "<|im_start|>"],
    },
    startsInReasoning,
    tools: offered,
  });
  const message: Message = { content: "", reasoning: "", calls: [] };
  const take = (delta: ChatDelta) => {
    expect(Object.keys(delta)).toHaveLength(1);
    expect(delta.content).not.toBe("");
    expect(delta.reasoning).not.toBe("");
    message.content += delta.content ?? "";
    message.reasoning += delta.reasoning ?? "";
    if (!delta.toolCall) return;
    const { index, id, name, arguments: text } = delta.toolCall;
    if (id !== undefined) {
      expect(index).toBe(message.calls.length); // calls come one after the other
      message.calls.push({ id, name, arguments: "" });
    }
    expect(index).toBe(message.calls.length - 1);
    message.calls[index].arguments += text ?? "";
  };
  for (const piece of pieces) output.push(piece).forEach(take);
  output.end().forEach(take);
  return message;
}

/** The message of a text, which must not depend on how it is cut. */
function readAnyhow(text: string, setting: Setting = {}): Message {
  const without = ({ content, reasoning, calls }: Message) => ({
    content,
    reasoning,
    calls: calls.map(({ name, arguments: json }) => ({ name, arguments: json })),
  });
  const whole = read([text], setting);
  for (let size = 1; size <= Math.min(text.length, 30); size++) {
    const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
      text.slice(i * size, (i + 1) * size),
    );
    expect(without(read(pieces, setting))).toEqual(without(whole));
  }
  return without(whole);
}

const said = (content: string, reasoning = "") => ({ content, reasoning, calls: [] });

describe("words", () => {
  test("come as they are", () => {
    for (const text of ["Hello!\n\n", " a < b > c <| <thi </think> [1] {} ", "x <think> y", "\n", ""])
      expect(readAnyhow(text, { offered: [] })).toEqual(said(text));
    expect(readAnyhow('{"name": "get_weather", "parameters": {}}', { format: "llama3", offered: [] }).calls).toEqual(
      [],
    );
  });

  test("special tokens are no part of them", () => {
    expect(readAnyhow("Hi<|im_end|>", { offered: [] })).toEqual(said("Hi"));
    expect(readAnyhow("a<|im_start|>b<|im_st")).toEqual(said("ab<|im_st"));
  });

  test("nothing is held back that cannot become a tag", () => {
    const output = chatOutput({
      format: { toolFormat: formatOf("hermes"), thinkTags, specialTexts: [] },
      startsInReasoning: false,
      tools,
    });
    expect(output.push("Let me")).toEqual([{ content: "Let me" }]);
    expect(output.push(" see <too")).toEqual([{ content: " see" }]);
    expect(output.push("thless")).toEqual([{ content: " <toothless" }]);
    expect(output.end()).toEqual([]);
  });
});

describe("thoughts", () => {
  test("stand before the words, without the space round their tags", () => {
    expect(readAnyhow("<think>\nOne,\n\ntwo.\n</think>\n\n Three.")).toEqual(said("Three.", "One,\n\ntwo."));
    expect(readAnyhow("\n<think>x</think>y", { offered: [] })).toEqual(said("\ny", "x"));
    expect(readAnyhow("<think>\n\n</think>\n\nThree.")).toEqual(said("Three."));
  });

  test("that the prompt has opened begin at once", () => {
    const setting = { startsInReasoning: true };
    expect(readAnyhow(" and two\n</think>\n\nThree", setting)).toEqual(said("Three", " and two"));
    expect(readAnyhow("never ends <think> <tool_call>", setting)).toEqual(said("", "never ends <think> <tool_call>"));
  });

  test("are words where the model knows no tags", () => {
    expect(readAnyhow("<think>x</think>", { thinks: false })).toEqual(said("<think>x</think>"));
  });
});

describe("calls", () => {
  const rome = { name: "get_weather", arguments: '{"location": "Rome ```{[<]}\\n\\"", "x": [1, {"y": null}]}' };
  const sum = { name: "add", arguments: "{}" };

  test.each(formats)("as %s writes them are read back", (name) => {
    const format = formatOf(name);
    const calls = format.parallel ? [rome, sum, rome] : [rome];
    expect(readAnyhow(writeCalls(format, calls), { format: name })).toEqual({ content: "", reasoning: "", calls });
    const thoughtful = readAnyhow(`hm\n</think>\n\n${writeCalls(format, calls)}`, {
      format: name,
      startsInReasoning: true,
    });
    expect(thoughtful).toEqual({ content: "", reasoning: "hm", calls });
    if (format.openers.length > 0)
      expect(
        readAnyhow(`Let me see.\n\n${format.openers[0]}${writeCalls(format, calls).replace(format.openers[0], "")}`, {
          format: name,
        }),
      ).toEqual({ content: "Let me see.", reasoning: "", calls });
  });

  test.each(jsonFormats)("of any arguments, as %s", (name) => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })), fc.nat(4), (value, indent) => {
        const made = { name: "add", arguments: JSON.stringify(value, null, indent) };
        const text = writeCalls(formatOf(name), [made]);
        const { calls } = read([text.slice(0, text.length / 2), text.slice(text.length / 2)], { format: name });
        expect(calls.map(({ arguments: json }) => JSON.parse(json))).toEqual([JSON.parse(made.arguments)]);
      }),
      { numRuns: times(40, 100), seed: 1 },
    );
  });

  test("have ids as DeepSeek's, or nine letters and digits for Mistral", () => {
    const idOf = (name: string) => read([writeCalls(formatOf(name), [rome])], { format: name }).calls[0].id;
    expect(idOf("deepseek-v3")).toMatch(/^call_00_[0-9a-f]{24}$/);
    expect(idOf("mistral")).toMatch(/^[a-zA-Z0-9]{9}$/);
  });

  test.each<[string, string, string]>([
    ["keys the other way round", "hermes", '<tool_call>{"arguments":{"a":1},"name":"add"}</tool_call>'],
    ["arguments as text", "hermes", '<tool_call>{"name":"add","arguments":"{\\"a\\":1}"}</tool_call>'],
    ["other spaces", "hermes", '<tool_call>  { "name" :\n"add" , "arguments" : {"a":1} }  </tool_call>'],
    ["a tag before", "llama3", '<|python_tag|>{"name": "add", "parameters": {"a":1}}'],
    ["a type", "llama3", '{"type": "function", "name": "add", "parameters": {"a":1}}'],
    ["an id", "mistral", '[TOOL_CALLS] [{"name": "add", "arguments": {"a":1}, "id": "abcdefghi"}]'],
    [
      "no fence",
      "deepseek-v3",
      '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n{"a":1}<｜tool▁call▁end｜>',
    ],
    ["spaces in front", "json", '\n {"tool_calls":[{"name":"add","arguments":{"a":1}}]}\n'],
  ])("%s", (_, format, text) => {
    expect(readAnyhow(text, { format }).calls).toEqual([{ name: "add", arguments: '{"a":1}' }]);
  });

  test("without arguments have none", () => {
    expect(readAnyhow('<tool_call>{"name": "add"}</tool_call>').calls).toEqual([{ name: "add", arguments: "{}" }]);
    const bare =
      "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n```json\n\n```<｜tool▁call▁end｜>";
    expect(readAnyhow(bare, { format: "deepseek-v3" }).calls).toEqual([{ name: "add", arguments: "{}" }]);
  });

  test("that are cut short stay as far as they came", () => {
    for (const name of formats) {
      const text = writeCalls(formatOf(name), [rome]);
      const cut = text.slice(0, text.indexOf("Rome") + 2);
      expect(readAnyhow(cut, { format: name }).calls).toEqual([{ name: "get_weather", arguments: '{"location": "Ro' }]);
    }
  });

  test("that are none are words", () => {
    expect(readAnyhow('{"name": "Ann", "age": 5}', { format: "llama3" })).toEqual(said('{"name": "Ann", "age": 5}'));
    expect(readAnyhow('{"tool": 1}', { format: "json" })).toEqual(said('{"tool": 1}'));
    expect(readAnyhow('{"name": "add', { format: "llama3" })).toEqual(said('{"name": "add'));
    expect(readAnyhow('<tool_call>{"a": 1}</tool_call>')).toEqual(said('<tool_call>{"a": 1}</tool_call>'));
    expect(readAnyhow("<tool_call>none</tool_call> here")).toEqual(said("<tool_call>none</tool_call> here"));
    expect(readAnyhow('{"tool_calls": ["add"]}', { format: "json" })).toEqual(said('{"tool_calls": ["add"]}'));
  });

  test("may have words behind them", () => {
    const text = `${writeCalls(formatOf("hermes"), [sum])}\nDone.`;
    expect(readAnyhow(text)).toEqual({ content: "Done.", reasoning: "", calls: [sum] });
  });
});

test("any text, cut anyhow, is read without a fault", () => {
  const scraps = [
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    '{"name": "add", "arguments": ',
    "{}",
    "}",
    "[",
    "]",
    '"',
    "\\",
    "\n",
    " ",
    "```",
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁sep｜>",
    "<｜tool▁call▁end｜>",
    "<",
    "[TOOL_CALLS]",
    "a",
  ];
  const text = fc.array(fc.constantFrom(...scraps), { maxLength: 14 }).map((list) => list.join(""));
  fc.assert(
    fc.property(fc.constantFrom(...formats), fc.boolean(), text, (format, startsInReasoning, made) => {
      readAnyhow(made, { format, startsInReasoning });
    }),
    { numRuns: times(80, 400), seed: 2 },
  );
});
