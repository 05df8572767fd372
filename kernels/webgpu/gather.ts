// out[r] = table[ids[r]]: a thread reads a chunk of a row, as `linear` does. Ids of rows in other pieces of the table are
// left to the dispatches of those.

import type { DType } from "../../weights/dtype.ts";
import type { Program } from "./program.ts";
import type { Place, Recorder } from "./recorder.ts";
import { chunkFunctions, chunkOf, rowsAreWhole } from "./weights.ts";

/** The rows `first` … of a table, so many, ids [rows] → out [rows, dim] where the id is one of them */
export function gather(
  { run }: Recorder,
  out: Place,
  table: Place,
  dtype: DType,
  ids: Place,
  rows: number,
  dim: number,
  first: number,
  tableRows: number,
): void {
  const whole = rowsAreWhole(dtype, dim);
  const perRow = Math.ceil(dim / chunkOf(dtype, whole).elements);
  const operands = { out, ids, w: { slab: table.slab, at: 0 }, s: { slab: table.slab, at: 0 } };
  const numbers = { rows, inDim: dim, table: table.at, first, tableRows };
  run(program(dtype, whole), operands, numbers, Math.ceil((rows * perRow) / 64));
}

const programs = new Map<string, Program>();

function program(dtype: DType, whole: boolean): Program {
  const name = `gather ${dtype}${whole ? "" : ", odd rows"}`;
  const known = programs.get(name);
  if (known) return known;
  const { elements, first, load, values } = chunkOf(dtype, whole);
  const made: Program = {
    name,
    operands: { out: "write f32", ids: "i32", w: "vec4u", s: "u32" },
    numbers: ["rows", "inDim", "table", "first", "tableRows"],
    threads: 64,
    declarations: `${chunkFunctions(dtype, whole)}
fn put(r: u32, k: u32, value: vec4f) {
  for (var j = 0u; j < 4u; j++) { if (k + j < p.inDim) { setOut(r * p.inDim + k + j, value[j]); } }
}`,
    body: `
  let perRow = (p.inDim + ${elements - 1}u) / ${elements}u;
  let i = group * 64u + thread;
  let r = i / perRow;
  let c = i % perRow;
  if (r >= p.rows) { return; }
  let at = p.table;
  let row = u32(ids(r)) - p.first;
  if (row >= p.tableRows) { return; }
  let chunks = p.tableRows * perRow;
  let chunk = row * perRow + c;
  let k = ${first};
  ${load}
${values.map(([offset, value]) => `  put(r, k + ${offset}u, ${value});`).join("\n")}`,
  };
  programs.set(name, made);
  return made;
}

// A thread for each column goes through the rows in order: an id that comes twice is added twice.
const backward: Program = {
  name: "gatherBackward",
  operands: { dTable: "write f32", dOut: "f32", ids: "i32" },
  numbers: ["rows", "dim"],
  threads: 64,
  body: `
  let i = group * 64u + thread;
  if (i >= p.dim) { return; }
  for (var r = 0u; r < p.rows; r++) {
    let at = u32(ids(r)) * p.dim + i;
    setDTable(at, dTable(at) + dOut(r * p.dim + i));
  }`,
};

/** dTable[ids[r]] += dOut[r], r = 0, 1, … dOut [rows, dim] → dTable [n, dim] */
export function gatherBackward(
  { run }: Recorder,
  dTable: Place,
  dOut: Place,
  ids: Place,
  rows: number,
  dim: number,
): void {
  run(backward, { dTable, dOut, ids }, { rows, dim }, Math.ceil(dim / 64));
}
