// Where the template engine is not Python, mended: what a value looks like as text (True, None, ['a', 1.0], 1e-07), which
// values are equal, what can be looped over, which attribute of a dictionary is a method. Only what templates need; the
// rest is the engine's. Sources: Jinja's documentation, "Template Designer"; Python's str(), repr() and json.dumps().

import { Environment } from "@huggingface/jinja";
import { withoutInk } from "./ink.ts";
import { JsonNumber } from "./json-text.ts";

/** A node of the engine's syntax tree. */
export interface Node {
  type: string;
  [field: string]: unknown;
}

export const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && "type" in value;

/** A value of the engine's: what of it is used here. */
export interface RuntimeValue {
  readonly type: string;
  readonly value: unknown;
  readonly builtins: ReadonlyMap<string, RuntimeValue>;
  __bool__(): { readonly value: boolean };
}

type Evaluate = (node: Node) => RuntimeValue;
/** The engine's own evaluation of a node. */
type Engine = (node: Node) => RuntimeValue;

/** An integer as a key of a dictionary, which the engine has as text. No text of others begins with these characters. */
const integerKey = "\u{ffffe}#";

const runtime = (value: unknown): RuntimeValue => new Environment().set("value", value) as unknown as RuntimeValue;
const undefinedValue = runtime(undefined);
const list = (items: readonly RuntimeValue[]) => likeEmpty([], (made) => (made as RuntimeValue[]).push(...items));
const dictionary = (entries: Iterable<readonly [string, RuntimeValue]>) =>
  likeEmpty({}, (made) => {
    for (const [key, value] of entries) (made as Map<string, RuntimeValue>).set(key, value);
  });

function likeEmpty(empty: object, fill: (value: unknown) => void): RuntimeValue {
  const made = runtime(empty);
  fill(made.value);
  return made;
}

/** Data of a request as the engine's values: the order of a Map's keys is kept, a JsonNumber stays as it was written. */
export function runtimeOf(data: unknown): RuntimeValue {
  if (Array.isArray(data)) return list(data.map(runtimeOf));
  if (data instanceof JsonNumber) return numberOf(data.text);
  if (data instanceof Map)
    return dictionary([...data].map(([key, value]) => [key as string, runtimeOf(value)] as const));
  if (typeof data !== "object" || data === null) return runtime(data);
  return dictionary(Object.entries(data).map(([key, value]) => [key, runtimeOf(value)] as const));
}

function numberOf(text: string): RuntimeValue {
  const whole = /^-?\d+$/.test(text);
  const made = runtime(whole ? 0 : 0.5) as { value: unknown };
  made.value = Number(text);
  if (whole && !Number.isSafeInteger(made.value)) exactIntegers.set(made, text);
  return made as RuntimeValue;
}

/** Integers that a JavaScript number does not hold. */
const exactIntegers = new WeakMap<object, string>();

const isText = ({ type }: RuntimeValue) => type === "StringValue";
const isList = ({ type }: RuntimeValue) => type === "ArrayValue" || type === "TupleValue";
const isMissing = ({ type }: RuntimeValue) => type === "UndefinedValue";
const isNone = ({ type }: RuntimeValue) => type === "NullValue";
const isBoolean = ({ type }: RuntimeValue) => type === "BooleanValue";
const isNumber = ({ type }: RuntimeValue) => type === "IntegerValue" || type === "FloatValue";
const isDictionary = ({ type }: RuntimeValue) => type === "ObjectValue";
const textOf = (value: RuntimeValue) => value.value as string;
const itemsOf = (value: RuntimeValue) => value.value as RuntimeValue[];
const mapOf = (value: RuntimeValue) => value.value as Map<string, RuntimeValue>;
const keyValue = (key: string) => runtime(key.startsWith(integerKey) ? Number(key.slice(integerKey.length)) : key);
const keyOf = (value: RuntimeValue): string | undefined => {
  if (isText(value)) return textOf(value);
  return value.type === "IntegerValue" ? `${integerKey}${value.value}` : undefined;
};

/** What `{{ value }}`, `~` and `|string` write: Python's str(). */
export function pythonText(value: RuntimeValue): string {
  return isText(value) ? textOf(value) : isMissing(value) ? "" : representation(value);
}

/** Python's repr(). */
function representation(value: RuntimeValue): string {
  if (isText(value)) return quoted(textOf(value));
  if (isNone(value)) return "None";
  if (isBoolean(value)) return value.value ? "True" : "False";
  if (isNumber(value)) return numberText(value);
  if (value.type === "TupleValue" && itemsOf(value).length === 1) return `(${representation(itemsOf(value)[0])},)`;
  if (value.type === "TupleValue") return `(${itemsOf(value).map(representation).join(", ")})`;
  if (isList(value)) return `[${itemsOf(value).map(representation).join(", ")}]`;
  if (!isDictionary(value)) return String(value.value);
  const entries = [...mapOf(value)].map(([key, item]) => `${representation(keyValue(key))}: ${representation(item)}`);
  return `{${entries.join(", ")}}`;
}

function numberText(value: RuntimeValue): string {
  const number = value.value as number;
  if (value.type === "IntegerValue") return exactIntegers.get(value) ?? BigInt(number).toString();
  const [digits, exponent = 0] = number.toExponential().split("e").map(Number);
  if (!Number.isFinite(number) || !Number.isFinite(digits)) return String(number).replace("Infinity", "inf");
  if (Object.is(number, -0)) return "-0.0";
  if (number === 0 || (exponent >= -4 && exponent < 16)) return Number.isInteger(number) ? `${number}.0` : `${number}`;
  const sign = exponent < 0 ? "-" : "+";
  return `${digits}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

/** A string literal; ink and holes (ink.ts), which only we have, stay as they are. */
function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const short: Readonly<Record<string, string>> = {
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\\": "\\\\",
    [quote]: `\\${quote}`,
  };
  const body = text.replace(/[\\'"\p{C}\p{Z}]/gu, (char) => {
    const code = char.codePointAt(0) as number;
    if (short[char] !== undefined) return short[char];
    if (char === " " || char === "'" || char === '"' || code >= 0xf0000) return char;
    if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
    return code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\U${code.toString(16).padStart(8, "0")}`;
  });
  return quote + body + quote;
}

interface JsonStyle {
  readonly indent: number | undefined;
  readonly ascii: boolean;
  readonly separators: readonly [string, string];
  readonly sorted: boolean;
}

/** Python's json.dumps(). */
function json(value: RuntimeValue, style: JsonStyle, depth = 0): string {
  if (isNone(value)) return "null";
  if (isBoolean(value)) return String(value.value);
  if (isNumber(value)) return numberText(value);
  if (isText(value)) return jsonText(textOf(value), style.ascii);
  const inner = style.indent === undefined ? "" : `\n${" ".repeat(style.indent * (depth + 1))}`;
  const outer = style.indent === undefined ? "" : `\n${" ".repeat(style.indent * depth)}`;
  const [comma, colon] = style.separators;
  const within = (open: string, parts: string[], close: string) =>
    parts.length === 0 ? open + close : open + inner + parts.join(comma + inner) + outer + close;
  if (isList(value))
    return within(
      "[",
      itemsOf(value).map((item) => json(item, style, depth + 1)),
      "]",
    );
  if (!isDictionary(value) && value.type !== "NamespaceValue") throw new Error(`tojson: got ${value.type}`);
  let entries = [...mapOf(value)];
  if (style.sorted) entries = entries.sort(([a], [b]) => (a < b ? -1 : 1));
  const parts = entries.map(([key, item]) => {
    const name = key.startsWith(integerKey) ? key.slice(integerKey.length) : key;
    return jsonText(name, style.ascii) + colon + json(item, style, depth + 1);
  });
  return within("{", parts, "}");
}

function jsonText(text: string, ascii: boolean): string {
  const made = JSON.stringify(text);
  if (!ascii) return made;
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return made.replace(/[\u0080-\u{effff}]/gu, (char) => char.split("").map(escaped).join(""));
}

/** Whether two values are equal: of one kind and alike; True is 1. */
function equal(a: RuntimeValue, b: RuntimeValue): boolean {
  const number = (value: RuntimeValue) => (isNumber(value) || isBoolean(value) ? Number(value.value) : undefined);
  if (number(a) !== undefined) return number(a) === number(b);
  if (isMissing(a) || isNone(a)) return a.type === b.type;
  if (a.type !== b.type) return false;
  if (isList(a)) {
    const [left, right] = [itemsOf(a), itemsOf(b)];
    return left.length === right.length && left.every((item, i) => equal(item, right[i]));
  }
  if (isDictionary(a)) {
    const [left, right] = [mapOf(a), mapOf(b)];
    return (
      left.size === right.size &&
      [...left].every(([key, item]) => right.has(key) && equal(item, right.get(key) as RuntimeValue))
    );
  }
  return isText(a) ? withoutInk(textOf(a)) === withoutInk(textOf(b)) : a.value === b.value;
}

function contains(container: RuntimeValue, item: RuntimeValue): boolean {
  if (isList(container)) return itemsOf(container).some((one) => equal(one, item));
  if (isDictionary(container)) return mapOf(container).has(keyOf(item) ?? "");
  if (isText(container) && isText(item)) return withoutInk(textOf(container)).includes(withoutInk(textOf(item)));
  if (isMissing(container)) return false;
  throw new Error(`in: cannot look for ${item.type} in ${container.type}`);
}

/** What a loop or a filter over items goes over; undefined: nothing that has items. */
function iterated(value: RuntimeValue): readonly RuntimeValue[] | undefined {
  if (isList(value)) return itemsOf(value);
  if (isText(value)) return Array.from(textOf(value), runtime);
  if (isDictionary(value)) return [...mapOf(value).keys()].map(keyValue);
  return isMissing(value) ? [] : undefined;
}

function pairs(value: RuntimeValue): RuntimeValue {
  return list([...mapOf(value)].map(([key, item]) => list([keyValue(key), item])));
}

const kinds: Readonly<Record<string, (value: RuntimeValue) => boolean>> = {
  iterable: (value) => iterated(value) !== undefined,
  sequence: (value) => isList(value) || isDictionary(value) || isText(value) || isMissing(value),
  number: (value) => isNumber(value) || isBoolean(value),
  float: ({ type }) => type === "FloatValue",
};

/**
 * Methods that look for a text in another: whether it is in ink (ink.ts) makes no difference to what is found, and what is
 * found keeps its ink.
 */
const searches: Readonly<Record<string, (text: string, wanted: string, max?: number) => RuntimeValue>> = {
  startswith: (text, wanted) => runtime(withoutInk(text).startsWith(withoutInk(wanted))),
  endswith: (text, wanted) => runtime(withoutInk(text).endsWith(withoutInk(wanted))),
  split(text, wanted, max = -1) {
    const characters = Array.from(text);
    const plain = characters.map(withoutInk);
    const sought = Array.from(withoutInk(wanted));
    const parts: string[] = [];
    let start = 0;
    for (let at = 0; at + sought.length <= plain.length && (max < 0 || parts.length < max); ) {
      if (sought.some((character, i) => plain[at + i] !== character)) at++;
      else {
        parts.push(characters.slice(start, at).join(""));
        at += sought.length;
        start = at;
      }
    }
    return list([...parts, characters.slice(start).join("")].map(runtime));
  },
};

const methodsOfDictionaries = ["items", "keys", "values", "get"];
const bodies = ["body", "alternate", "defaultBlock"];
const statements = [
  "StringLiteral",
  "Set",
  "If",
  "For",
  "Macro",
  "Break",
  "Continue",
  "CallStatement",
  "FilterStatement",
  "Comment",
];

/** The program with what it writes marked, so that values are written as Python writes them. */
export function withPrints(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withPrints);
  if (node instanceof Map) return new Map([...node].map(([key, value]) => [withPrints(key), withPrints(value)]));
  if (!isNode(node)) return node;
  for (const [field, child] of Object.entries(node)) {
    const made = withPrints(child);
    node[field] = made;
    if (bodies.includes(field) && Array.isArray(made))
      node[field] = made.map((one: Node) => (statements.includes(one.type) ? one : { type: "Print", operand: one }));
  }
  return node;
}

/** The value of a node where it takes Python to know it; `engine` for everything else. */
export function evaluatePython(node: Node, evaluate: Evaluate, engine: Engine): RuntimeValue {
  const given = (value: RuntimeValue): Node => ({ type: "Value", value });
  switch (node.type) {
    case "Value":
      return node.value as RuntimeValue;
    case "Print": {
      const value = evaluate(node.operand as Node);
      return isText(value) || isMissing(value) ? value : runtime(pythonText(value));
    }
    case "For": {
      const over = node.iterable as Node;
      const select = over.type === "SelectExpression";
      const value = evaluate((select ? over.lhs : over) as Node);
      const items = iterated(value);
      if (!items) throw new Error(`for: ${value.type} has no items`);
      // The engine takes lists apart, and no tuples.
      const isTuple = ({ type }: RuntimeValue) => type === "TupleValue";
      const apart = (node.loopvar as Node).type === "TupleLiteral" && items.some(isTuple);
      const iterable = given(
        apart
          ? list(items.map((item) => (isTuple(item) ? list(itemsOf(item)) : item)))
          : isList(value)
            ? value
            : list(items),
      );
      const turn: Node = { type: "Iteration", body: node.body };
      const written = engine({ ...node, body: [turn], iterable: select ? { ...over, lhs: iterable } : iterable });
      // Jinja comes to "else" where no turn has come to its end.
      if (!turn.isLeft || turn.isWhole) return written;
      return runtime(textOf(written) + textOf(evaluate({ type: "Iteration", body: node.defaultBlock })));
    }
    case "BinaryExpression":
      return binary(node, evaluate, engine, given);
    case "TestExpression": {
      const name = (node.test as Node).value as string;
      const value = evaluate(node.operand as Node);
      if (!Object.hasOwn(kinds, name)) return engine({ ...node, operand: given(value) });
      return runtime(kinds[name](value) !== Boolean(node.negate));
    }
    case "FilterExpression": {
      const value = evaluate(node.operand as Node);
      return filtered(value, node.filter as Node, evaluate) ?? engine({ ...node, operand: given(value) });
    }
    case "ObjectLiteral": {
      const entries = [...(node.value as Map<Node, Node>)].map(([key, value]) => {
        const name = keyOf(evaluate(key));
        if (name === undefined) throw new Error("a dictionary's keys must be strings or integers");
        return [name, evaluate(value)] as const;
      });
      return dictionary(entries);
    }
    case "MemberExpression": {
      const object = evaluate(node.object as Node);
      const property = node.property as Node;
      if (isDictionary(object) && !node.computed && methodsOfDictionaries.includes(property.value as string))
        return property.value === "items"
          ? runtimeFunction(() => pairs(object))
          : (object.builtins.get(property.value as string) as RuntimeValue);
      const search = !node.computed && isText(object) ? searches[property.value as string] : undefined;
      if (search)
        return runtimeFunction(([wanted, max], scope) => {
          if (wanted && isText(wanted) && textOf(wanted) !== "" && (!max || isNumber(max)))
            return search(textOf(object), textOf(wanted), max?.value as number | undefined);
          const own = object.builtins.get(property.value as string)?.value as RuntimeFunction;
          return own(max === undefined ? (wanted === undefined ? [] : [wanted]) : [wanted, max], scope);
        });
      if (node.computed && property.type !== "SliceExpression") {
        const key = evaluate(property);
        if (isDictionary(object)) return mapOf(object).get(keyOf(key) ?? "") ?? undefinedValue;
        if (isMissing(key)) return undefinedValue;
        return engine({ ...node, object: given(object), property: given(key) });
      }
      return engine({ ...node, object: given(object) });
    }
    default:
      return engine(node);
  }
}

type RuntimeFunction = (args: readonly RuntimeValue[], scope: unknown) => RuntimeValue;

/** A function of the engine's that takes and gives its values. */
function runtimeFunction(made: RuntimeFunction): RuntimeValue {
  const value = runtime(() => null) as { value: unknown };
  value.value = made;
  return value as RuntimeValue;
}

function binary(node: Node, evaluate: Evaluate, engine: Engine, given: (value: RuntimeValue) => Node): RuntimeValue {
  const operator = (node.operator as Node).value as string;
  if (operator === "and" || operator === "or") return engine(node);
  const left = evaluate(node.left as Node);
  const right = evaluate(node.right as Node);
  switch (operator) {
    case "==":
    case "!=":
      return runtime(equal(left, right) === (operator === "=="));
    case "in":
    case "not in":
      return runtime(contains(right, left) === (operator === "in"));
    case "~":
      return runtime(pythonText(left) + pythonText(right));
    case "+":
      if (isText(left) !== isText(right)) throw new Error(`+: cannot put ${left.type} and ${right.type} together`);
      break;
    case "<":
    case ">":
    case "<=":
    case ">=":
      if (isText(left) && isText(right)) {
        const [a, b] = [textOf(left), textOf(right)];
        return runtime(operator === "<" ? a < b : operator === ">" ? a > b : operator === "<=" ? a <= b : a >= b);
      }
      break;
    case "*":
      if (isText(left) && isNumber(right)) return runtime(textOf(left).repeat(Math.max(0, right.value as number)));
      break;
  }
  return engine({ ...node, left: given(left), right: given(right) });
}

/** A filter where the engine's is not Jinja's; undefined where it is. */
function filtered(value: RuntimeValue, filter: Node, evaluate: Evaluate): RuntimeValue | undefined {
  const call = filter.type === "CallExpression";
  const name = (call ? (filter.callee as Node).value : filter.value) as string;
  const given = call ? (filter.args as Node[]) : [];
  const options = new Map<string, RuntimeValue>();
  const args: RuntimeValue[] = [];
  const read = () => {
    for (const argument of given)
      if (argument.type === "KeywordArgumentExpression")
        options.set((argument.key as Node).value as string, evaluate(argument.value as Node));
      else args.push(evaluate(argument));
  };
  switch (name) {
    case "string":
      return runtime(pythonText(value));
    case "tojson": {
      read();
      const option = (name: string) => options.get(name);
      const indent = option("indent");
      const separators = option("separators");
      return runtime(
        json(value, {
          indent: indent && isNumber(indent) ? (indent.value as number) : undefined,
          ascii: option("ensure_ascii")?.__bool__().value ?? false,
          sorted: option("sort_keys")?.__bool__().value ?? false,
          separators:
            separators && isList(separators)
              ? (itemsOf(separators).map(pythonText) as [string, string])
              : [indent && isNumber(indent) ? "," : ", ", ": "],
        }),
      );
    }
    case "items":
      if (isMissing(value)) return list([]);
      return isDictionary(value) ? pairs(value) : undefined;
    case "dictsort":
      if (
        !isDictionary(value) ||
        given.length > 0 ||
        ![...mapOf(value).keys()].some((key) => key.startsWith(integerKey))
      )
        return undefined;
      return list(itemsOf(pairs(value)).sort((a, b) => Number(itemsOf(a)[0].value) - Number(itemsOf(b)[0].value)));
    case "list":
    case "first":
    case "last":
    case "length":
    case "count": {
      const items = iterated(value);
      if (!items) return undefined;
      if (name === "length" || name === "count") return runtime(items.length);
      return name === "list" ? list(items) : (items.at(name === "first" ? 0 : -1) ?? undefinedValue);
    }
    case "join": {
      const items = iterated(value);
      if (!items) return undefined;
      read();
      const attribute = options.get("attribute") ?? args[1];
      const shown = attribute
        ? items.map((item) =>
            isDictionary(item) ? (mapOf(item).get(textOf(attribute)) ?? undefinedValue) : undefinedValue,
          )
        : items;
      const between = args[0] ?? options.get("d");
      return runtime(shown.map(pythonText).join(between ? pythonText(between) : ""));
    }
    case "upper":
    case "lower":
    case "title":
    case "capitalize":
    case "indent":
    case "replace":
      if (isMissing(value) || isNone(value)) {
        const text = runtime(pythonText(value));
        return evaluate({ type: "FilterExpression", operand: { type: "Value", value: text }, filter });
      }
      return undefined;
    case "map":
    case "select":
    case "reject":
    case "selectattr":
    case "rejectattr": {
      const items = iterated(value);
      if (!items) return undefined;
      read();
      return chosen(name, items, args, options, evaluate);
    }
    case "bool":
      return runtime(value.__bool__().value);
    default:
      return undefined;
  }
}

/** The filters that apply a test or a filter, named by their arguments, to each item. */
function chosen(
  name: string,
  items: readonly RuntimeValue[],
  args: readonly RuntimeValue[],
  options: ReadonlyMap<string, RuntimeValue>,
  evaluate: Evaluate,
): RuntimeValue {
  const attributeOf = (item: RuntimeValue, path: string) =>
    path
      .split(".")
      .reduce<RuntimeValue>(
        (at, key) => (isDictionary(at) ? (mapOf(at).get(key) ?? undefinedValue) : undefinedValue),
        item,
      );
  const given = (value: RuntimeValue): Node => ({ type: "Value", value });
  if (name === "map") {
    const attribute = options.get("attribute");
    if (attribute)
      return list(
        items.map((item) => {
          const found = attributeOf(item, textOf(attribute));
          return isMissing(found) ? (options.get("default") ?? found) : found;
        }),
      );
    const [filter, ...rest] = args;
    const callee = { type: "Identifier", value: textOf(filter) };
    const applied = rest.length === 0 ? callee : { type: "CallExpression", callee, args: rest.map(given) };
    return list(items.map((item) => evaluate({ type: "FilterExpression", operand: given(item), filter: applied })));
  }
  const byAttribute = name.endsWith("attr");
  const [test, operand] = byAttribute ? args.slice(1) : args;
  const keeps = name.startsWith("select");
  const passes = (value: RuntimeValue): boolean => {
    if (!test) return value.__bool__().value;
    const label = textOf(test);
    if (["equalto", "eq", "=="].includes(label)) return equal(value, operand);
    if (["ne", "!="].includes(label)) return !equal(value, operand);
    if (label === "in") return contains(operand, value);
    return evaluate({
      type: "TestExpression",
      operand: given(value),
      negate: false,
      test: { type: "Identifier", value: label },
    }).value as boolean;
  };
  return list(items.filter((item) => passes(byAttribute ? attributeOf(item, textOf(args[0])) : item) === keeps));
}
