// A chat request on the wire → the library's conversation (chat.ts), and which field of the wire each of its own came from.
// Forms: OpenAI's, and DeepSeek's rules for strict tools where the server is told to hold to them.

import { z } from "zod";
import type { ChatOptions } from "../../chat.ts";
import { checkStrictParameters } from "../../decode/grammar/strict-tools.ts";
import { FieldError, type FieldNames, shown } from "../../field-error.ts";
import { templateArguments } from "../../prompt/chat-format.ts";
import type { Tool } from "../../prompt/chat-message.ts";
import { checkLimit } from "../limits.ts";
import type { Call, RouteContext } from "../operation.ts";
import { type Constraint, constraintBody } from "./constraints.ts";
import { functionName } from "./function-name.ts";
import { chatMessages, messagesSchema } from "./messages.ts";
import { tensorReader, tensorSchema } from "./tensor.ts";

const toolSchema = z.object({
  type: z.literal("function"),
  function: z.object({
    name: functionName,
    description: z.string().nullish(),
    parameters: z
      .custom<Record<string, unknown>>()
      .meta({ type: "object", description: "A JSON schema of an object; without one, no parameters." })
      .nullish(),
    strict: z
      .boolean()
      .nullish()
      .describe("A schema that cannot be honored in full is refused; else arguments are held to the nearest."),
  }),
});

/** Fields of a chat request that say what the model reads and what its answer is to be. */
export const conversationFields = {
  messages: messagesSchema.nullish().describe("The conversation; may be left out only with input_embeds."),
  input_embeds: tensorSchema.nullish().describe("The whole prompt as rows: messages is then ignored."),
  continue_final_message: z.boolean().nullish().describe("The same as prefix: true on the last message (beta)."),
  ...constraintBody,
  tools: z.array(toolSchema).nullish().describe("What the model may call; arguments are always valid."),
  tool_choice: z
    .union([
      z.enum(["none", "auto", "required"]),
      z.object({ type: z.literal("function"), function: z.object({ name: functionName }) }),
    ])
    .nullish()
    .describe("Default auto, with tools."),
  thinking: z.object({ type: z.enum(["enabled", "disabled"]) }).nullish(),
  reasoning_effort: z.string().max(64).nullish().describe("For templates that know it."),
  chat_template_kwargs: z
    .record(z.string(), z.unknown())
    .nullish()
    .describe(`Variables of the chat template: ${templateArguments.join(", ")}.`),
  parallel_tool_calls: z.boolean().nullish().describe("Whether there may be several calls. Default true"),
};

const conversationBody = z.object(conversationFields);

type ConversationBody = z.infer<typeof conversationBody>;

/** A conversation for the library, and where its fields came from on the wire. */
export interface Conversation {
  readonly options: ChatOptions;
  readonly fields: FieldNames;
}

/**
 * What the request says of its conversation.
 * @throws FieldError: more messages or tools than the server takes, bad embeddings, a feature outside beta, strict tools that
 * break DeepSeek's rules
 */
export function conversationOf(
  { model, limits, deepSeekStrict }: Pick<RouteContext, "model" | "limits" | "deepSeekStrict">,
  body: ConversationBody,
  { format, fields }: Constraint,
  call: Call,
): Conversation {
  const read = tensorReader(model.config.dModel, limits.maxEmbedRows);
  const { input_embeds, thinking, tool_choice: choice, reasoning_effort } = body;
  const messages = input_embeds == null ? (body.messages ?? undefined) : undefined; // ignored beside rows
  checkLimit("messages", messages?.length ?? 0, limits.maxMessages);
  checkLimit("tools", body.tools?.length ?? 0, limits.maxTools);
  const tools = toolsOf(body.tools ?? []);
  if (deepSeekStrict) checkDeepSeekRules(tools, call);
  const variables = body.chat_template_kwargs ?? {};
  return {
    options: {
      messages:
        messages &&
        chatMessages(messages, { beta: call.beta, continueFinal: body.continue_final_message ?? false, read }),
      input: input_embeds == null ? undefined : [read(input_embeds, "input_embeds")],
      tools,
      toolChoice: choice == null || typeof choice === "string" ? (choice ?? undefined) : choice.function,
      parallelToolCalls: body.parallel_tool_calls ?? undefined,
      responseFormat: format,
      thinking: thinking ? thinking.type === "enabled" : undefined,
      templateArguments: { ...variables, ...(reasoning_effort == null ? {} : { reasoning_effort }) },
    },
    fields: {
      ...(input_embeds == null ? {} : { input: "input_embeds" }),
      "toolChoice.name": "tool_choice.function.name",
      ...fields,
      ...Object.fromEntries(
        Object.keys(variables).map((name) => {
          const inBrackets = `[${JSON.stringify(name)}]`;
          return [`templateArguments${inBrackets}`, `chat_template_kwargs${inBrackets}`];
        }),
      ),
    },
  };
}

function toolsOf(given: NonNullable<ConversationBody["tools"]>): Tool[] {
  return given.map(({ type, function: { strict, parameters, ...rest } }, i): Tool => {
    if (parameters != null && (typeof parameters !== "object" || Array.isArray(parameters)))
      throw new FieldError(
        `tools[${i}].function.parameters`,
        `got ${shown(parameters)}, expected an object`,
        "invalid_type",
      );
    return { type, function: { ...rest, ...(parameters && { parameters }), ...(strict == null ? {} : { strict }) } };
  });
}

/** DeepSeek's rules for strict tools. @throws FieldError: one outside beta, not all of them, a schema beyond what it offers */
function checkDeepSeekRules(tools: readonly Tool[], { beta }: Call): void {
  const first = tools.findIndex((tool) => tool.function.strict);
  if (first < 0) return;
  if (!beta)
    throw new FieldError(
      `tools[${first}].function.strict`,
      "strict tools are a beta feature, use the base URL …/beta",
      "unsupported",
    );
  for (const [i, { function: tool }] of tools.entries()) {
    if (!tool.strict)
      throw new FieldError(`tools[${i}].function.strict`, `tools[${first}] is strict, expected the same of all tools`);
    if (!tool.parameters) continue;
    try {
      checkStrictParameters(tool.parameters);
    } catch (error) {
      // Where in the schema it is, in names of the client's, the sentence says.
      throw error instanceof FieldError
        ? new FieldError(`tools[${i}].function.parameters`, error.problem, error.code)
        : error;
    }
  }
}
