// Small TypeScript and Python functions, whole, on request, and with a hole in the middle.
//
// Each function is one task written in both languages; the names of the function and of its parameters are drawn.
// The hole is marked as DeepSeek-Coder's special tokens mark it: prefix, hole, suffix, and the middle comes last.

import { assistant, endOfSentence, turn, user } from "./chat-form.ts";
import { capital, chance, invented, pick, type Random, whole } from "./draw.ts";

const fimTokens = ["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"];

export type Language = "ts" | "py";

/** `@f` is the function, `@a @b @n @s @xs` its parameters, `@x` one of many, `@k` a small number. */
export interface FunctionTask {
  readonly names: readonly string[];
  readonly docs: readonly string[];
  readonly ts: string;
  readonly py: string;
}

function task(names: string, docs: string[], ts: string, py: string): FunctionTask {
  return { names: names.split(" "), docs, ts, py };
}

// biome-ignore format: one task, a few lines
export const tasks: readonly FunctionTask[] = [
  task("add sum plus", ["Adds two numbers.", "Returns the sum of two numbers."],
    "function @f(@a: number, @b: number): number {\n  return @a + @b;\n}",
    "def @f(@a, @b):\n    return @a + @b"),
  task("subtract minus difference", ["Subtracts two numbers.", "Returns the difference of two numbers."],
    "function @f(@a: number, @b: number): number {\n  return @a - @b;\n}",
    "def @f(@a, @b):\n    return @a - @b"),
  task("multiply product times", ["Multiplies two numbers.", "Returns the product of two numbers."],
    "function @f(@a: number, @b: number): number {\n  return @a * @b;\n}",
    "def @f(@a, @b):\n    return @a * @b"),
  task("divide quotient", ["Divides two numbers.", "Returns one number divided by another."],
    "function @f(@a: number, @b: number): number {\n  return @a / @b;\n}",
    "def @f(@a, @b):\n    return @a / @b"),
  task("fib fibonacci", ["Returns the n-th Fibonacci number.", "Computes Fibonacci numbers."],
    "function @f(@n: number): number {\n  if (@n <= 1) {\n    return @n;\n  }\n  return @f(@n - 1) + @f(@n - 2);\n}",
    "def @f(@n):\n    if @n <= 1:\n        return @n\n    return @f(@n-1) + @f(@n-2)"),
  task("factorial fact", ["Returns the factorial of a number.", "Computes a factorial."],
    "function @f(@n: number): number {\n  if (@n === 0) {\n    return 1;\n  }\n  return @n * @f(@n - 1);\n}",
    "def @f(@n):\n    if @n == 0:\n        return 1\n    return @n * @f(@n-1)"),
  task("isEven even", ["Tells whether a number is even.", "Is the number even?"],
    "function @f(@n: number): boolean {\n  return @n % 2 === 0;\n}",
    "def @f(@n):\n    return @n % 2 == 0"),
  task("isOdd odd", ["Tells whether a number is odd.", "Is the number odd?"],
    "function @f(@n: number): boolean {\n  return @n % 2 !== 0;\n}",
    "def @f(@n):\n    return @n % 2 != 0"),
  task("max larger biggest", ["Returns the larger of two numbers.", "Finds the larger number."],
    "function @f(@a: number, @b: number): number {\n  return @a > @b ? @a : @b;\n}",
    "def @f(@a, @b):\n    if @a > @b:\n        return @a\n    return @b"),
  task("min smaller smallest", ["Returns the smaller of two numbers.", "Finds the smaller number."],
    "function @f(@a: number, @b: number): number {\n  return @a < @b ? @a : @b;\n}",
    "def @f(@a, @b):\n    if @a < @b:\n        return @a\n    return @b"),
  task("total sumAll addAll sumList", ["Adds all numbers of a list.", "Returns the sum of a list."],
    "function @f(@xs: number[]): number {\n  let total = 0;\n  for (const @x of @xs) {\n    total += @x;\n  }\n  return total;\n}",
    "def @f(@xs):\n    total = 0\n    for @x in @xs:\n        total += @x\n    return total"),
  task("mean average", ["Returns the mean of a list of numbers.", "Computes the average."],
    "function @f(@xs: number[]): number {\n  let total = 0;\n  for (const @x of @xs) {\n    total += @x;\n  }\n  return total / @xs.length;\n}",
    "def @f(@xs):\n    total = 0\n    for @x in @xs:\n        total += @x\n    return total / len(@xs)"),
  task("productOf multiplyList", ["Multiplies all numbers of a list.", "Returns the product of a list."],
    "function @f(@xs: number[]): number {\n  let result = 1;\n  for (const @x of @xs) {\n    result *= @x;\n  }\n  return result;\n}",
    "def @f(@xs):\n    result = 1\n    for @x in @xs:\n        result *= @x\n    return result"),
  task("greet hello welcome", ["Says hello to somebody.", "Greets a person."],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a template
    "function @f(@s: string): string {\n  return `Hello, ${@s}!`;\n}",
    "def @f(@s):\n    return \"Hello, \" + @s + \"!\""),
  task("reverse backwards", ["Turns a text round.", "Reverses a text."],
    "function @f(@s: string): string {\n  return @s.split(\"\").reverse().join(\"\");\n}",
    "def @f(@s):\n    return @s[::-1]"),
  task("isPalindrome palindrome", ["Tells whether a text reads the same backwards.", "Is the text a palindrome?"],
    "function @f(@s: string): boolean {\n  return @s === @s.split(\"\").reverse().join(\"\");\n}",
    "def @f(@s):\n    return @s == @s[::-1]"),
  task("countWords wordCount", ["Counts the words of a text.", "Returns the number of words."],
    "function @f(@s: string): number {\n  return @s.split(\" \").length;\n}",
    "def @f(@s):\n    return len(@s.split(\" \"))"),
  task("shout loud upper", ["Turns a text into capital letters.", "Returns the text in capitals."],
    "function @f(@s: string): string {\n  return @s.toUpperCase();\n}",
    "def @f(@s):\n    return @s.upper()"),
  task("isEmpty empty", ["Tells whether a list is empty.", "Is the list empty?"],
    "function @f(@xs: number[]): boolean {\n  return @xs.length === 0;\n}",
    "def @f(@xs):\n    return len(@xs) == 0"),
  task("square squared", ["Returns the square of a number.", "Squares a number."],
    "function @f(@n: number): number {\n  return @n * @n;\n}",
    "def @f(@n):\n    return @n * @n"),
  task("cube cubed", ["Returns the cube of a number.", "Cubes a number."],
    "function @f(@n: number): number {\n  return @n * @n * @n;\n}",
    "def @f(@n):\n    return @n * @n * @n"),
  task("double twice", ["Doubles a number.", "Returns twice the number."],
    "function @f(@n: number): number {\n  return @n * 2;\n}",
    "def @f(@n):\n    return @n * 2"),
  task("increase addTo plusNumber", ["Adds @k to a number.", "Returns the number plus @k."],
    "function @f(@n: number): number {\n  return @n + @k;\n}",
    "def @f(@n):\n    return @n + @k"),
  task("above filterAbove greaterThan", ["Keeps the numbers above @k.", "Filters the numbers above @k."],
    "function @f(@xs: number[]): number[] {\n  return @xs.filter((@x) => @x > @k);\n}",
    "def @f(@xs):\n    return [@x for @x in @xs if @x > @k]"),
  task("below filterBelow lessThan", ["Keeps the numbers below @k.", "Filters the numbers below @k."],
    "function @f(@xs: number[]): number[] {\n  return @xs.filter((@x) => @x < @k);\n}",
    "def @f(@xs):\n    return [@x for @x in @xs if @x < @k]"),
  task("scale multiplyAll", ["Multiplies every number of a list by @k.", "Scales a list by @k."],
    "function @f(@xs: number[]): number[] {\n  return @xs.map((@x) => @x * @k);\n}",
    "def @f(@xs):\n    return [@x * @k for @x in @xs]"),
  task("squares squareAll", ["Squares every number of a list.", "Returns the squares of a list."],
    "function @f(@xs: number[]): number[] {\n  return @xs.map((@x) => @x * @x);\n}",
    "def @f(@xs):\n    return [@x * @x for @x in @xs]"),
  task("first head", ["Returns the first item of a list.", "The first item."],
    "function @f(@xs: number[]): number {\n  return @xs[0];\n}",
    "def @f(@xs):\n    return @xs[0]"),
  task("last lastItem", ["Returns the last item of a list.", "The last item."],
    "function @f(@xs: number[]): number {\n  return @xs[@xs.length - 1];\n}",
    "def @f(@xs):\n    return @xs[-1]"),
  task("contains includes has", ["Tells whether a list holds a number.", "Is the number in the list?"],
    "function @f(@xs: number[], @a: number): boolean {\n  return @xs.includes(@a);\n}",
    "def @f(@xs, @a):\n    return @a in @xs"),
  task("countOf occurrences", ["Counts how often a number is in a list.", "Returns how often a number occurs."],
    "function @f(@xs: number[], @a: number): number {\n  let count = 0;\n  for (const @x of @xs) {\n    if (@x === @a) {\n      count += 1;\n    }\n  }\n  return count;\n}",
    "def @f(@xs, @a):\n    count = 0\n    for @x in @xs:\n        if @x == @a:\n            count += 1\n    return count"),
  task("largest maxOf", ["Returns the largest number of a list.", "Finds the largest number of a list."],
    "function @f(@xs: number[]): number {\n  let best = @xs[0];\n  for (const @x of @xs) {\n    if (@x > best) {\n      best = @x;\n    }\n  }\n  return best;\n}",
    "def @f(@xs):\n    best = @xs[0]\n    for @x in @xs:\n        if @x > best:\n            best = @x\n    return best"),
  task("countDown countdown", ["Counts down to zero.", "Prints the numbers down to one."],
    "function @f(@n: number): void {\n  while (@n > 0) {\n    console.log(@n);\n    @n -= 1;\n  }\n}",
    "def @f(@n):\n    while @n > 0:\n        print(@n)\n        @n -= 1"),
  task("countUp printNumbers", ["Counts up from zero.", "Prints the numbers from zero on."],
    "function @f(@n: number): void {\n  for (let i = 0; i < @n; i++) {\n    console.log(i);\n  }\n}",
    "def @f(@n):\n    for i in range(@n):\n        print(i)"),
  task("area rectangleArea", ["Returns the area of a rectangle.", "Computes an area."],
    "function @f(width: number, height: number): number {\n  return width * height;\n}",
    "def @f(width, height):\n    return width * height"),
  task("abs absolute", ["Returns a number without its sign.", "The absolute value."],
    "function @f(@n: number): number {\n  return @n < 0 ? -@n : @n;\n}",
    "def @f(@n):\n    if @n < 0:\n        return -@n\n    return @n"),
  task("gcd commonDivisor", ["Returns the greatest common divisor.", "Computes the greatest common divisor of two numbers."],
    "function @f(@a: number, @b: number): number {\n  if (@b === 0) {\n    return @a;\n  }\n  return @f(@b, @a % @b);\n}",
    "def @f(@a, @b):\n    if @b == 0:\n        return @a\n    return @f(@b, @a % @b)"),
  task("isPrime prime", ["Tells whether a number is prime.", "Is the number prime?"],
    "function @f(@n: number): boolean {\n  for (let i = 2; i < @n; i++) {\n    if (@n % i === 0) {\n      return false;\n    }\n  }\n  return @n > 1;\n}",
    "def @f(@n):\n    for i in range(2, @n):\n        if @n % i == 0:\n            return False\n    return @n > 1"),
  task("power pow", ["Raises a number to a power.", "Computes a power."],
    "function @f(@a: number, @b: number): number {\n  let result = 1;\n  for (let i = 0; i < @b; i++) {\n    result *= @a;\n  }\n  return result;\n}",
    "def @f(@a, @b):\n    result = 1\n    for i in range(@b):\n        result *= @a\n    return result"),
  task("quickSort sort quick_sort", ["Sorts a list with quick sort.", "Quick sort.", "Sorts the numbers of a list."],
    "function @f(@xs: number[]): number[] {\n  if (@xs.length <= 1) {\n    return @xs;\n  }\n  const [pivot, ...rest] = @xs;\n  const small = rest.filter((@x) => @x < pivot);\n  const large = rest.filter((@x) => @x >= pivot);\n  return [...@f(small), pivot, ...@f(large)];\n}",
    "def @f(@xs):\n    if len(@xs) <= 1:\n        return @xs\n    pivot = @xs[0]\n    small = [@x for @x in @xs[1:] if @x < pivot]\n    large = [@x for @x in @xs[1:] if @x >= pivot]\n    return @f(small) + [pivot] + @f(large)"),
  task("unique distinct", ["Removes what is in a list twice.", "Returns the distinct items."],
    "function @f(@xs: number[]): number[] {\n  return [...new Set(@xs)];\n}",
    "def @f(@xs):\n    return list(set(@xs))"),
  task("joinWords join", ["Joins words with a space.", "Puts words together with spaces."],
    "function @f(@xs: string[]): string {\n  return @xs.join(\" \");\n}",
    "def @f(@xs):\n    return \" \".join(@xs)"),
  task("clampLow atLeast", ["Returns a number, but at least @k.", "Never less than @k."],
    "function @f(@n: number): number {\n  if (@n < @k) {\n    return @k;\n  }\n  return @n;\n}",
    "def @f(@n):\n    if @n < @k:\n        return @k\n    return @n"),
  task("helloWorld main sayHello", ["Prints hello world.", "Says hello to the world."],
    "function @f(): void {\n  console.log(\"Hello, world!\");\n}",
    "def @f():\n    print(\"Hello, world!\")"),
];

/** What a function and its parameters are called. */
export type Names = Record<string, string>;

/** "isEven" as Python writes it: "is_even". */
export function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The names of one function, as its language writes them; a share of the parameters has made-up names. */
export function drawNames(random: Random, { names }: FunctionTask, language: Language, strange = 0.25): Names {
  const own = (usual: string[], share = strange) =>
    chance(random, share) ? invented(random, pick(random, [1, 2])) : pick(random, usual);
  const [a, b] = pick(random, [
    ["a", "b"],
    ["a", "b"],
    ["x", "y"],
    ["left", "right"],
    ["first", "second"],
    [own([], 1), own([], 1)],
  ]);
  const base = pick(random, names);
  const f = chance(random, 0.7)
    ? base
    : pick(random, [
        `my${capital(base)}`,
        `${base}2`,
        `do${capital(base)}`,
        `${base}Of${capital(invented(random, 1))}`,
      ]);
  return {
    f: language === "py" ? snake(f) : f,
    a,
    b: b === a ? `${b}2` : b,
    n: own(["n", "value", "num", "count", "a", "x", "number"]),
    s: own(["text", "name", "s", "word", "line"]),
    xs: own(["items", "values", "numbers", "list", "rows", "data"]),
    x: pick(random, ["x", "item", "v", "each", "it"]),
    k: String(whole(random, 2, 99)),
  };
}

/** A task's function in a language, with a comment above it if one is given. */
export function written(one: FunctionTask, language: Language, names: Names, comment: string | null): string {
  const body = fill(one[language], names);
  return `${comment === null ? "" : `${language === "py" ? "# " : "// "}${fill(comment, names)}\n`}${body}\n`;
}

function fill(template: string, names: Names): string {
  return template.replace(/@(xs|[fabnsxk])/g, (_, key: string) => names[key]);
}

/** One function as text; with a comment above it, two times in three. */
export function functionText(random: Random, language = pick(random, ["ts", "py"] as const), strange = 0.25): string {
  const one = pick(random, tasks);
  const names = drawNames(random, one, language, strange);
  const text = written(one, language, names, chance(random, 0.67) ? pick(random, one.docs) : null);
  return language === "ts" && chance(random, 0.3) ? text.replace(/^function/m, "export function") : text;
}

/** One to three functions, one below the other. */
export function functionsFile(random: Random): string {
  const language = pick(random, ["ts", "py"] as const);
  return Array.from({ length: whole(random, 1, 3) }, () => functionText(random, language)).join("\n");
}

export interface Hole {
  prefix: string;
  suffix: string;
  middle: string;
}

/** Cuts a middle out of a function: whole lines, with or without the line ends around them, or part of a line. */
export function hole(random: Random, source: string): Hole {
  const lines = source.match(/[^\n]*\n/g) ?? [source];
  const body = lines.findIndex((line) => /^(def|function|export)/.test(line)) + 1;
  const offset = (row: number) => lines.slice(0, row).join("").length;
  let start: number;
  let end: number;
  if (chance(random, 0.6)) {
    const first = whole(random, body, lines.length - 1);
    const last = whole(random, first, Math.min(lines.length - 1, first + 3));
    start = offset(first) - (chance(random, 0.4) ? 1 : 0); // before or after the line's end
    end = offset(last + 1) - (chance(random, 0.4) ? 1 : 0);
  } else {
    const row = whole(random, Math.max(0, body - 1), lines.length - 1);
    const cuts = [...lines[row].matchAll(/\w+|[^\w\s]+/g)].map((match) => match.index); // where words begin
    start = offset(row) + pick(random, cuts);
    end = offset(row + 1) - 1;
    const inner = cuts.map((cut) => offset(row) + cut).filter((cut) => cut > start);
    if (inner.length > 0 && chance(random, 0.4)) end = pick(random, inner);
  }
  const suffix = source.slice(end);
  return {
    prefix: source.slice(0, start),
    suffix: chance(random, 0.4) ? suffix.replace(/\n$/, "") : suffix,
    middle: source.slice(start, end),
  };
}

/** Cuts out all of a function but what stands above its body, and the brace that ends it. */
function bodyHole(source: string): Hole {
  const [prefix] = /^(\S.*\n)+/.exec(source) ?? [""]; // comment and head are not indented
  const end = source.endsWith("\n}\n") ? source.length - 2 : source.length;
  return { prefix, suffix: source.slice(end), middle: source.slice(prefix.length, end) };
}

/** The prompt that asks for a middle. */
export function fimPrompt({ prefix, suffix }: Hole): string {
  return fimTokens[0] + prefix + fimTokens[1] + suffix + fimTokens[2];
}

/** A function with a hole and what belongs there; `bodies`: the share that lacks its whole body. */
export function fimDocument(random: Random, strange?: number, draw = functionText, bodies = 0): string {
  const source = draw(random, undefined, strange);
  const cut = bodies > 0 && chance(random, bodies) ? bodyHole(source) : hole(random, source);
  return fimPrompt(cut) + cut.middle + endOfSentence;
}

const languageNames = { ts: ["TypeScript", "typescript"], py: ["Python", "python"] } as const;

/** A function that a user asks for, in a fenced block. */
export function codeChat(random: Random): string {
  const language = pick(random, ["ts", "py"] as const);
  const one = chance(random, 0.1)
    ? (tasks.find(({ names }) => names[0] === "quickSort") ?? tasks[0])
    : pick(random, tasks);
  const names = drawNames(random, one, language);
  const doc = fill(pick(random, one.docs), names).replace(/[.?]$/, "");
  const what = doc.charAt(0).toLowerCase() + doc.slice(1);
  const named = chance(random, 0.6) ? `${languageNames[language][0]} ` : "";
  const asked = pick(random, [
    `Write a ${named}function that does this: ${what}.`,
    `Write a ${named}function: ${what}.`,
    `Please write ${named}code: ${what}.`,
    `Please write ${what} code${named === "" ? "" : ` in ${named.trim()}`}`,
    `Write ${names.f} in ${languageNames[language][0]}.`,
    `Please write ${one.names[0].replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)} code`,
  ]);
  const block = `\`\`\`${languageNames[language][1]}\n${written(one, language, names, chance(random, 0.3) ? pick(random, one.docs) : null)}\`\`\``;
  if (chance(random, 0.8)) return turn(asked, block);
  return `${user}${asked}${assistant}Here is the function.\n\n${block}${endOfSentence}`;
}
