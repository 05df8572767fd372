// A tensor on the wire, in and out: nested arrays of numbers, which people can read, or { shape, dtype, data } with base64
// of little-endian bytes, an eighth of their size. Plain numbers in both: no object format is ever unpickled. What a tensor
// claims to be is checked against what it is before memory is taken for it.

import { z } from "zod";
import { bytesPerElement, decodeF32, encodeF32 } from "../../../weights/dtype.ts";
import { FieldError, inField } from "../../field-error.ts";
import { checkFinite } from "../../prompt/segments.ts";

const dtypes = ["f32", "f16", "bf16"] as const;

/** The dtypes that a tensor may have on the wire. */
export type WireDType = (typeof dtypes)[number];

/** Rows of numbers as they arrive: nested arrays, or their bytes. */
export type WireTensor = number[][] | { shape: [number, number]; dtype: WireDType; data: string };

/** What a row is: nested arrays hold numbers, which z.toJSONSchema is told here because zod need not walk them twice. */
const packedJsonSchema = {
  type: "object" as const,
  properties: {
    shape: { type: "array" as const, items: { type: "integer" as const, minimum: 0 }, minItems: 2, maxItems: 2 },
    dtype: { type: "string" as const, enum: [...dtypes] },
    data: { type: "string" as const, description: "base64 of the numbers, row by row, little-endian" },
  },
  required: ["shape", "dtype", "data"],
};

/** A tensor in a request: only documented here, checked by `tensorReader`, which knows the model's width. */
export const tensorSchema = z
  .unknown()
  .refine((value) => typeof value === "object" && value !== null, {
    error: "expected rows of numbers, or an object with shape, dtype and data",
  })
  .meta({
    description: "Rows as wide as the model's hidden_size: nested arrays of numbers, or their bytes in base64.",
    anyOf: [{ type: "array", items: { type: "array", items: { type: "number" } } }, packedJsonSchema],
  });

/** A tensor in a response. */
export const tensorOutSchema = z.union([
  z.array(z.array(z.number())),
  z.object({ shape: z.array(z.int()).length(2), dtype: z.enum(dtypes), data: z.string() }),
]);

/** Rows [n, width], row-major. */
export interface Rows {
  readonly embeds: Float32Array;
  readonly shape: readonly [n: number, width: number];
}

/** Reads the tensors of one request; `where` is the field that errors name. */
export type TensorReader = (value: unknown, where: string) => Rows;

/**
 * A reader of tensors as wide as the model, which together have at most `maxRows` rows.
 * @throws FieldError of `where` or inside of it: another width, ragged rows, a number that is none or not finite in f32, data
 * of another length than the shape says, no rows, too many.
 */
export function tensorReader(width: number, maxRows: number): TensorReader {
  let left = maxRows;
  return (value, where) => {
    const n = rowsClaimed(value, width, where);
    if (n === 0) throw new FieldError(where, "it has no rows, expected at least one");
    if (n > left)
      throw new FieldError(where, `its ${n} rows are too many, expected at most ${left} (${maxRows} in one request)`);
    left -= n;
    const embeds = Array.isArray(value) ? fromArrays(value, width, where) : fromBytes(value as Packed, where);
    inField(where, () => checkFinite(embeds, width));
    return { embeds, shape: [n, width] };
  };
}

/** The form that a tensor came in. */
export function formOf(value: unknown): "float" | WireDType {
  return Array.isArray(value) ? "float" : (value as { dtype: WireDType }).dtype;
}

/** Rows as the wire has them: bytes in a dtype, or "float", numbers of the 9 digits that tell one f32 from another. */
export function wireTensor({ embeds, shape: [n, width] }: Rows, form: "float" | WireDType): WireTensor {
  if (form !== "float")
    return { shape: [n, width], dtype: form, data: Buffer.from(encodeF32(form, embeds)).toString("base64") };
  return Array.from({ length: n }, (_, row) =>
    Array.from(embeds.subarray(row * width, (row + 1) * width), (x) => Number(x.toPrecision(9))),
  );
}

type Packed = Exclude<WireTensor, number[][]>;

/** How many rows a value says it has, once everything that can be told without its numbers is right. */
function rowsClaimed(value: unknown, width: number, where: string): number {
  if (Array.isArray(value)) {
    const bad = value.findIndex((row) => !Array.isArray(row) || row.length !== width);
    if (bad < 0) return value.length;
    const row: unknown = value[bad];
    if (!Array.isArray(row))
      throw new FieldError(`${where}[${bad}]`, `got ${nameOf(row)}, expected a row of ${width} numbers`);
    throw new FieldError(
      `${where}[${bad}]`,
      `the row has ${row.length} numbers, expected the model's width of ${width}`,
    );
  }
  if (typeof value !== "object" || value === null)
    throw new FieldError(
      where,
      `got ${nameOf(value)}, expected rows of numbers, or an object with shape, dtype and data`,
    );
  const { shape, dtype, data } = value as Record<string, unknown>;
  if (!Array.isArray(shape) || shape.length !== 2 || !shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0))
    throw new FieldError(`${where}.shape`, `expected [rows, ${width}]`);
  if (shape[1] !== width)
    throw new FieldError(`${where}.shape`, `rows are ${shape[1]} wide, expected the model's width of ${width}`);
  if (!dtypes.includes(dtype as WireDType))
    throw new FieldError(`${where}.dtype`, `expected one of ${dtypes.join(", ")}`);
  if (typeof data !== "string")
    throw new FieldError(`${where}.data`, `got ${nameOf(data)}, expected a string of base64`);
  const bytes = shape[0] * width * bytesPerElement[dtype as WireDType];
  const characters = Math.ceil(bytes / 3) * 4;
  if (data.length !== characters)
    throw new FieldError(
      `${where}.data`,
      `got ${data.length} characters, expected ${characters}: base64 of ${shape[0]} · ${width} ${dtype} numbers, padded`,
    );
  return shape[0];
}

function fromArrays(rows: readonly unknown[][], width: number, where: string): Float32Array {
  const embeds = new Float32Array(rows.length * width);
  for (const [r, row] of rows.entries())
    for (const [c, x] of row.entries()) {
      if (typeof x !== "number") throw new FieldError(`${where}[${r}][${c}]`, `got ${nameOf(x)}, expected a number`);
      embeds[r * width + c] = x;
    }
  return embeds;
}

function fromBytes({ dtype, data, shape }: Packed, where: string): Float32Array {
  const bytes = new Uint8Array(shape[0] * shape[1] * bytesPerElement[dtype]); // aligned, which Buffer's pool is not
  const padding = (3 - (bytes.length % 3)) % 3;
  // Buffer skips characters that are no base64, so what it read would be short.
  if (Buffer.from(bytes.buffer).write(data, "base64") !== bytes.length || !data.endsWith("=".repeat(padding)))
    throw new FieldError(`${where}.data`, "it is not base64, padded with =");
  return decodeF32(dtype, bytes);
}

function nameOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : typeof value;
}
