// How families write calls of tools in text, as data: what a prompt shows a model, what a grammar holds it to and what is
// read back from it all follow these tables. Nothing here asks for a family; a format is found by what a checkpoint's
// template and vocabulary know. Sources are named at each.

import type { Tool } from "./chat-message.ts";

/**
 * The text of calls: begin, call (separator call)*, end; a call is callBegin name nameEnd arguments callEnd, and its
 * arguments are a JSON object. Control tokens in these texts are those of the vocabulary, where it has them.
 */
export interface ToolFormat {
  readonly name: "deepseek-v3" | "deepseek-v3.1" | "hermes" | "mistral" | "llama3" | "json";
  readonly begin: string;
  readonly callBegin: string;
  readonly nameEnd: string;
  readonly callEnd: string;
  readonly separator: string;
  readonly end: string;
  /** Whether one turn may hold several calls. */
  readonly parallel: boolean;
  /** A call is one JSON object, name and arguments in it under these keys (undefined: the name stands in the text). */
  readonly argumentsKey: "arguments" | "parameters" | undefined;
  /** Texts that begin calls wherever they come. */
  readonly openers: readonly string[];
  /** Texts, spaces apart, with which an answer begins that is calls without any such text; NAME is that of a tool. */
  readonly bareBeginnings: readonly string[];
  /** What the template of a model that is not told of tools by it does not say: said in the system message. */
  readonly instructions: { readonly before: string; readonly after: string };
}

const listed = "You can use these tools:\n";

/** Formats, the more particular first; the last fits every model. */
export const toolFormats: readonly (ToolFormat & {
  /** Whether a checkpoint uses the format, by its template and the control tokens of its vocabulary. */
  readonly fits: (template: string, has: (token: string) => boolean) => boolean;
})[] = [
  {
    // DeepSeek-V3.1, tokenizer_config.json: no "function", no code fence
    name: "deepseek-v3.1",
    begin: "<｜tool▁calls▁begin｜>",
    callBegin: "<｜tool▁call▁begin｜>",
    nameEnd: "<｜tool▁sep｜>",
    callEnd: "<｜tool▁call▁end｜>",
    separator: "",
    end: "<｜tool▁calls▁end｜>",
    parallel: true,
    argumentsKey: undefined,
    openers: ["<｜tool▁calls▁begin｜>"],
    bareBeginnings: [],
    instructions: {
      before: "## Tools\nYou have access to the following tools:\n",
      after:
        "\nTo call tools, answer with <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>name<｜tool▁sep｜>arguments as JSON<｜tool▁call▁end｜><｜tool▁calls▁end｜>.",
    },
    fits: (template, has) => has("<｜tool▁sep｜>") && template.includes("tool▁sep") && !template.includes("```json"),
  },
  {
    // DeepSeek-V3 and -R1, tokenizer_config.json; plainformer's default model is trained on just these instructions
    name: "deepseek-v3",
    begin: "<｜tool▁calls▁begin｜>",
    callBegin: "<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
    nameEnd: "\n```json\n",
    callEnd: "\n```<｜tool▁call▁end｜>",
    separator: "\n",
    end: "<｜tool▁calls▁end｜>",
    parallel: true,
    argumentsKey: undefined,
    openers: ["<｜tool▁calls▁begin｜>"],
    bareBeginnings: [],
    instructions: { before: listed, after: "" },
    fits: (_, has) => has("<｜tool▁sep｜>"),
  },
  {
    // Mistral 7B Instruct v0.3 and later, tokenizer_config.json
    name: "mistral",
    begin: "[TOOL_CALLS][",
    callBegin: '{"name": "',
    nameEnd: '", "arguments": ',
    callEnd: "}",
    separator: ", ",
    end: "]",
    parallel: true,
    argumentsKey: "arguments",
    openers: ["[TOOL_CALLS]"],
    bareBeginnings: [],
    instructions: {
      before: listed,
      after: '\nTo call tools, answer with [TOOL_CALLS][{"name": …, "arguments": {…}}].',
    },
    fits: (_, has) => has("[TOOL_CALLS]"),
  },
  {
    // NousResearch/Hermes-Function-Calling; Qwen2.5 and Qwen3, tokenizer_config.json
    name: "hermes",
    begin: "",
    callBegin: '<tool_call>\n{"name": "',
    nameEnd: '", "arguments": ',
    callEnd: "}\n</tool_call>",
    separator: "\n",
    end: "",
    parallel: true,
    argumentsKey: "arguments",
    openers: ["<tool_call>"],
    bareBeginnings: [],
    instructions: {
      before: listed,
      after:
        '\nFor each function call, answer with a JSON object within <tool_call></tool_call> tags:\n<tool_call>\n{"name": function name, "arguments": object}\n</tool_call>',
    },
    fits: (template, has) => has("<tool_call>") || template.includes("<tool_call>"),
  },
  {
    // Llama 3.1 and later, tokenizer_config.json; Meta's llama-models, prompt_format.md
    name: "llama3",
    begin: "",
    callBegin: '{"name": "',
    nameEnd: '", "parameters": ',
    callEnd: "}",
    separator: "; ",
    end: "",
    parallel: false,
    argumentsKey: "parameters",
    openers: ["<|python_tag|>"],
    bareBeginnings: ['{"name":"NAME"', '{"type":"function","name":"NAME"'],
    instructions: {
      before: listed,
      after:
        '\nTo call one, answer with {"name": function name, "parameters": dictionary of argument name and its value} alone.',
    },
    fits: (template, has) => has("<|python_tag|>") || template.includes('"parameters": '),
  },
  {
    // Ours, for models that know no other
    name: "json",
    begin: '{"tool_calls": [',
    callBegin: '{"name": "',
    nameEnd: '", "arguments": ',
    callEnd: "}",
    separator: ", ",
    end: "]}",
    parallel: true,
    argumentsKey: "arguments",
    openers: [],
    bareBeginnings: ['{"tool_calls":['],
    instructions: {
      before: listed,
      after: '\nTo call tools, answer with {"tool_calls": [{"name": function name, "arguments": object}]} alone.',
    },
    fits: () => true,
  },
];

/** The format of a checkpoint, by its template ("" for none) and the tokens of its vocabulary. */
export function toolFormatOf(template: string, has: (token: string) => boolean): ToolFormat {
  return toolFormats.find(({ fits }) => fits(template, has)) as ToolFormat;
}

/**
 * Calls as the model would have written them; `write` is applied to the format's own texts, not to names and arguments.
 */
export function writeCalls(
  format: ToolFormat,
  calls: readonly { readonly name: string; readonly arguments: string }[],
  write: (text: string) => string = (text) => text,
): string {
  const written = calls.map(
    (call) => write(format.callBegin) + call.name + write(format.nameEnd) + call.arguments + write(format.callEnd),
  );
  return write(format.begin) + written.join(write(format.separator)) + write(format.end);
}

/** What a system message says of tools where the template does not: one JSON object a line, as Python's json.dumps writes. */
export function toolInstructions({ instructions }: ToolFormat, tools: readonly Tool[]): string {
  return instructions.before + tools.map((tool) => spacedJson(tool)).join("\n") + instructions.after;
}

/** JSON with a space after each comma and colon. */
export function spacedJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spacedJson).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}: ${spacedJson(item)}`).join(", ")}}`;
}
