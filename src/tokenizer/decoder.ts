// Decoders: token texts → text. Each step is a small state machine that takes tokens as they come and gives text as soon
// as it is certain, so whole and streaming decoding are one code. Source: huggingface/tokenizers src/decoders.

import { bytesOfText } from "./byte-level.ts";
import { componentOf, countOf, type Fields, fieldError, fieldsOf, listOf, stringOf } from "./fields.ts";
import { patternOf } from "./normalizer.ts";
import { schemeOf } from "./pre-tokenizer.ts";

/** Takes tokens, gives the tokens (in the end: pieces of text) that are certain; `end` gives what was held back. */
export interface DecodeStream {
  push(tokens: readonly string[]): readonly string[];
  end(): readonly string[];
}

export interface Decoder {
  /** A fresh state for one sequence of tokens. */
  start(): DecodeStream;
  /** The bytes that one vocabulary text stands for, wherever in a sequence it occurs. */
  bytes(text: string): Uint8Array;
}

interface Step {
  start(fused: boolean): DecodeStream;
  /** The steps after this one see all tokens as one. */
  readonly fuses?: boolean;
  /** What the step does to a single token: bytes if it makes bytes of it, else the text it becomes. */
  single?(text: string): Uint8Array | string;
}

const utf8 = new TextEncoder();
const lossy = new TextDecoder("utf-8", { ignoreBOM: true });
const strict = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

const builders: Readonly<Record<string, (config: Fields, where: string) => Step[]>> = {
  Sequence(config, where) {
    return listOf(config.decoders, `${where}.decoders`).flatMap((step, i) => stepsOf(step, `${where}.decoders[${i}]`));
  },
  ByteLevel: () => [{ start: startByteLevel, fuses: true, single: bytesOfText }],
  ByteFallback: () => [{ start: startByteFallback, single: (text) => namedByte(text) ?? text }],
  Fuse: () => [{ start: () => perToken((token) => token), fuses: true }],
  Replace(config, where) {
    const pattern = patternOf(config.pattern, `${where}.pattern`);
    const content = stringOf(config.content, `${where}.content`);
    const single = (token: string) => token.replace(pattern, () => content);
    const start = (fused: boolean) => {
      if (fused) throw fieldError(where, "Replace", "it before the step that fuses the tokens");
      return perToken(single);
    };
    return [{ start, single }];
  },
  Strip(config, where) {
    const content = stringOf(config.content, `${where}.content`);
    const count = countOf(config.start, `${where}.start`);
    if (config.stop !== 0) throw fieldError(`${where}.stop`, config.stop, "0");
    return [{ start: (fused) => startStrip(content, count, fused) }];
  },
  Metaspace(config, where) {
    const mark = stringOf(config.replacement, `${where}.replacement`);
    const prepended = schemeOf(config, where) !== "never";
    const single = (token: string) => token.replaceAll(mark, " ");
    const start = () => {
      let first = prepended;
      return perToken((token) => {
        const text = first ? token.replaceAll(mark, "") : single(token);
        first = false;
        return text;
      });
    };
    return [{ start, single }];
  },
};

/** The decoder of tokenizer.json (null: tokens joined by spaces); throws an Error that names the field on anything unknown. */
export function createDecoder(value: unknown): Decoder {
  const steps = value === null || value === undefined ? [{ start: startSpaced }] : stepsOf(value, "decoder");
  const start = () => {
    let fused = false;
    const streams = steps.map((step) => {
      const stream = step.start(fused);
      fused ||= step.fuses ?? false;
      return stream;
    });
    return chain(streams);
  };
  start(); // refuses what cannot work now, not at the first decode
  const bytes = (text: string) => {
    let result: Uint8Array | string = text;
    for (const step of steps as Step[]) {
      if (typeof result === "string" && step.single) result = step.single(result);
    }
    return typeof result === "string" ? utf8.encode(result) : result;
  };
  return { start, bytes };
}

function stepsOf(value: unknown, where: string): Step[] {
  const config = fieldsOf(value, where);
  return componentOf(builders, config, where)(config, where);
}

function perToken(map: (token: string) => string): DecodeStream {
  return { push: (tokens) => tokens.map(map), end: () => [] };
}

function chain(streams: readonly DecodeStream[]): DecodeStream {
  return {
    push: (tokens) => streams.reduce((flowing, stream) => stream.push(flowing), tokens),
    end: () => streams.reduce<readonly string[]>((flowing, stream) => [...stream.push(flowing), ...stream.end()], []),
  };
}

function startSpaced(): DecodeStream {
  let first = true;
  return perToken((token) => {
    const text = first ? token : ` ${token}`;
    first = false;
    return text;
  });
}

/** Bytes become text as soon as their character is complete; invalid bytes become U+FFFD, as everywhere in UTF-8. */
function startByteLevel(): DecodeStream {
  let held = new Uint8Array(0);
  return {
    push(tokens) {
      const parts = [held, ...tokens.map(bytesOfText)];
      const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
      let length = 0;
      for (const part of parts) {
        bytes.set(part, length);
        length += part.length;
      }
      const complete = length - unfinished(bytes);
      held = bytes.slice(complete);
      return [lossy.decode(bytes.subarray(0, complete))];
    },
    end: () => [lossy.decode(held)],
  };
}

/** How many bytes at the end may be the beginning of a character whose other bytes are still to come. */
function unfinished(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back];
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const needed = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    return needed > back ? back : 0;
  }
  return 0;
}

/** The byte that a token like `<0x0A>` names, as one byte. */
function namedByte(token: string): Uint8Array | undefined {
  const hex = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1];
  return hex === undefined ? undefined : Uint8Array.of(Number.parseInt(hex, 16));
}

/**
 * A run of byte tokens becomes text if the whole run is valid UTF-8, else one U+FFFD for each byte: so nothing of a run
 * is certain before it ends.
 */
function startByteFallback(): DecodeStream {
  let run: number[] = [];
  const flush = (out: string[]) => {
    if (run.length === 0) return;
    try {
      out.push(strict.decode(Uint8Array.from(run)));
    } catch {
      for (const _ of run) out.push("\ufffd");
    }
    run = [];
  };
  return {
    push(tokens) {
      const out: string[] = [];
      for (const token of tokens) {
        const byte = namedByte(token);
        if (byte) {
          run.push(byte[0]);
        } else {
          flush(out);
          out.push(token);
        }
      }
      return out;
    },
    end() {
      const out: string[] = [];
      flush(out);
      return out;
    },
  };
}

/** Takes up to `count` times `content` from the beginning: of each token, or of the whole text where tokens are fused. */
function startStrip(content: string, count: number, fused: boolean): DecodeStream {
  let left = count;
  return perToken((token) => {
    if (!fused) left = count;
    let text = token;
    while (left > 0 && text.startsWith(content)) {
      text = text.slice(content.length);
      left--;
    }
    if (text !== "") left = 0;
    return text;
  });
}
