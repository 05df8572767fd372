// out[offset + i] = x[i]: the engine's own memory copy.

/** x [length] → a part of out */
export function copy(out: usize, offset: i32, x: usize, length: i32): void {
  memory.copy(out + ((<usize>offset) << 2), x, (<usize>length) << 2);
}
