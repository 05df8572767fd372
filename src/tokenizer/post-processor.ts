// Post-processors: the ids that stand before and after those of the text (beginning-of-sequence and the like). Offsets
// and pairs of texts, the other business of this part of tokenizer.json, do not occur here.
// Source: huggingface/tokenizers src/processors/template.rs.

import { componentOf, countOf, type Fields, fieldError, fieldsOf, listOf } from "./fields.ts";

export interface Frame {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

const emptyFrame: Frame = { before: [], after: [] };

const builders: Readonly<Record<string, (config: Fields, where: string) => Frame>> = {
  Sequence(config, where) {
    const frames = listOf(config.processors, `${where}.processors`).map((step, i) =>
      createFrame(step, `${where}.processors[${i}]`),
    );
    return frames.reduce(
      (inner, outer) => ({
        before: [...outer.before, ...inner.before],
        after: [...inner.after, ...outer.after],
      }),
      emptyFrame,
    );
  },
  ByteLevel: () => emptyFrame, // moves offsets only
  TemplateProcessing(config, where) {
    const single = listOf(config.single, `${where}.single`).map((part, i) => fieldsOf(part, `${where}.single[${i}]`));
    const text = single.findIndex((part) => part.Sequence !== undefined);
    if (text < 0) throw fieldError(`${where}.single`, config.single, "a template with a Sequence");
    const ids = single.map((part, i) => {
      if (i === text) return [];
      const name = fieldsOf(part.SpecialToken, `${where}.single[${i}].SpecialToken`).id as string;
      const token = fieldsOf(config.special_tokens, `${where}.special_tokens`)[name];
      const path = `${where}.special_tokens.${name}`;
      return listOf(fieldsOf(token, path).ids, `${path}.ids`).map((id) => countOf(id, `${path}.ids`));
    });
    return { before: ids.slice(0, text).flat(), after: ids.slice(text + 1).flat() };
  },
};

/** The frame that tokenizer.json's post_processor puts round the ids of a text (null: none); throws on anything unknown. */
export function createFrame(value: unknown, where = "post_processor"): Frame {
  if (value === null || value === undefined) return emptyFrame;
  const config = fieldsOf(value, where);
  return componentOf(builders, config, where)(config, where);
}

/** The classes of transformers that put tokens round a text themselves, whatever tokenizer.json's post_processor does. */
const framingClass = /^(Llama|CodeLlama|Gemma|Cohere|GPTNeoX)Tokenizer(?:Fast)?$/;

/**
 * The frame that tokenizer_config.json asks for by `add_bos_token` and `add_eos_token`, or `frame` where its class takes
 * none of them or it has neither. Throws an Error that names the field, if the token to be added is none.
 * Source: transformers 4, models/llama/tokenization_llama_fast.py, update_post_processor.
 */
export function framedByClass(frame: Frame, config: Fields, ids: { bos?: number; eos?: number }): Frame {
  const { tokenizer_class: name, add_bos_token: bos, add_eos_token: eos } = config;
  const stated = typeof bos === "boolean" || typeof eos === "boolean";
  const framing = typeof name === "string" && framingClass.exec(name)?.[1];
  if (!stated || !framing) return frame;
  const side = (token: "bos" | "eos") => {
    const id = ids[token];
    if (id === undefined)
      throw new Error(`tokenizer_config.json: add_${token}_token is true, but ${token}_token names no token`);
    return [id];
  };
  const begins = typeof bos === "boolean" ? bos : framing !== "GPTNeoX";
  return { before: begins ? side("bos") : [], after: eos === true ? side("eos") : [] };
}
