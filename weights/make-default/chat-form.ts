// DeepSeek-V3's chat form: how a conversation looks to the model. The system prompt comes first, without a mark of its
// own; tools are listed after it, as DeepSeek-V3.1 lists them. chat-template.jinja writes the same text.

export const user = "<｜User｜>";
export const assistant = "<｜Assistant｜>";
export const endOfSentence = "<｜end▁of▁sentence｜>";
const calls = ["<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"];
const call = ["<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>"];
const outputs = ["<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>"];
const output = ["<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>"];
const separator = "<｜tool▁sep｜>";

/** A function that can be called, as it stands in a request. */
export interface ToolSchema {
  name: string;
  description: string;
  parameters: {
    type: "object";
    properties: Record<string, { type: string; description?: string }>;
    required: string[];
  };
}

export interface ToolCall {
  name: string;
  arguments: Record<string, unknown>;
}

/** A question and its answer. */
export function turn(question: string, answer: string): string {
  return `${user}${question}${assistant}${answer}${endOfSentence}`;
}

/** JSON as Python and Jinja write it: a space after each comma and colon. With `indent`, one line per entry. */
export function json(value: unknown, indent?: number): string {
  if (indent !== undefined) return JSON.stringify(value, null, indent);
  if (Array.isArray(value)) return `[${value.map((item) => json(item)).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, item]) => `${JSON.stringify(key)}: ${json(item)}`)
    .join(", ")}}`;
}

/** The list of tools that follows the system prompt. */
export function toolList(tools: readonly ToolSchema[]): string {
  const one = (tool: ToolSchema) =>
    `\n### ${tool.name}\nDescription: ${tool.description}\n\nParameters: ${json(tool.parameters)}\n`;
  return `## Tools\nYou have access to the following tools:\n${tools.map(one).join("")}`;
}

/** What the assistant writes to call tools. */
export function toolCalls(list: readonly ToolCall[]): string {
  const one = ({ name, arguments: values }: ToolCall) =>
    `${call[0]}function${separator}${name}\n\`\`\`json\n${json(values)}\n\`\`\`${call[1]}`;
  return calls[0] + list.map(one).join("\n") + calls[1];
}

/** What the tools gave back, as the model reads it. */
export function toolOutputs(list: readonly unknown[]): string {
  const one = (value: unknown) => output[0] + (typeof value === "string" ? value : json(value)) + output[1];
  return outputs[0] + list.map(one).join("\n") + outputs[1];
}
