// How families write calls of tools in text, as data: what a prompt shows a model, what a grammar holds it to and what is
// read back from it all follow these tables. Nothing here asks for a family; a format is found by what a checkpoint's
// template writes (written-calls.ts) or, if it writes no calls, by its words and the vocabulary. Sources are named at each.

import type { Tool } from "./chat-message.ts";
import { spacedJson } from "./json-text.ts";

/**
 * The text of calls: begin, call (separator call)*, end; a call is callBegin name nameEnd arguments callEnd. In these texts
 * `{index}` stands for a number and `{id}` for nine letters or digits. Control tokens in them are those of the vocabulary,
 * where it has them.
 */
export interface ToolFormat {
  readonly name: string;
  readonly begin: string;
  readonly callBegin: string;
  readonly nameEnd: string;
  readonly callEnd: string;
  readonly separator: string;
  readonly end: string;
  /** Whether one turn may hold several calls. */
  readonly parallel: boolean;
  /** What may stand between the arguments and callEnd. */
  readonly afterArguments?: string;
  /** A call is one JSON object, name and arguments among its fields: it is read whatever their order. */
  readonly object: boolean;
  /** How arguments are written; absent: as one JSON object. */
  readonly notation?: ArgumentNotation;
  /** What ids of calls look like in this family's templates; absent: anything. */
  readonly ids?: "nine" | "functions";
  /** Texts that begin calls wherever they come. */
  readonly openers: readonly string[];
  /** Texts, spaces apart, with which an answer begins that is calls without any such text; NAME is that of a tool. */
  readonly bareBeginnings: readonly string[];
  /** What the template of a model that is not told of tools by it does not say: said in the system message. */
  readonly instructions?: { readonly before: string; readonly after: string };
}

/** Arguments that are not one JSON object: open, keyBegin NAME keyEnd VALUE valueEnd (separator …)*, close. */
export interface ArgumentNotation {
  readonly open: string;
  readonly close: string;
  readonly keyBegin: string;
  /** What stands after a name, of a string and of anything else. */
  readonly keyEnd: { readonly string: string; readonly other: string };
  readonly valueEnd: string;
  readonly separator: string;
  /** "raw": as they are, up to valueEnd; "json": as JSON has them; marks: as they are, between the marks. */
  readonly strings: "raw" | "json" | { readonly open: string; readonly close: string };
  readonly literals: readonly [yes: string, no: string, none: string];
  /** Arrays and objects in values: JSON, or in this notation, the names in them quoted or bare. */
  readonly nested: "json" | "quoted" | "bare";
  /** Arguments stand in the order of their names. */
  readonly sorted?: boolean;
}

type Row = ToolFormat & {
  /** Whether a checkpoint uses the format, by its template and the control tokens of its vocabulary. */
  readonly fits: (template: string, has: (token: string) => boolean) => boolean;
};

const listed = "You can use these tools:\n";
const jsonLiterals = ["true", "false", "null"] as const;
const pythonLiterals = ["True", "False", "None"] as const;
const none = { begin: "", end: "", separator: "", openers: [], bareBeginnings: [], parallel: true, object: false };
const both = (text: string) => ({ string: text, other: text });

/** A call as one JSON object {"name": …, "arguments": …}. */
const objectCall = {
  ...{ object: true, parallel: true, bareBeginnings: [] },
  ...{ callBegin: '{"name": "', nameEnd: '", "arguments": ', callEnd: "}" },
};
const toolName = { ...objectCall, callBegin: '{"tool_name": "', nameEnd: '", "parameters": ' };

/** <parameter=key>, each value on lines of its own: raw text if the parameter is a string, else JSON. */
const parameterTags: ArgumentNotation = {
  ...{ open: "", close: "", separator: "", keyBegin: "<parameter=", keyEnd: both(">\n"), valueEnd: "\n</parameter>\n" },
  ...{ strings: "raw", literals: jsonLiterals, nested: "json" },
};

/** A Python call's keyword arguments. Strings are written as JSON's are: Python reads these too. */
const keywords: ArgumentNotation = {
  ...{ open: "", close: "", separator: ", ", keyBegin: "", keyEnd: both("="), valueEnd: "" },
  ...{ strings: "json", literals: pythonLiterals, nested: "quoted" },
};

/** DeepSeek's markup language, in which a parameter says whether it is a string. */
function markup(block: string): Row {
  const tag = (text: string) => `<｜DSML｜${text}`;
  return {
    ...none,
    name: `dsml-${block}`,
    begin: `${tag(block)}>\n`,
    callBegin: `${tag("invoke")} name="`,
    nameEnd: '">\n',
    callEnd: "</｜DSML｜invoke>",
    separator: "\n",
    end: `\n</｜DSML｜${block}>`,
    notation: {
      ...{ open: "", close: "", separator: "", keyBegin: `${tag("parameter")} name="` },
      ...{ keyEnd: { string: '" string="true">', other: '" string="false">' }, valueEnd: "</｜DSML｜parameter>\n" },
      ...{ strings: "raw", literals: jsonLiterals, nested: "json" },
    },
    openers: [`${tag(block)}>`],
    fits: (template) => template.includes("DSML") && template.includes(block),
  };
}

/** <function=name> with <parameter=key> in it, inside a tag of its own. */
function functionTags(name: string, tag: string, notation: ArgumentNotation = parameterTags): Row {
  return {
    ...none,
    ...{ name, callBegin: `<${tag}>\n<function=`, nameEnd: ">\n", callEnd: `</function>\n</${tag}>` },
    ...{ separator: "\n", notation, openers: [`<${tag}>`] },
    fits: (template) => template.includes(`<${tag}>`) && template.includes("<parameter="),
  };
}

/** Calls as JSON objects in a list between two marks. */
function listBetween(name: string, open: string, close: string, more: Partial<Row> = {}): Row {
  return {
    ...none,
    ...objectCall,
    ...{ name, begin: `${open}[`, separator: ", ", end: `]${close}`, openers: [open] },
    fits: (template, has) => has(open) || template.includes(open),
    ...more,
  };
}

/** Formats, the more particular first; the last fits every model. */
export const toolFormats: readonly Row[] = [
  {
    // DeepSeek-V3.1, tokenizer_config.json: no "function", no code fence
    ...none,
    name: "deepseek-v3.1",
    begin: "<｜tool▁calls▁begin｜>",
    callBegin: "<｜tool▁call▁begin｜>",
    nameEnd: "<｜tool▁sep｜>",
    callEnd: "<｜tool▁call▁end｜>",
    end: "<｜tool▁calls▁end｜>",
    openers: ["<｜tool▁calls▁begin｜>"],
    instructions: {
      before: "## Tools\nYou have access to the following tools:\n",
      after:
        "\nTo call tools, answer with <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>name<｜tool▁sep｜>arguments as JSON<｜tool▁call▁end｜><｜tool▁calls▁end｜>.",
    },
    fits: (template, has) => has("<｜tool▁sep｜>") && template.includes("tool▁sep") && !template.includes("```json"),
  },
  // DeepSeek-V3.2 and -V4, encoding/README.md of the checkpoints
  markup("function_calls"),
  markup("tool_calls"),
  {
    // DeepSeek-V3 and -R1, tokenizer_config.json; plainformer's default model is trained on just these instructions
    ...none,
    name: "deepseek-v3",
    begin: "<｜tool▁calls▁begin｜>",
    callBegin: "<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
    nameEnd: "\n```json\n",
    callEnd: "\n```<｜tool▁call▁end｜>",
    separator: "\n",
    end: "<｜tool▁calls▁end｜>",
    openers: ["<｜tool▁calls▁begin｜>"],
    instructions: { before: listed, after: "" },
    fits: (_, has) => has("<｜tool▁sep｜>"),
  },
  {
    // Mistral Small 3.2: mistral-common, tokens/tokenizers/instruct.py, version 11
    ...none,
    name: "mistral-ids",
    ...{
      callBegin: "[TOOL_CALLS]",
      nameEnd: "[CALL_ID]{id}[ARGS]",
      callEnd: "",
      ids: "nine",
      openers: ["[TOOL_CALLS]"],
    },
    fits: (template, has) => has("[CALL_ID]") && template.includes("[CALL_ID]"),
  },
  {
    // Devstral, Ministral 3, Magistral: the same, version 13
    ...none,
    name: "mistral-args",
    ...{ callBegin: "[TOOL_CALLS]", nameEnd: "[ARGS]", callEnd: "", ids: "nine", openers: ["[TOOL_CALLS]"] },
    fits: (template, has) => has("[ARGS]") && template.includes("[ARGS]"),
  },
  listBetween("mistral", "[TOOL_CALLS]", "", {
    // Mistral 7B Instruct v0.3 and later, tokenizer_config.json
    ids: "nine",
    afterArguments: ', "id": "{id}"',
    instructions: {
      before: listed,
      after: '\nTo call tools, answer with [TOOL_CALLS][{"name": …, "arguments": {…}}].',
    },
    fits: (_, has) => has("[TOOL_CALLS]"),
  }),
  // Qwen3-Coder, Qwen3.5, Nemotron 3, Step 3.5: chat_template.jinja of each
  functionTags("function-tags", "tool_call"),
  // ByteDance Seed-OSS, whose template writes values as Python does
  functionTags("seed", "seed:tool_call", {
    ...parameterTags,
    ...{ keyEnd: both(">"), valueEnd: "</parameter>\n", literals: pythonLiterals, nested: "quoted" },
  }),
  {
    // GLM-4.5 to 5, chat_template.jinja
    ...none,
    name: "glm",
    ...{ callBegin: "<tool_call>", nameEnd: "\n", callEnd: "</tool_call>", separator: "\n", openers: ["<tool_call>"] },
    notation: {
      ...{ open: "", close: "", separator: "", keyBegin: "<arg_key>", keyEnd: both("</arg_key>\n<arg_value>") },
      ...{ valueEnd: "</arg_value>\n", strings: "raw", literals: jsonLiterals, nested: "json" },
    },
    fits: (template) => template.includes("<arg_key>"),
  },
  {
    // Kimi-K2, tokenizer_config.json and docs/tool_call_guidance.md: the number goes on through a conversation
    ...none,
    name: "kimi",
    begin: "<|tool_calls_section_begin|>",
    callBegin: "<|tool_call_begin|>functions.",
    nameEnd: ":{index}<|tool_call_argument_begin|>",
    callEnd: "<|tool_call_end|>",
    end: "<|tool_calls_section_end|>",
    ids: "functions",
    openers: ["<|tool_calls_section_begin|>"],
    fits: (template, has) => has("<|tool_calls_section_begin|>") || template.includes("<|tool_calls_section_begin|>"),
  },
  {
    // Gemma 4, chat_template.jinja: format_argument
    ...none,
    name: "gemma",
    ...{ callBegin: "<|tool_call>call:", nameEnd: "", callEnd: "<tool_call|>", openers: ["<|tool_call>"] },
    notation: {
      ...{ open: "{", close: "}", separator: ",", keyBegin: "", keyEnd: both(":"), valueEnd: "" },
      ...{ strings: { open: '<|"|>', close: '<|"|>' }, literals: jsonLiterals, nested: "bare", sorted: true },
    },
    fits: (template) => template.includes("<|tool_call>call:"),
  },
  {
    // MiniMax-M2, chat_template.jinja
    ...none,
    name: "minimax",
    begin: "<minimax:tool_call>\n",
    callBegin: '<invoke name="',
    nameEnd: '">\n',
    callEnd: "</invoke>",
    separator: "\n",
    end: "\n</minimax:tool_call>",
    notation: {
      ...{ open: "", close: "", separator: "", keyBegin: '<parameter name="', keyEnd: both('">') },
      ...{ valueEnd: "</parameter>\n", strings: "raw", literals: jsonLiterals, nested: "json" },
    },
    openers: ["<minimax:tool_call>"],
    fits: (template) => template.includes("<minimax:tool_call>"),
  },
  listBetween("cohere", "<|START_ACTION|>", "<|END_ACTION|>", {
    // Command R7B, Command A, chat_template.jinja
    ...toolName,
    begin: "<|START_ACTION|>[\n    ",
    callBegin: '{"tool_call_id": "{index}", "tool_name": "',
    separator: ",\n    ",
    end: "\n]<|END_ACTION|>",
  }),
  {
    // Command R and R+, the template "tool_use"
    ...none,
    ...toolName,
    name: "cohere-json",
    begin: "Action:\n```json\n[\n    ",
    separator: ",\n    ",
    end: "\n]```",
    openers: ["Action:\n```json"],
    fits: (template) => template.includes("Write 'Action:' followed by a json-formatted list"),
  },
  {
    // LFM2 and LFM2.5, model card: "Tool use"
    ...none,
    name: "lfm2",
    ...{ begin: "<|tool_call_start|>[", end: "]<|tool_call_end|>", callBegin: "", nameEnd: "(", callEnd: ")" },
    ...{ separator: ", ", notation: keywords, openers: ["<|tool_call_start|>"] },
    fits: (template, has) => has("<|tool_call_start|>") || template.includes("<|tool_call_start|>"),
  },
  {
    // OLMo 3, chat_template.jinja
    ...none,
    name: "olmo",
    ...{ begin: "<function_calls>", end: "</function_calls>", callBegin: "", nameEnd: "(", callEnd: ")" },
    ...{ separator: "\n", notation: keywords, openers: ["<function_calls>"] },
    fits: (template) => template.includes("<function_calls>"),
  },
  {
    // Functionary v3.1, Meta's user-defined calls of Llama 3.1
    ...none,
    name: "functionary",
    ...{ callBegin: "<function=", nameEnd: ">", callEnd: "</function>", openers: ["<function="] },
    fits: (template) => template.includes("<function=") && !template.includes("<parameter="),
  },
  {
    // Apertus, chat_template.jinja: the name is the only field of an object
    ...none,
    name: "apertus",
    ...{ begin: "<|tools_prefix|>[", end: "]<|tools_suffix|>", callBegin: '{"', nameEnd: '": ', callEnd: "}" },
    ...{ separator: ", ", openers: ["<|tools_prefix|>"] },
    fits: (template, has) => has("<|tools_prefix|>") || template.includes("<|tools_prefix|>"),
  },
  {
    // GigaChat 3.1, chat_template.jinja
    ...none,
    ...objectCall,
    name: "gigachat",
    ...{ parallel: false, callBegin: '<|function_call|>{"name": "', openers: ["<|function_call|>"] },
    fits: (template, has) => has("<|function_call|>") || template.includes("<|function_call|>"),
  },
  {
    // GigaChat 3: a call is a turn of its own
    ...none,
    ...objectCall,
    name: "gigachat-turn",
    parallel: false,
    callBegin: '<|message_sep|>\n\nfunction call<|role_sep|>\n{"name": "',
    openers: ["<|message_sep|>\n\nfunction call<|role_sep|>"],
    fits: (template) => template.includes("function call<|role_sep|>"),
  },
  {
    // gpt-oss: openai/harmony, docs/format.md, "Function calling"
    ...none,
    name: "harmony",
    parallel: false,
    callBegin: " to=functions.",
    nameEnd: "<|channel|>commentary json<|message|>",
    callEnd: "<|call|>",
    openers: [" to=functions."],
    fits: (template) => template.includes("to=functions."),
  },
  // Apriel, Jamba, Hunyuan; Phi-4-mini, Granite 3, Nemotron Nano 2: chat templates of each
  listBetween("tool-calls-list", "<tool_calls>", "</tool_calls>"),
  listBetween("tool-call-list", "<|tool_call|>", "<|/tool_call|>", {
    fits: (template) => template.includes("<|/tool_call|>"),
  }),
  listBetween("granite", "<|tool_call|>", ""),
  listBetween("nemotron", "<TOOLCALL>", "</TOOLCALL>"),
  {
    // NousResearch/Hermes-Function-Calling; Qwen2.5 and Qwen3, tokenizer_config.json
    ...none,
    ...objectCall,
    name: "hermes",
    callBegin: '<tool_call>\n{"name": "',
    callEnd: "}\n</tool_call>",
    separator: "\n",
    openers: ["<tool_call>"],
    instructions: {
      before: listed,
      after:
        '\nFor each function call, answer with a JSON object within <tool_call></tool_call> tags:\n<tool_call>\n{"name": function name, "arguments": object}\n</tool_call>',
    },
    fits: (template, has) => has("<tool_call>") || template.includes("<tool_call>"),
  },
  {
    // Llama 4 and Llama 3.2, Meta's prompt_format.md: "zero-shot function calling", a list of Python calls
    ...none,
    name: "pythonic",
    ...{ begin: "[", end: "]", callBegin: "", nameEnd: "(", callEnd: ")", separator: ", ", notation: keywords },
    ...{ openers: ["<|python_start|>"], bareBeginnings: ["[NAME("] },
    fits: (template) => template.includes("[func_name1("),
  },
  {
    // Llama 3.1 and later, tokenizer_config.json; Meta's llama-models, prompt_format.md
    ...none,
    ...objectCall,
    name: "llama3",
    nameEnd: '", "parameters": ',
    separator: "; ",
    parallel: false,
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
    // xLAM, chat_template: a bare list
    ...none,
    ...objectCall,
    name: "bare-list",
    ...{ begin: "[", end: "]", separator: ", ", bareBeginnings: ['[{"name":"NAME"'] },
    fits: (template) => template.includes('[{"name": "func_name1"'),
  },
  {
    // Ours, for models that know no other
    ...none,
    ...objectCall,
    name: "json",
    begin: '{"tool_calls": [',
    separator: ", ",
    end: "]}",
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

/** What a system message says of tools where the template does not: one JSON object a line, as Python's json.dumps writes. */
export function toolInstructions({ instructions }: ToolFormat, example: string, tools: readonly Tool[]): string {
  const { before, after } = instructions ?? { before: listed, after: `\nTo call tools, answer like this:\n${example}` };
  return before + tools.map((tool) => spacedJson(tool)).join("\n") + after;
}
