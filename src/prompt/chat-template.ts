// A checkpoint's chat template, a Jinja program, run so that the control tokens it writes can be told from the same letters
// in what people wrote: its literals are put in ink (ink.ts) where they hold control tokens, the rest is the engine's. The
// program comes from a file and is not trusted: steps and length are bounded. It never comes from a request.
// Source: transformers utils/chat_template_utils.py (variables and functions); engine: @huggingface/jinja.

import { Environment, Interpreter, parse, tokenize } from "@huggingface/jinja";
import { FieldError } from "../field-error.ts";
import { literal } from "../tokenizer/regex.ts";
import { inked, stretchesOf, withoutInk } from "./ink.ts";
import { evaluatePython, isNode, type Node, type RuntimeValue, runtimeOf, withPrints } from "./jinja-python.ts";
import { strftime } from "./strftime.ts";

/** What a template is given. Strings have ink only where the program wrote them; they may have holes. */
export interface TemplateVariables {
  readonly messages: readonly TemplateMessage[];
  readonly tools: readonly unknown[] | null;
  readonly add_generation_prompt: boolean;
  readonly [variable: string]: unknown;
}

export interface TemplateMessage {
  readonly role: string;
  readonly content: string | null;
  readonly [field: string]: unknown;
}

export interface ChatTemplate {
  readonly source: string;
  /**
   * The prompt, control tokens that the template wrote in ink.
   * @throws FieldError with the template's own words when it refuses the conversation; an Error when it cannot be run.
   */
  render(variables: TemplateVariables): string;
}

export interface TemplateTokens {
  /** The texts of all control tokens. */
  readonly control: readonly string[];
  readonly bos: string | undefined;
  readonly eos: string | undefined;
}

/** Most steps of the interpreter (long texts and lists count for more), and most characters of any text that it makes. */
const maxSteps = 5_000_000;
const maxLength = 1 << 26;

const roles = ["system", "developer", "user", "assistant", "tool"];

/** @throws an Error if the template is not Jinja that we can run, or writes control tokens that cannot be told apart. */
export function createChatTemplate(source: string, tokens: TemplateTokens): ChatTemplate {
  const control = finderOf(tokens.control);
  const inkedTokens = variablesOf(tokens, inked);
  const { render: renderPlain, withTools } = plainTemplate(source, tokens);
  const createRender = (inkWritten: Ink, inkCompared: Ink): ChatTemplate["render"] => {
    const program = parsed(source);
    inkLiterals(program, inkWritten, inkCompared);
    return (variables) => {
      const messages = variables.messages.map(({ role, ...rest }) => ({ role: inkCompared(role), ...rest }));
      const text = run(program, { ...inkedTokens, ...withTools(variables), messages });
      if (withoutInk(text) !== withoutInk(renderPlain(variables))) throw new Error(mixed);
      return text;
    };
  };
  const asIs: Ink = (text) => text;
  const inkTokens: Ink = (text) => (control ? text.replace(control, inked) : text);
  const inkRole: Ink = (text) => (roles.includes(text) ? inked(text) : text);

  // Nearly every template has its control tokens whole in its literals. Some put them together, '<|' + role + '|>': there
  // all that is written is in ink, and the names of roles are, wherever they stand.
  const renders = [createRender(inkTokens, asIs), createRender(inked, inkRole)];
  const accepted = harmlessConversations.filter((variables) => !refuses(() => renderPlain(variables)));
  const render = renders.find((render) => accepted.every((variables) => writesInInk(render, variables, control)));
  if (!render) throw new Error(mixed);
  return { source, render };
}

/** A template that writes control tokens as any other text; and what it is given for no tools. */
export interface PlainTemplate {
  /** @throws as ChatTemplate's. */
  render(variables: TemplateVariables): string;
  withTools(variables: TemplateVariables): TemplateVariables;
}

/** @throws an Error if the template is not Jinja that we can run. */
export function plainTemplate(source: string, tokens: Pick<TemplateTokens, "bos" | "eos">): PlainTemplate {
  const program = parsed(source);
  const own = variablesOf(tokens, (text) => text);
  // transformers gives no tools as None; a few templates loop over them all the same.
  const [harmless] = harmlessConversations;
  const loopsOverNone = fails(() => run(program, { ...own, ...harmless }));
  const withTools = (variables: TemplateVariables) =>
    loopsOverNone ? { ...variables, tools: variables.tools ?? [] } : variables;
  return { render: (variables) => run(program, { ...own, ...withTools(variables) }), withTools };
}

function variablesOf({ bos, eos }: Pick<TemplateTokens, "bos" | "eos">, write: (text: string) => string) {
  return {
    ...(bos === undefined ? {} : { bos_token: write(bos) }),
    ...(eos === undefined ? {} : { eos_token: write(eos) }),
  };
}

const mixed =
  "chat template: it uses control tokens in a way in which they cannot be told from the same letters in a message";

const question = { role: "user", content: "q" };
const harmlessConversations: readonly TemplateVariables[] = [
  { messages: [question], tools: null, add_generation_prompt: true },
  {
    messages: [{ role: "system", content: "s" }, question, { role: "assistant", content: "a" }, question],
    tools: null,
    add_generation_prompt: true,
  },
];

function fails(render: () => string): boolean {
  try {
    render();
    return false;
  } catch (error) {
    return !(error instanceof FieldError);
  }
}

/** Whether a template does not want a conversation. @throws what shows it to be broken. */
function refuses(render: () => string): boolean {
  try {
    render();
    return false;
  } catch (error) {
    if (error instanceof FieldError) return true;
    throw error;
  }
}

/** Whether all control tokens of a harmless conversation are in ink, and nothing else differs. */
function writesInInk(
  render: ChatTemplate["render"],
  variables: TemplateVariables,
  control: RegExp | undefined,
): boolean {
  const count = (text: string) => (control ? (text.match(control)?.length ?? 0) : 0);
  try {
    const text = render(variables);
    const inInk = stretchesOf(text).map((stretch) => ("text" in stretch && stretch.inked ? stretch.text : "\n"));
    return count(inInk.join("")) === count(withoutInk(text));
  } catch {
    return false; // nothing but ink can have made it fail
  }
}

/** A finder of any of these texts, the longest first; undefined for none. */
function finderOf(texts: readonly string[]): RegExp | undefined {
  const longestFirst = texts.filter((text) => text !== "").sort((a, b) => b.length - a.length);
  return longestFirst.length === 0 ? undefined : new RegExp(longestFirst.map(literal).join("|"), "g");
}

type Ink = (text: string) => string;

/**
 * Puts the literals of a program in ink; those that are looked for in other text, or name a field, get `inkCompared`.
 * To take one kind for the other makes a template fail or lose a token, and never takes a user's text for one.
 */
function inkLiterals(node: unknown, inkWritten: Ink, inkCompared: Ink): void {
  const children = node instanceof Map ? [...node].flat() : node;
  if (Array.isArray(children)) for (const child of children) inkLiterals(child, inkWritten, inkCompared);
  if (!isNode(node)) return;
  if (node.type === "StringLiteral") node.value = inkWritten(node.value as string);
  for (const [field, child] of Object.entries(node)) {
    const compared = comparedIn(node, field);
    if (compared > 0 && Array.isArray(child)) {
      inkLiterals(child.slice(0, compared), inkCompared, inkCompared);
      inkLiterals(child.slice(compared), inkWritten, inkCompared);
    } else inkLiterals(child, compared > 0 ? inkCompared : inkWritten, inkCompared);
  }
}

const comparisons = ["==", "!=", "in", "not in", "<", "<=", ">", ">="];

/** How many of the first arguments of a method or filter are looked for in text, or name a field; the rest is written. */
const comparedArguments: Readonly<Record<string, number>> = {
  split: 1,
  startswith: 1,
  endswith: 1,
  replace: 1,
  get: 1,
  map: 9,
  sort: 9,
  selectattr: 9,
  rejectattr: 9,
  "str.strip": 1,
  "str.lstrip": 1,
  "str.rstrip": 1,
};

function comparedIn(node: Node, field: string): number {
  if (node.type === "BinaryExpression") return comparisons.includes((node.operator as Node).value as string) ? 1 : 0;
  if (node.type === "MemberExpression") return field === "property" ? 1 : 0;
  if (node.type !== "CallExpression" || field !== "args") return 0;
  const callee = node.callee as Node;
  const name = callee.type === "MemberExpression" ? (callee.property as Node).value : callee.value;
  return comparedArguments[name as string] ?? 0;
}

/** The program; `x | trim` and the strip methods, which the engine has without arguments, become calls of our own. */
function parsed(source: string): Node {
  try {
    const lines = source.replace(/\r\n?/g, "\n"); // as Jinja does before anything else
    const program = parse(tokenize(lines, { lstrip_blocks: true, trim_blocks: true }));
    return withPrints(withStrips(program)) as Node;
  } catch (error) {
    throw new Error(`chat template: ${(error as Error).message}`);
  }
}

function withStrips(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withStrips);
  if (node instanceof Map) return new Map([...node].map(([key, value]) => [withStrips(key), withStrips(value)]));
  if (!isNode(node)) return node;
  for (const [field, child] of Object.entries(node)) node[field] = withStrips(child);
  const none = { type: "Identifier", value: "none" };
  const call = (name: string, args: unknown[]) => ({
    type: "CallExpression",
    callee: { type: "Identifier", value: name },
    args,
  });
  if (node.type === "FilterExpression" && (node.filter as Node).value === "trim")
    return call("str.strip", [none, node.operand]);
  if (node.type !== "CallExpression") return node;
  const { type, object, property } = node.callee as { type: string; object: Node; property: Node };
  if (type !== "MemberExpression" || !Object.hasOwn(functions, `str.${property.value}`)) return node;
  return call(`str.${property.value}`, [
    ...((node.args as unknown[]).length ? (node.args as unknown[]) : [none]),
    object,
  ]);
}

// --- Running

/** What Python takes for white space. */
const pythonSpace = "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";
const strip = (ends: string) => (chars: string | undefined, text: string) => {
  if (typeof text !== "string") throw new Error(`strip: got ${text}, expected a string`);
  const set = `[${chars === undefined ? pythonSpace : chars.replace(/[\\\]^-]/g, "\\$&")}]`;
  return text.replace(new RegExp(ends.replaceAll("S", set), "gu"), "");
};

/** The functions that templates may call. A dot or space in a name keeps it out of a template's own reach. */
const functions: Readonly<Record<string, (...args: never[]) => unknown>> = {
  "str.strip": strip("^S+|(?<!S)S+$"),
  "str.lstrip": strip("^S+"),
  "str.rstrip": strip("(?<!S)S+$"),
  raise_exception(message: string) {
    throw new FieldError("messages", `the model's chat template refuses them: ${message}`);
  },
  range(start: number, stop: number | undefined, step = 1) {
    const [from, to] = stop === undefined ? [0, start] : [start, stop];
    const length = Math.max(0, Math.ceil((to - from) / step));
    if (!(length <= 100_000)) throw new Error(`range: ${length} numbers are too many`);
    return Array.from({ length }, (_, i) => from + i * step);
  },
  strftime_now: (format: string) => strftime(new Date(), format),
};

/** A loop's turn is left before its end, or the loop is. */
class LoopLeft extends Error {
  written = "";
  readonly isOver: boolean;
  constructor(isOver: boolean) {
    super("break and continue stand in loops");
    this.isOver = isOver;
  }
}

function run(program: Node, variables: Readonly<Record<string, unknown>>): string {
  const environment = new Environment();
  const constants = { true: true, false: false, none: null, True: true, False: false, None: null, documents: null };
  const interpreter = new Interpreter(environment);
  const engine = interpreter.evaluate.bind(interpreter) as (node: Node | undefined, scope: unknown) => RuntimeValue;
  let steps = 0;
  const spend = (count: number) => {
    steps += count;
    if (steps > maxSteps) throw new Error(`it takes more than ${maxSteps} steps`);
  };
  /** What the statements of a block write. */
  const block = (statements: readonly Node[], scope: unknown): RuntimeValue => {
    let text = "";
    for (const statement of statements)
      try {
        const { type, value } = evaluate(statement, scope);
        if (type !== "NullValue" && type !== "UndefinedValue") text += value;
      } catch (error) {
        if (error instanceof LoopLeft) error.written = text + error.written;
        throw error;
      }
    return runtimeOf(text);
  };
  /** One turn of a loop, which has variables of its own. What it wrote before it was left stays. */
  const turn = (iteration: Node, scope: unknown): RuntimeValue => {
    if (iteration.isOver) return runtimeOf("");
    try {
      spend(20);
      const written = block(iteration.body as Node[], new Environment(scope as Environment));
      iteration.isWhole = true;
      return written;
    } catch (error) {
      if (!(error instanceof LoopLeft)) throw error;
      iteration.isLeft = true;
      iteration.isOver = error.isOver;
      return runtimeOf(error.written);
    }
  };
  const evaluate = (node: Node | undefined, scope: unknown): RuntimeValue => {
    if (!node) return engine(node, scope);
    if (node.type === "Iteration") return turn(node, scope);
    if (node.type === "Break" || node.type === "Continue") throw new LoopLeft(node.type === "Break");
    const result = evaluatePython(
      node,
      (inner) => evaluate(inner, scope),
      (own) => {
        // What a loop goes over: an item costs as much as ten steps.
        if (own.type === "For") spend(10 * lengthOf(loopedOver(own.iterable as Node)));
        return engine(own, scope);
      },
    );
    const length = lengthOf(result);
    if (length > maxLength) throw new Error(`it makes a text of more than ${maxLength} characters`);
    const made = !["Identifier", "MemberExpression", "Value"].includes(node.type); // not only named
    spend(1 + (made ? length >> 5 : 0));
    return result;
  };
  interpreter.evaluate = evaluate as typeof interpreter.evaluate;
  Object.assign(interpreter, { evaluateBlock: block });
  try {
    for (const [name, value] of Object.entries({ ...constants, ...functions })) environment.set(name, value);
    for (const [name, value] of Object.entries(variables)) environment.setVariable(name, runtimeOf(value) as never);
    return interpreter.run(program as never).value as string;
  } catch (error) {
    if (error instanceof FieldError) throw error;
    const { message } = error as Error;
    if (/call stack/.test(message))
      throw new FieldError("messages", "they are nested too deeply for the chat template");
    throw new Error(`chat template: ${message}`);
  }
}

const lengthOf = ({ value }: RuntimeValue) => (typeof value === "string" || Array.isArray(value) ? value.length : 0);

function loopedOver(iterable: Node): RuntimeValue {
  return (iterable.type === "SelectExpression" ? (iterable.lhs as Node) : iterable).value as RuntimeValue;
}
