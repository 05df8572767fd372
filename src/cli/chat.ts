// plainformer chat: a conversation, line by line. On a terminal with a prompt and colors; from a pipe each line is a message
// and each answer a paragraph.

import { createInterface } from "node:readline";
import type { Command } from "commander";
import type { ChatOptions } from "../chat.ts";
import type { ChatEnd } from "../chat-reader.ts";
import type { DecodeParameters } from "../decode/parameters.ts";
import type { ChatMessage } from "../prompt/chat-message.ts";
import type { ServedModel } from "../served-model.ts";
import {
  loadFrom,
  type ModelOptions,
  modelApart,
  number,
  seed,
  softPrompted,
  withModel,
  withSoftPromptOption,
} from "./options.ts";
import { sentenceOf } from "./report.ts";

type Options = ModelOptions &
  DecodeParameters & { system?: string; softPrompt?: string; thinking?: boolean; json?: true };

/** What suits a conversation with a small model: near its best guess, and with an end. */
const defaults = { temperature: 0.3, defaultMaxTokens: 512 };

export function addChat(program: Command): void {
  const command = program
    .command("chat")
    .description("Talk with a model. Each line is a message; /help shows what else there is.");
  withSoftPromptOption(withModel(command))
    .option("--system <text>", "what the model is told before the conversation")
    .option("--thinking", "let a model think that can do both")
    .option("--no-thinking", "keep it from thinking")
    .option(
      "--max-tokens <n>",
      `most tokens of an answer (default: ${defaults.defaultMaxTokens}, or what fits)`,
      number,
    )
    .option("--temperature <t>", "0: always the most likely token", number, defaults.temperature)
    .option("--top-p <p>", "keep the most likely tokens up to this sum of probabilities", number)
    .option("--seed <n>", "seed of the random choice, an integer of 64 bits", seed)
    .option("--no-stop-repeats", "let an answer repeat itself over and over")
    .option("--json", "each answer as one JSON object a line")
    .action(chat);
  command.setOptionValue("thinking", undefined); // the template decides
}

const help = `/prefix TEXT   the next answer begins with TEXT (\\n for a line break)
/system TEXT   what the model is told before the conversation; none without TEXT
/reset         forget the conversation
/help          this
/quit          end, as does Ctrl-D; Ctrl-C ends an answer`;

async function chat(options: Options, command: Command): Promise<void> {
  const { source, rest } = modelApart(options);
  const { system: first, softPrompt, thinking, json, ...decode } = rest;
  let system = first;
  const loaded = await softPrompted(await loadFrom(source), softPrompt);
  if (loaded.chatTemplate === null)
    throw new Error(`${source.model}: it has no chat template, so it cannot chat; "generate" continues text`);
  const terminal = process.stdin.isTTY === true && process.stdout.isTTY === true && !json;
  const lines = createInterface({
    input: process.stdin,
    output: terminal ? process.stdout : undefined,
    prompt: "\n> ",
  });
  let messages: ChatMessage[] = [];
  let prefix: string | undefined;
  let answering: AbortController | undefined;
  lines.on("SIGINT", () => (answering ? answering.abort() : lines.close()));

  if (terminal) console.log("/help shows what there is beside talking.");
  if (terminal) lines.prompt();
  for await (const line of lines) {
    const [, name, rest] = /^\/(\S*)\s?(.*)$/.exec(line) ?? [];
    if (name === "quit") break;
    if (name !== undefined) obey(name, rest);
    else if (line.trim() !== "") await turn(line);
    if (terminal) lines.prompt();
  }
  lines.close();
  await loaded.close();

  function obey(name: string, text: string): void {
    if (name === "help") console.log(help);
    else if (name === "reset") messages = [];
    else if (name === "system") system = text || undefined;
    else if (name === "prefix") prefix = text.replaceAll("\\n", "\n");
    else complain(`/${name}: there is no such command; /help shows those there are`);
  }

  async function turn(content: string): Promise<void> {
    const question: ChatMessage = { role: "user", content };
    const rules: ChatMessage[] = system === undefined ? [] : [{ role: "system", content: system }];
    const begun: ChatMessage[] = prefix === undefined ? [] : [{ role: "assistant", content: prefix, prefix: true }];
    answering = new AbortController();
    const { signal } = answering;
    try {
      const given = [...rules, ...messages, question, ...begun];
      const write = json ? undefined : terminal ? writeColored : writePlain;
      const answer = await answerTo(
        loaded,
        { ...defaults, ...decode, messages: given, thinking, signal },
        prefix ?? "",
        write,
      );
      if (json) console.log(JSON.stringify(answer));
      messages.push(question, { role: "assistant", content: answer.content });
    } catch (error) {
      complain(sentenceOf(error, command)); // the question is as if it had not been asked
      if (!terminal) process.exitCode = 1;
    }
    answering = undefined;
    prefix = undefined;
  }
}

interface Answer {
  role: "assistant";
  content: string;
  reasoning_content?: string;
  finish_reason: string;
  usage?: { prompt_tokens: number; completion_tokens: number; total_tokens: number };
}

/** The answer, which goes on from `begun`, written as it comes. One that is aborted ends there. */
async function answerTo(
  model: ServedModel,
  options: ChatOptions,
  begun: string,
  write: (text: string, thought: boolean) => void = () => {},
): Promise<Answer> {
  let content = begun;
  let reasoning = "";
  let end: ChatEnd | undefined;
  write(begun, false);
  try {
    for await (const event of model.chat(options)) {
      if (event.type === "content") content += event.text;
      if (event.type === "reasoning") reasoning += event.text;
      if (event.type === "content" || event.type === "reasoning") write(event.text, event.type === "reasoning");
      if (event.type === "end") end = event;
    }
  } catch (error) {
    if (!options.signal?.aborted) throw error;
  }
  write("\n", false);
  for (const warning of end?.warnings ?? []) complain(warning);
  return {
    role: "assistant",
    content,
    ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
    finish_reason: end?.finishReason ?? "abort",
    ...(end && {
      usage: {
        prompt_tokens: end.usage.promptTokens,
        completion_tokens: end.usage.completionTokens,
        total_tokens: end.usage.totalTokens,
      },
    }),
  };
}

function writePlain(text: string, thought: boolean): void {
  if (!thought) process.stdout.write(text);
}

/** Thoughts in gray. */
function writeColored(text: string, thought: boolean): void {
  process.stdout.write(thought ? `\x1b[90m${text}\x1b[0m` : text);
}

function complain(message: string): void {
  console.error(`plainformer: ${message}`);
}
