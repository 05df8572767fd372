// Conversations → ids, held against transformers; and what is promised beyond it: no text of a user's is a control token, a
// prefix goes on from its last character, nothing that was given is lost.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FieldError } from "../../src/field-error.ts";
import { type ChatRequest, createChatFormat } from "../../src/prompt/chat-format.ts";
import type { ChatMessage, Tool } from "../../src/prompt/chat-message.ts";
import type { Segment } from "../../src/prompt/segments.ts";
import { toolList } from "../../weights/make-default/chat-form.ts";
import { sampled, times } from "../long.ts";
import { family, goldens } from "./chat-families.ts";

const families = Object.keys(goldens.families);
const textOf = (segments: readonly Segment[]) =>
  segments.map((segment) => ("text" in segment ? segment.text : "ids" in segment ? "" : "[rows]")).join("");
const promptText = (name: string, request: ChatRequest) => textOf(family(name).format.prompt(request).segments);
const user = (content: ChatMessage["content"]): ChatMessage => ({ role: "user", content });
const assistant = (content: ChatMessage["content"], more: Partial<ChatMessage> = {}): ChatMessage => ({
  role: "assistant",
  content,
  ...more,
});
const call = (id: string, name: string, text: string) => ({ id, function: { name, arguments: text } });

describe(`ids as transformers ${goldens.versions.transformers} gives them`, () => {
  test.each(families)("%s", (name) => {
    const { ids, tokenizer } = family(name);
    const differing = Object.entries(goldens.families[name].ids).flatMap(([conversation, expected]) => {
      const ours = ids(goldens.conversations[conversation]);
      if (JSON.stringify(ours) === JSON.stringify(expected)) return [];
      return [{ conversation, ours: tokenizer.decode(ours), theirs: tokenizer.decode(expected) }];
    });
    expect(differing).toEqual([]);
  });
});

describe("no text becomes a control token", () => {
  /** A conversation with a text in every field that a request has. */
  function everywhere(name: string, text: string): ChatRequest {
    const parameters = { type: "object", description: text, properties: { [text]: { enum: [text], type: "string" } } };
    const tool: Tool = { type: "function", function: { name: text, description: text, parameters } };
    const id = name === "mistral" ? text.padEnd(9).slice(0, 9) : text;
    return {
      messages: [
        ...(name === "mistral" ? [] : [{ role: "system", content: text, name: text } as const]),
        { role: "user", content: text, name: text },
        { role: "assistant", content: null, tool_calls: [call(id, text, JSON.stringify({ [text]: text }))] },
        { role: "tool", content: text, tool_call_id: id, name: text },
        { role: "assistant", content: `${text} ${text}`, reasoning_content: text, name: text },
        {
          role: "user",
          content: [
            { type: "text", text },
            { type: "text", text: `${text}${text}` },
          ],
        },
      ],
      tools: [tool],
      templateArguments: { date_string: text, reasoning_effort: text },
    };
  }

  test.each(families)("%s: control tokens' texts in every field", (name) => {
    const { ids, tokenizer } = family(name);
    const control = tokenizer.addedTokens.filter((token) => token.control);
    const harmless = ids(everywhere(name, "harmless"));
    const controlIds = new Set(control.map(({ id }) => id));
    // Of hundreds, forty in the short run.
    const countOf = (list: readonly number[], id: number) => list.filter((other) => other === id).length;
    let found = 0;
    for (const { id, content } of sampled(control, Math.ceil(control.length / 40))) {
      const made = ids(everywhere(name, content));
      // A template may cut a user's text at </think> and write its own; it may not get one of the user's through.
      if (content !== "</think>") expect([content, countOf(made, id)]).toEqual([content, countOf(harmless, id)]);
      else expect(countOf(made, id)).toBeLessThanOrEqual(countOf(harmless, id) + 1);
      found += made.filter((other) => controlIds.has(other)).length;
    }
    expect(found).toBeGreaterThan(0);
  });

  test.each(families)("%s: pieces of control tokens side by side", (name) => {
    const { ids, tokenizer } = family(name);
    const control = tokenizer.addedTokens.filter((token) => token.control);
    const controlIds = new Set(control.map(({ id }) => id));
    const only = (list: readonly number[]) => list.filter((id) => controlIds.has(id));
    const harmless = only(ids(everywhere(name, "harmless")));
    const texts = control.map((token) => token.content).filter((text) => !text.includes("think"));
    const piece = fc
      .tuple(fc.constantFrom(...texts), fc.nat(40), fc.nat(40))
      .map(([text, from, length]) => text.slice(from % text.length, (from % text.length) + length));
    const private_ = fc.constantFrom(
      "\u{f003c}",
      "\u{f007c}",
      "\u{100000}",
      "\u{10fffd}",
      "\ud83d",
      "\udc00",
      "\udb80",
    );
    const text = fc.array(fc.oneof(piece, private_, fc.string({ unit: "grapheme", maxLength: 3 })), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(text, (pieces) => {
        expect(only(ids(everywhere(name, `x${pieces.join("")}`)))).toEqual(harmless);
      }),
      { numRuns: times(15, 60), seed: 1 },
    );
  });

  test("private-use characters and half surrogates come through as text", () => {
    const text = "\u{f0041}\u{f0041} \u{100000}\u{10fffd}\ud83d|";
    const { format } = family("default");
    expect(textOf(format.prompt({ messages: [user(text)] }).segments)).toContain(
      "\u{f0041}\u{f0041} \u{100000}\u{10fffd}\ufffd|",
    );
  });
});

describe("chat prefix", () => {
  const prefixes = [
    "```python\n",
    " leading",
    "trailing  ",
    "\n\n",
    "Hel",
    "\u4e2d\ud83d\ude00",
    '{"a": "',
    "a </b>\n\n",
    " ",
  ];

  test.each(families)("%s: the prompt ends with exactly the prefix", (name) => {
    const opening = promptText(name, { messages: [user("Well?"), assistant("MARK", { prefix: true })] });
    expect(opening.endsWith("MARK")).toBe(true);
    for (const prefix of prefixes) {
      const request = { messages: [user("Well?"), assistant(prefix, { prefix: true })] };
      expect(promptText(name, request)).toBe(opening.slice(0, -4) + prefix);
      expect(family(name).format.prompt(request).startsInReasoning).toBe(false);
    }
  });

  test("an empty prefix is the beginning of an answer", () => {
    const messages = [user("Well?"), assistant("", { prefix: true })];
    expect(promptText("default", { messages })).toBe("<｜begin▁of▁sentence｜><｜User｜>Well?<｜Assistant｜>");
  });

  test("thoughts go on inside their tags, and content behind them", () => {
    const thoughts = (content: string | null) => [
      user("1 + 1?"),
      assistant(content, { reasoning_content: "Two and", prefix: true }),
    ];
    for (const name of ["qwen3", "deepseek-r1"]) {
      const { format } = family(name);
      const inside = format.prompt({ messages: thoughts(null) });
      expect(textOf(inside.segments)).toMatch(/(assistant\n|<｜Assistant｜>)<think>\nTwo and$/);
      expect(inside.startsInReasoning).toBe(true);
      const behind = format.prompt({ messages: thoughts("It is") });
      expect(textOf(behind.segments)).toMatch(/<think>\nTwo and\n<\/think>\n\nIt is$/);
      expect(behind.startsInReasoning).toBe(false);
      const open = family(name).tokenizer.idOf("<think>");
      expect(family(name).ids({ messages: thoughts("It is") })).toContain(open);
    }
    expect(() => family("default").format.prompt({ messages: thoughts(null) })).toThrow(
      "messages[1].reasoning_content: this model does not think aloud, expected content alone",
    );
  });

  test("a template that cuts the prefix is gone round", () => {
    const messages = [user("Well?"), assistant("a</think>b", { prefix: true })];
    expect(promptText("deepseek-r1", { messages })).toMatch(/<｜Assistant｜><think>\n\n<\/think>\n\na<\/think>b$/);
  });
});

describe("thinking", () => {
  const messages = [user("1 + 1?")];
  test("a template that opens thoughts: the answer begins inside of them", () => {
    expect(family("deepseek-r1").format.prompt({ messages }).startsInReasoning).toBe(true);
    expect(family("qwen3").format.prompt({ messages }).startsInReasoning).toBe(false);
  });

  test("told not to think, thoughts are closed", () => {
    for (const name of ["qwen3", "deepseek-r1"]) {
      const { segments, startsInReasoning } = family(name).format.prompt({ messages, thinking: false });
      expect(textOf(segments)).toMatch(/<think>\n\n<\/think>\n\n$/);
      expect(startsInReasoning).toBe(false);
    }
  });

  test("a question that ends in the tag opens nothing", () => {
    const format = createChatFormat("{{ messages[0].content }}", family("qwen3").tokenizer);
    expect(format.prompt({ messages: [user("<think>")] }).startsInReasoning).toBe(false);
  });

  test("only known variables reach a template", () => {
    expect(promptText("llama3.1", { messages, templateArguments: { date_string: "1 May 2025" } })).toContain(
      "Today Date: 1 May 2025",
    );
    expect(() => promptText("llama3.1", { messages, templateArguments: { messages: [] } })).toThrow(
      'templateArguments["messages"]: it is not known, expected one of enable_thinking, thinking, reasoning_effort, date_string',
    );
    expect(() => promptText("llama3.1", { messages, templateArguments: { thinking: [] } })).toThrow(
      'templateArguments["thinking"]: got an empty array, expected text, a number or true or false',
    );
  });
});

describe("tools where a template does not know them", () => {
  const weather: Tool = {
    type: "function",
    function: { name: "get_weather", parameters: { type: "object", properties: {} } },
  };
  const made = '{"location": "Rome"}';
  const answered = (content: string | null): ChatMessage[] => [
    user("Rain?"),
    assistant(content, { tool_calls: [call("1", "get_weather", made)] }),
    { role: "tool", tool_call_id: "1", content: "dry" },
  ];
  const calls = `<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n\`\`\`json\n${made}\n\`\`\`<｜tool▁call▁end｜><｜tool▁calls▁end｜>`;
  const results = "<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>dry<｜tool▁output▁end｜><｜tool▁outputs▁end｜>";

  test("the default model is told of them as it was in training", () => {
    const described = { ...weather.function, description: "The weather." };
    const tools = [{ ...weather, function: described }];
    expect(promptText("default", { messages: [user("Rain?")], tools })).toContain(toolList([described as never]));
  });

  test("DeepSeek's list of calls is closed, which its own template forgets; words beside it stay", () => {
    for (const content of [null, "", "Let me see."]) {
      expect(promptText("deepseek-v3", { messages: answered(content) })).toBe(
        `<｜begin▁of▁sentence｜><｜User｜>Rain?<｜Assistant｜>${content ?? ""}${calls}<｜end▁of▁sentence｜>${results}`,
      );
    }
    const { ids, tokenizer } = family("deepseek-v3");
    for (const token of ["<｜tool▁calls▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁calls▁end｜>"])
      expect(ids({ messages: answered(null) })).toContain(tokenizer.idOf(token));
  });

  test("a model that knows none writes and reads JSON", () => {
    expect(promptText("deepseek-llm", { messages: answered(null) })).toContain("<｜tool▁calls▁begin｜>"); // its vocabulary does
    const text = promptText("llama3", { messages: answered("Hm. "), tools: [weather] });
    expect(text).toContain("To call tools, answer with");
    expect(text).toContain(`Hm. {"tool_calls": [{"name": "get_weather", "arguments": ${made}}]}<|eot_id|>`);
    expect(text).toContain("user<|end_header_id|>\n\nResult of get_weather: dry<|eot_id|>");
  });

  test("Mistral's ids are made to fit, and its missing system role is", () => {
    const messages: ChatMessage[] = [
      { role: "system", content: "Be brief." },
      user("Rain?"),
      assistant(null, { tool_calls: [call("call_00_abc", "get_weather", made)] }),
      { role: "tool", tool_call_id: "call_00_abc", content: "dry" },
    ];
    const text = promptText("mistral", { messages });
    expect(text).toContain("[INST] Be brief.\n\nRain?[/INST]");
    const [, id] = /"id": "([0-9a-f]{9})"/.exec(text) ?? [];
    expect(text).toContain(`"call_id": "${id}"`);
  });

  test("two calls of one turn, for a template that takes one: each in a turn of its own, its result behind it", () => {
    const messages: ChatMessage[] = [
      user("Rain, and when?"),
      assistant("Hm.", { tool_calls: [call("1", "get_weather", made), call("2", "now", "{}")] }),
      { role: "tool", tool_call_id: "2", content: "noon" },
      { role: "tool", tool_call_id: "1", content: "dry" },
    ];
    const text = promptText("llama3.1", { messages });
    const order = ['"name": "get_weather"', "dry", '"name": "now"', "noon"].map((part) => text.indexOf(part));
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(Math.min(...order)).toBeGreaterThan(0);
  });
});

describe("histories that clients send", () => {
  const asked = user("Rain?");
  const answered = (given: unknown): ChatMessage[] => [
    asked,
    {
      role: "assistant",
      content: null,
      tool_calls: [{ id: "1", function: { name: "f", arguments: given as string } }],
    },
    { role: "tool", tool_call_id: "1", content: "dry" },
  ];
  const argumentsIn = (text: string) => /"arguments": (.*)\}\n<\/tool_call>/.exec(text)?.[1];

  test.each<[string, unknown, string, boolean]>([
    ["no text", "", "{}", false],
    ["white space", " \n", "{}", false],
    ["null", "null", "{}", false],
    ["nothing at all", undefined, "{}", false],
    ["an object", { a: 1 }, '{"a": 1}', false],
    ["an object in a string", '"{\\"a\\": 1}"', '{"a": 1}', false],
    ["a list", "[1]", "{}", true],
    ["a number", "5", "{}", true],
    ["cut JSON", '{"city": "Ro', "{}", true],
    ["broken JSON", "{city: Rome}", "{}", true],
    ["words", "Rome", "{}", true],
    [
      "keys in their order, numbers to the digit",
      '{"b": 9007199254740993, "1": 1.0}',
      '{"b": 9007199254740993, "1": 1.0}',
      false,
    ],
  ])("arguments that are %s", (_, given, shown, warned) => {
    for (const name of ["qwen3", "qwen2.5"]) {
      const { segments, warnings } = family(name).format.prompt({ messages: answered(given) });
      expect(argumentsIn(textOf(segments))).toBe(shown);
      expect(warnings.length).toBe(warned ? 1 : 0);
      if (warned)
        expect(`${warnings[0].field}: ${warnings[0].hint}`).toMatch(
          /^messages\[1\]\.tool_calls\[0\]\.function\.arguments: got .*, which is no JSON object; the model is shown \{\}$/,
        );
    }
  });

  test.each<[string, Partial<ChatMessage>, string]>([
    ["no content", { content: null }, ""],
    ["no field content", {}, ""],
    ["no parts", { content: [] }, ""],
    ["no calls", { content: null, tool_calls: [] }, ""],
    ["a refusal", { content: null, refusal: "I would rather not." }, "I would rather not."],
    ["a part that is a refusal", { content: [{ type: "refusal", refusal: "No." }] }, "No."],
  ])("an assistant with %s", (_, message, said) => {
    const messages = [asked, { role: "assistant", ...message } as ChatMessage, user("Well?")];
    const plain = [asked, assistant(said), user("Well?")];
    expect(promptText("llama3", { messages })).toBe(promptText("llama3", { messages: plain }));
  });

  test("results without content, calls of no type, tools whose fields are null", () => {
    const messages: ChatMessage[] = [
      asked,
      assistant(null, { tool_calls: [{ id: "1", type: "", function: { name: "f", arguments: "{}" } }] }),
      { role: "tool", tool_call_id: "1", content: null },
    ];
    const tools: Tool[] = [{ type: "function", function: { name: "f", description: null, parameters: null } }];
    expect(promptText("qwen3", { messages, tools })).toContain('{"type": "function", "function": {"name": "f"}}');
  });

  test("tools that a template cannot show stand in the system message, with a warning", () => {
    const source =
      "{% for tool in tools or [] %}{{ tool.function.name + tool.function.parameters.properties.depth.type }}{% endfor %}{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}";
    const format = createChatFormat(source, family("qwen3").tokenizer);
    expect(format.habits.readsTools).toBe(true);
    const tools: Tool[] = [{ type: "function", function: { name: "sail", parameters: { type: "object" } } }];
    const { segments, warnings } = format.prompt({ messages: [asked], tools });
    expect(warnings).toHaveLength(1);
    expect(`${warnings[0].field}: ${warnings[0].hint}`).toMatch(
      /^tools: the chat template cannot show them \(chat template: .*\); they stand in the system message$/,
    );
    expect(textOf(segments)).toContain('"name": "sail"');
  });
});

test("rows stand where they are in a message of any role", () => {
  const embeds = { type: "embeds", id: "p", embeds: new Float32Array(4), shape: [1, 4] } as const;
  const parts: ChatMessage["content"] = [
    { type: "text", text: "a " },
    embeds,
    { type: "soft_prompt", name: "poet" },
    { type: "text", text: " b" },
  ];
  const messages: ChatMessage[] = [
    { role: "system", content: parts },
    user(parts),
    assistant(null, { tool_calls: [call("1", "f", "{}")] }),
    { role: "tool", tool_call_id: "1", content: parts },
    assistant(parts, { prefix: true }),
  ];
  for (const name of ["default", "qwen3", "llama3.1"]) {
    const { segments } = family(name).format.prompt({ messages });
    const { type: _, ...rows } = embeds;
    expect(segments.filter((segment) => "embeds" in segment)).toEqual([rows, rows, rows, rows]);
    expect(segments.filter((segment) => "softPrompt" in segment)).toHaveLength(4);
    expect(textOf(segments).match(/a \[rows\]\[rows\] b/g)).toHaveLength(4);
    expect(segments.at(-1)).toEqual({ text: " b" });
  }
});

describe("bad conversations", () => {
  const prompt = (messages: unknown, name = "default") => family(name).format.prompt({ messages } as ChatRequest);
  const parts = (...list: unknown[]) => [{ role: "user", content: list }];
  const asked = user("q");
  test.each<[string, unknown, string]>([
    ["no list", "hello", 'messages: got "hello", expected a list of messages'],
    ["no message", [], "messages: the list is empty, expected at least one message"],
    ["null", [null], "messages[0]: got null, expected an object"],
    [
      "another role",
      [{ role: "root", content: "x" }],
      'messages[0].role: got "root", expected one of system, developer, user, assistant, tool',
    ],
    ["no content", [{ role: "user" }], "messages[0].content: it is missing, expected a string"],
    ["a null question", [{ role: "user", content: null }], "messages[0].content: it is missing, expected a string"],
    ["a number", [{ role: "user", content: 5 }], "messages[0].content: got 5, expected a string or a list of parts"],
    ["no parts", parts(), "messages[0].content: the list is empty, expected at least one part"],
    [
      "an image",
      parts({ type: "text", text: "a" }, { type: "image_url", image_url: {} }),
      'messages[0].content[1].type: got "image_url", expected text, embeds or soft_prompt: this model reads no images, sounds or files',
    ],
    ["a part without text", parts({ type: "text" }), "messages[0].content[0].text: got nothing, expected a string"],
    [
      "embeds of another type",
      parts({ type: "embeds", embeds: [[1]], shape: [1, 1] }),
      "messages[0].content[0].embeds: expected a Float32Array of rows and their shape",
    ],
    ["a name", [{ ...asked, name: 5 }], "messages[0].name: got 5, expected a string"],
    [
      "prefix first",
      [assistant("a", { prefix: true }), asked],
      "messages[0].prefix: this is not the last message, expected it there only",
    ],
    [
      "a user's prefix",
      [{ ...asked, prefix: true }],
      "messages[0].prefix: the role is user, expected it on assistant messages only",
    ],
    [
      "a strange prefix",
      [asked, { ...assistant("a"), prefix: 1 }],
      "messages[1].prefix: got 1, expected true or false",
    ],
    [
      "a user's thoughts",
      [{ ...asked, reasoning_content: "x" }],
      "messages[0].reasoning_content: the role is user, expected it on assistant messages only",
    ],
    [
      "an answer to nothing",
      [asked, { role: "tool", content: "x", tool_call_id: "9" }],
      'messages[1].tool_call_id: no call before it has the id "9", expected one of an assistant\'s tool_calls',
    ],
    [
      "an answer without id",
      [asked, { role: "tool", content: "x" }],
      "messages[1].tool_call_id: got nothing, expected a string",
    ],
    [
      "a user's id",
      [{ ...asked, tool_call_id: "1" }],
      "messages[0].tool_call_id: the role is user, expected it on tool messages only",
    ],
    [
      "calls and prefix",
      [asked, assistant("x", { prefix: true, tool_calls: [call("1", "f", "{}")] })],
      "messages[1].tool_calls: the message is a prefix, expected text to go on from and no calls",
    ],
    [
      "a call without function",
      [asked, { role: "assistant", content: null, tool_calls: [{ id: "1" }] }],
      "messages[1].tool_calls[0].function.name: got nothing, expected a string",
    ],
    [
      "a call of another type",
      [asked, { role: "assistant", content: null, tool_calls: [{ id: "1", type: "web" }] }],
      'messages[1].tool_calls[0].type: got "web", expected function',
    ],
  ])("%s", (_, messages, sentence) => {
    expect(() => prompt(messages)).toThrow(sentence);
  });

  test("what the template refuses is refused in its words", () => {
    expect(() => prompt([asked, asked], "mistral")).toThrow(
      new FieldError(
        "messages",
        "the model's chat template refuses them: Conversation roles must alternate user/assistant/user/assistant/...",
      ),
    );
  });

  test("a checkpoint without a template cannot chat", () => {
    expect(() => createChatFormat(null, family("default").tokenizer)).toThrow(
      "chat template: this checkpoint has none, so it cannot chat; it can still continue text",
    );
  });
});
