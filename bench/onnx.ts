// The smallest ONNX file that multiplies: y = x · wᵀ, one Gemm with constant weights. Written field by field in the
// protobuf wire format. Sources: onnx/onnx.proto of the ONNX repository, protobuf's "Encoding" page.

/** x [rows, inDim] → y [rows, outDim] with w [outDim, inDim], as the bytes of a model. */
export function linearModel(w: Float32Array, inDim: number, outDim: number): Uint8Array {
  const float = 1; // TensorProto.DataType.FLOAT
  const tensor = join(
    varint(1, outDim),
    varint(1, inDim),
    varint(2, float),
    text(8, "w"),
    bytes(9, new Uint8Array(w.buffer)),
  );
  const transposed = join(text(1, "transB"), varint(3, 1), varint(20, 2)); // AttributeProto, type INT
  const node = join(text(1, "x"), text(1, "w"), text(2, "y"), text(4, "Gemm"), bytes(5, transposed));
  const value = (name: string, width: number) => {
    const shape = join(bytes(1, text(2, "rows")), bytes(1, varint(1, width))); // two dimensions, the first free
    return join(text(1, name), bytes(2, bytes(1, join(varint(1, float), bytes(2, shape)))));
  };
  const graph = join(
    bytes(1, node),
    text(2, "linear"),
    bytes(5, tensor),
    bytes(11, value("x", inDim)),
    bytes(12, value("y", outDim)),
  );
  return join(varint(1, 8), bytes(7, graph), bytes(8, varint(2, 13))); // ir_version 8, opset 13
}

/** A field that is a whole number. */
function varint(field: number, value: number): Uint8Array {
  return Uint8Array.from([...digits(field * 8), ...digits(value)]);
}

/** A field of so many bytes: a message, a string, raw data. */
function bytes(field: number, content: Uint8Array): Uint8Array {
  return join(Uint8Array.from([...digits(field * 8 + 2), ...digits(content.length)]), content);
}

function text(field: number, content: string): Uint8Array {
  return bytes(field, new TextEncoder().encode(content));
}

/** Seven bits a byte, the lowest first, all but the last with the top bit set. */
function digits(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...digits(Math.floor(value / 128))];
}

function join(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}
