// A program: one WGSL kernel and what it works on. Its text says `x(i)` and `setOut(i, value)`; where x and out lie, in the
// heap of activations or in a slab of weights, differs from call to call, so these functions are written here, before it.
//
//   struct Params { out: u32, x: u32, length: u32, … }           where each operand begins, in words; then plain numbers
//   fn x(i: u32) -> f32 { return bitcast<f32>(heap[p.x + i]); }

/**
 * What a kernel reads or writes: numbers, whole vectors of four, raw words. Written are `f32`, `i32`, `vec4f`, and `half`: sixteen
 * bits, of a word that another thread may write the other half of.
 */
export type Access =
  | "f32"
  | "i32"
  | "u32"
  | "vec4f"
  | "vec4u"
  | "write f32"
  | "write i32"
  | "write vec4f"
  | "write half";

export interface Program {
  /** Name of the op and its variant, for errors. */
  readonly name: string;
  /** In the order of the parameters. */
  readonly operands: Readonly<Record<string, Access>>;
  readonly numbers: readonly string[];
  /** Those of the numbers that are f32. */
  readonly floats?: readonly string[];
  /** Threads of a workgroup. */
  readonly threads: number;
  /** The heap is read and written in vectors of four. */
  readonly wide?: boolean;
  /** Constants, functions and workgroup memory. */
  readonly declarations?: string;
  /** What a thread does: `thread` is its number in the workgroup, `group` the workgroup's among p.groups. */
  readonly body: string;
}

/** Where an operand lies: null is the heap, others are slabs, numbered as they appear. */
export type Places = readonly (number | null)[];

export interface Binding {
  /** Null is the heap. */
  readonly slab: number | null;
  readonly writable: boolean;
}

export interface Shader {
  readonly code: string;
  /** In the order of their numbers, from 1 on; 0 are the parameters. */
  readonly bindings: readonly Binding[];
}

/** Words of a program's parameters: where operands begin, numbers, and the number of workgroups. */
export const wordsOf = ({ operands, numbers }: Program): number => Object.keys(operands).length + numbers.length + 1;

/** The whole text of a program whose operands lie at `places`, in the order of its operands. */
export function shaderOf(program: Program, places: Places, immediate: boolean): Shader {
  const names = Object.keys(program.operands);
  const bindings: (Binding & { readonly name: string; readonly element: string })[] = [];

  /** The variable that an operand is reached through: a slab that anybody writes has one, others one for each view. */
  function variableOf(slab: number | null, access: Access): { name: string; element: string } {
    const accesses = names.filter((_, i) => places[i] === slab).map((name) => program.operands[name]);
    const writable = slab === null || accesses.some(isWrite);
    const element = writable
      ? slab === null && program.wide
        ? "vec4u"
        : accesses.includes("write half")
          ? "atomic<u32>"
          : "u32"
      : access.startsWith("vec4")
        ? "vec4u"
        : "u32";
    const known = bindings.find((binding) => binding.slab === slab && binding.element === element);
    if (known) return known;
    const made = { slab, writable, element, name: slab === null ? "heap" : `slab${bindings.length}` };
    bindings.push(made);
    return made;
  }

  const accessors = names.map((name, i) => {
    const access = program.operands[name];
    const { name: variable, element } = variableOf(places[i], access);
    return accessor(name, access, variable, element);
  });
  const { numbers, floats = [] } = program;
  const members = [...names, ...numbers, "groups"].map((name) => `${name}: ${floats.includes(name) ? "f32" : "u32"}`);
  const variables = bindings.map(
    ({ name, writable, element }, i) =>
      `@group(0) @binding(${i + 1}) var<storage, ${writable ? "read_write" : "read"}> ${name}: array<${element}>;`,
  );
  const parameters = immediate ? "var<immediate>" : "@group(0) @binding(0) var<uniform>";
  const code = `
struct Params { ${members.join(", ")} }
${parameters} p: Params;
${variables.join("\n")}
${accessors.join("\n")}
${program.declarations ?? ""}
@compute @workgroup_size(${program.threads})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let group = id.x + id.y * grid.x;
  if (group >= p.groups) { return; }
${program.body}
}`;
  return { code: immediate ? `requires immediate_address_space;${code}` : code, bindings };
}

const isWrite = (access: Access): boolean => access.startsWith("write");

/** The functions through which WGSL text reaches an operand: elements are counted from its beginning. */
function accessor(name: string, access: Access, variable: string, element: string): string {
  const word =
    element === "vec4u"
      ? (at: string) => `${variable}[(${at}) >> 2u][(${at}) & 3u]`
      : element === "u32"
        ? (at: string) => `${variable}[${at}]`
        : (at: string) => `atomicLoad(&${variable}[${at}])`;
  const vector =
    element === "vec4u"
      ? `${variable}[(p.${name} >> 2u) + i]`
      : `vec4u(${[0, 1, 2, 3].map((j) => word(`p.${name} + 4u * i + ${j}u`)).join(", ")})`;
  const set = `set${name[0].toUpperCase()}${name.slice(1)}`;
  switch (access) {
    case "u32":
      return `fn ${name}(i: u32) -> u32 { return ${word(`p.${name} + i`)}; }`;
    case "i32":
    case "f32":
      return `fn ${name}(i: u32) -> ${access} { return bitcast<${access}>(${word(`p.${name} + i`)}); }`;
    case "vec4u":
      return `fn ${name}(i: u32) -> vec4u { return ${vector}; }`;
    case "vec4f":
      return `fn ${name}(i: u32) -> vec4f { return bitcast<vec4f>(${vector}); }`;
    case "write f32":
      return `${accessor(name, "f32", variable, element)}
fn ${set}(i: u32, value: f32) { ${element === "u32" ? `${word(`p.${name} + i`)} = bitcast<u32>(value)` : `atomicStore(&${variable}[p.${name} + i], bitcast<u32>(value))`}; }`;
    case "write i32":
      return `fn ${set}(i: u32, value: i32) { ${word(`p.${name} + i`)} = bitcast<u32>(value); }`;
    case "write vec4f":
      return `fn ${set}(i: u32, value: vec4f) { ${variable}[(p.${name} >> 2u) + i] = bitcast<vec4u>(value); }`;
    case "write half":
      return `fn ${set}(i: u32, bits: u32) {
  let shift = 16u * (i & 1u);
  atomicAnd(&${variable}[p.${name} + (i >> 1u)], ~(0xffffu << shift));
  atomicOr(&${variable}[p.${name} + (i >> 1u)], bits << shift);
}`;
  }
}
