// GPT-2's byte alphabet: every byte has a printable character, so that a vocabulary of byte strings can be written as
// text. Bytes that are printable in Latin-1 stand for themselves, the 68 others for U+0100 onwards, in order.
// Source: openai/gpt-2 src/encoder.py, bytes_to_unicode.

const isPrintable = (byte: number) => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);

/** The character that stands for each byte, by byte. */
export const charOfByte: readonly string[] = alphabet();

/** The byte that a UTF-16 code unit stands for; absent for characters outside the alphabet. */
const byteOfUnit: readonly (number | undefined)[] = invert(charOfByte);

function alphabet(): string[] {
  let shifted = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : shifted++));
}

function invert(chars: readonly string[]): (number | undefined)[] {
  const bytes: (number | undefined)[] = new Array(0x144).fill(undefined);
  for (let byte = 0; byte < 256; byte++) bytes[chars[byte].charCodeAt(0)] = byte;
  return bytes;
}

const utf8 = new TextEncoder();

/**
 * The bytes that a vocabulary text of a byte-level tokenizer stands for. A text with a character outside the alphabet
 * (an added token) stands for its own UTF-8. Source: huggingface/tokenizers src/pre_tokenizers/byte_level.rs.
 */
export function bytesOfText(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const byte = byteOfUnit[text.charCodeAt(i)];
    if (byte === undefined) return utf8.encode(text);
    bytes[i] = byte;
  }
  return bytes;
}

/** The vocabulary text of a string: its UTF-8 bytes, each written as its character. */
export function textOfBytes(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += charOfByte[byte];
  return text;
}
