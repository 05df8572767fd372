// POST /token_embeddings: text or token ids → ids, token texts and their rows of the input table. One row for each token,
// not one vector for a text: these rows can be changed and sent back as embeddings.

import { z } from "zod";
import { FieldError } from "../../field-error.ts";
import { checkLimit } from "../limits.ts";
import type { Operation, RouteContext } from "../operation.ts";
import { tokenText } from "../wire/logprobs.ts";
import { tensorOutSchema, wireTensor } from "../wire/tensor.ts";
import { usageSchema, wireUsage } from "../wire/usage.ts";

const tokenIds = z.array(z.int().min(0));

const bodySchema = z.object({
  model: z.string(),
  input: z
    .union([z.string(), tokenIds, z.array(z.union([z.string(), tokenIds]))])
    .describe("A text or a list of token ids, or a list of these."),
  encoding_format: z.enum(["float", "base64"]).nullish().describe("Nested arrays (default), or bytes in base64."),
  add_special_tokens: z
    .boolean()
    .nullish()
    .describe("Add to a text what the tokenizer adds to a prompt, such as a token that begins it. Default true"),
});

type Body = z.infer<typeof bodySchema>;

const responseSchema = z.object({
  object: z.literal("list"),
  model: z.string(),
  data: z.array(
    z.object({
      index: z.int(),
      ids: z.array(z.int()),
      tokens: z.array(z.string()),
      embeddings: tensorOutSchema,
    }),
  ),
  usage: usageSchema,
});

export const tokenEmbeddings: Operation<Body> = {
  method: "post",
  path: "/token_embeddings",
  summary: "The rows of the input table for a text or token ids",
  body: bodySchema,
  responses: { 200: responseSchema },
  async handle(context, body, call) {
    const { model, modelId } = context;
    const { tokenizer, config } = model;
    const lists = idLists(context, body);
    const ids = lists.flat();
    const rows = await model.embed(ids);
    const encoding = body.encoding_format ?? "float";
    let at = 0;
    const data = lists.map((list, index) => {
      const embeds = rows.subarray(at * config.dModel, (at + list.length) * config.dModel);
      at += list.length;
      return {
        index,
        ids: list,
        tokens: list.map((id) => tokenText(tokenizer, id)),
        embeddings: wireTensor(
          { embeds, shape: [list.length, config.dModel] },
          encoding === "base64" ? "f32" : "float",
        ),
      };
    });
    const usage = {
      promptTokens: ids.length,
      embedTokens: 0,
      cachedTokens: 0,
      completionTokens: 0,
      totalTokens: ids.length,
    };
    call.charge(usage);
    return Response.json({ object: "list", model: modelId, data, usage: wireUsage(usage) });
  },
};

/** Numbers of one answer: what is written in a tenth of a second, in which this thread does nothing else. */
const mostNumbers = { float: 2 ** 19, base64: 2 ** 22 };

/** The ids of each input. @throws ApiError 400: no tokens, an id outside the vocabulary, more tokens than rows are given out. */
function idLists({ model, limits }: RouteContext, body: Body): number[][] {
  const { input } = body;
  const encoding = body.encoding_format ?? "float";
  const mostRows = Math.min(limits.maxEmbedRows, Math.floor(mostNumbers[encoding] / model.config.dModel));
  const { tokenizer, config } = model;
  const many = Array.isArray(input) && input.length > 0 && typeof input[0] !== "number";
  const list = (many ? input : [input]) as (string | number[])[];
  checkLimit("input", list.length, limits.maxPrompts, "inputs");
  let left = mostRows;
  return list.map((one, i) => {
    const where = many ? `input[${i}]` : "input";
    if (typeof one === "string" && one.length > left * charactersPerToken) throw tooMany(where); // told without tokenizing it
    const ids =
      typeof one === "string" ? tokenizer.encode(one, { addSpecialTokens: body.add_special_tokens ?? true }) : one;
    if (ids.length === 0) throw new FieldError(where, "it has no tokens, expected at least one");
    if (ids.length > left) throw tooMany(where);
    const bad = ids.find((id) => id >= config.vocabSize);
    if (bad !== undefined)
      throw new FieldError(where, `token id ${bad}, expected a whole number from 0 to ${config.vocabSize - 1}`);
    left -= ids.length;
    return ids;
  });

  function tooMany(where: string): FieldError {
    return new FieldError(
      where,
      `more than ${mostRows} tokens in one request, the most that are answered as ${encoding}`,
    );
  }
}

/** No tokenizer has tokens of more characters, on average over a text. */
const charactersPerToken = 256;
