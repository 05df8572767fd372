"""Small TypeScript and Python functions, whole and with a hole in the middle.

Each function is one task written in both languages; names of the function and its parameters are drawn.
The hole (fill-in-the-middle, as DeepSeek-Coder's special tokens mark it) is a run of whole lines or the end of one line.
"""

FIM = ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>")

# (names of the function, doc, TypeScript, Python); {f} the function, {a} {b} {xs} {s} {n} its parameters, {k} a small number.
TASKS = [
    (["add", "sum", "plus"], "Adds two numbers.",
     "function {f}({a}: number, {b}: number): number {{\n  return {a} + {b};\n}}",
     "def {f}({a}, {b}):\n    return {a} + {b}"),
    (["multiply", "product", "times"], "Multiplies two numbers.",
     "function {f}({a}: number, {b}: number): number {{\n  return {a} * {b};\n}}",
     "def {f}({a}, {b}):\n    return {a} * {b}"),
    (["fib", "fibonacci"], "Returns the n-th Fibonacci number.",
     "function {f}({n}: number): number {{\n  if ({n} <= 1) {{\n    return {n};\n  }}\n  return {f}({n} - 1) + {f}({n} - 2);\n}}",
     "def {f}({n}):\n    if {n} <= 1:\n        return {n}\n    return {f}({n} - 1) + {f}({n} - 2)"),
    (["factorial", "fact"], "Returns the factorial of a number.",
     "function {f}({n}: number): number {{\n  if ({n} === 0) {{\n    return 1;\n  }}\n  return {n} * {f}({n} - 1);\n}}",
     "def {f}({n}):\n    if {n} == 0:\n        return 1\n    return {n} * {f}({n} - 1)"),
    (["isEven", "even"], "Tells whether a number is even.",
     "function {f}({n}: number): boolean {{\n  return {n} % 2 === 0;\n}}",
     "def {f}({n}):\n    return {n} % 2 == 0"),
    (["isOdd", "odd"], "Tells whether a number is odd.",
     "function {f}({n}: number): boolean {{\n  return {n} % 2 !== 0;\n}}",
     "def {f}({n}):\n    return {n} % 2 != 0"),
    (["max", "larger", "biggest"], "Returns the larger of two numbers.",
     "function {f}({a}: number, {b}: number): number {{\n  return {a} > {b} ? {a} : {b};\n}}",
     "def {f}({a}, {b}):\n    if {a} > {b}:\n        return {a}\n    return {b}"),
    (["min", "smaller", "smallest"], "Returns the smaller of two numbers.",
     "function {f}({a}: number, {b}: number): number {{\n  return {a} < {b} ? {a} : {b};\n}}",
     "def {f}({a}, {b}):\n    if {a} < {b}:\n        return {a}\n    return {b}"),
    (["total", "sumAll", "addAll"], "Adds all numbers of a list.",
     "function {f}({xs}: number[]): number {{\n  let total = 0;\n  for (const {x} of {xs}) {{\n    total += {x};\n  }}\n  return total;\n}}",
     "def {f}({xs}):\n    total = 0\n    for {x} in {xs}:\n        total += {x}\n    return total"),
    (["mean", "average"], "Returns the mean of a list of numbers.",
     "function {f}({xs}: number[]): number {{\n  let total = 0;\n  for (const {x} of {xs}) {{\n    total += {x};\n  }}\n  return total / {xs}.length;\n}}",
     "def {f}({xs}):\n    total = 0\n    for {x} in {xs}:\n        total += {x}\n    return total / len({xs})"),
    (["greet", "hello", "welcome"], "Says hello to somebody.",
     "function {f}({s}: string): string {{\n  return `Hello, ${{{s}}}!`;\n}}",
     "def {f}({s}):\n    return \"Hello, \" + {s} + \"!\""),
    (["reverse", "backwards"], "Turns a text round.",
     "function {f}({s}: string): string {{\n  return {s}.split(\"\").reverse().join(\"\");\n}}",
     "def {f}({s}):\n    return {s}[::-1]"),
    (["countWords", "wordCount"], "Counts the words of a text.",
     "function {f}({s}: string): number {{\n  return {s}.split(\" \").length;\n}}",
     "def {f}({s}):\n    return len({s}.split(\" \"))"),
    (["isEmpty", "empty"], "Tells whether a list is empty.",
     "function {f}({xs}: number[]): boolean {{\n  return {xs}.length === 0;\n}}",
     "def {f}({xs}):\n    return len({xs}) == 0"),
    (["square", "squared"], "Returns the square of a number.",
     "function {f}({n}: number): number {{\n  return {n} * {n};\n}}",
     "def {f}({n}):\n    return {n} * {n}"),
    (["above", "filterAbove", "greaterThan"], "Keeps the numbers above {k}.",
     "function {f}({xs}: number[]): number[] {{\n  return {xs}.filter(({x}) => {x} > {k});\n}}",
     "def {f}({xs}):\n    return [{x} for {x} in {xs} if {x} > {k}]"),
    (["scale", "multiplyAll"], "Multiplies every number of a list by {k}.",
     "function {f}({xs}: number[]): number[] {{\n  return {xs}.map(({x}) => {x} * {k});\n}}",
     "def {f}({xs}):\n    return [{x} * {k} for {x} in {xs}]"),
    (["first", "head"], "Returns the first item of a list.",
     "function {f}({xs}: number[]): number {{\n  return {xs}[0];\n}}",
     "def {f}({xs}):\n    return {xs}[0]"),
    (["last", "lastItem"], "Returns the last item of a list.",
     "function {f}({xs}: number[]): number {{\n  return {xs}[{xs}.length - 1];\n}}",
     "def {f}({xs}):\n    return {xs}[-1]"),
    (["contains", "includes", "has"], "Tells whether a list holds a number.",
     "function {f}({xs}: number[], {a}: number): boolean {{\n  return {xs}.includes({a});\n}}",
     "def {f}({xs}, {a}):\n    return {a} in {xs}"),
    (["countDown", "countdown"], "Counts down to zero.",
     "function {f}({n}: number): void {{\n  while ({n} > 0) {{\n    console.log({n});\n    {n} -= 1;\n  }}\n}}",
     "def {f}({n}):\n    while {n} > 0:\n        print({n})\n        {n} -= 1"),
    (["area", "rectangleArea"], "Returns the area of a rectangle.",
     "function {f}(width: number, height: number): number {{\n  return width * height;\n}}",
     "def {f}(width, height):\n    return width * height"),
    (["abs", "absolute"], "Returns a number without its sign.",
     "function {f}({n}: number): number {{\n  return {n} < 0 ? -{n} : {n};\n}}",
     "def {f}({n}):\n    if {n} < 0:\n        return -{n}\n    return {n}"),
]


def snake(name):
    return "".join("_" + c.lower() if c.isupper() else c for c in name)


def function(rng, lang=None):
    """One function as text; with a comment above it, two times in three."""
    names, doc, ts, py = rng.choice(TASKS)
    lang = lang or rng.choice(["ts", "py"])
    a, b = rng.choice([("a", "b"), ("x", "y"), ("left", "right"), ("first", "second")])
    words = dict(f=rng.choice(names), a=a, b=b, n=rng.choice(["n", "value", "num", "count"]), s=rng.choice(["text", "name", "s", "word"]),
                 xs=rng.choice(["items", "values", "numbers", "list" if lang == "ts" else "rows"]), x=rng.choice(["x", "item", "v"]), k=rng.randint(2, 20))
    if lang == "py":
        words["f"] = snake(words["f"])
    elif rng.random() < 0.5:
        ts = "export " + ts
    comment = ("# " if lang == "py" else "// ") + doc.format(**words) + "\n" if rng.random() < 0.67 else ""
    return comment + (py if lang == "py" else ts).format(**words) + "\n"


def hole(rng, source):
    """Cuts a middle out of a function: (prefix, suffix, middle)."""
    lines = source.splitlines(keepends=True)
    body = next(i for i, line in enumerate(lines) if line.startswith(("def", "function", "export"))) + 1
    if rng.random() < 0.5:  # whole lines
        start = rng.choice([i for i in range(body, len(lines)) if len(lines[i]) > 2])
        end = rng.randrange(start, len(lines)) + 1
        return "".join(lines[:start]), "".join(lines[end:]), "".join(lines[start:end])
    row = rng.choice([i for i in range(body - 1, len(lines)) if len(lines[i]) > 2])  # the rest of one line
    column = rng.randrange(len(lines[row]) - 1)
    head = "".join(lines[:row]) + lines[row][:column]
    return head, "\n" + "".join(lines[row + 1:]), lines[row][column:].rstrip("\n")


def fim(prefix, suffix):
    return FIM[0] + prefix + FIM[1] + suffix + FIM[2]


if __name__ == "__main__":
    import random
    for seed in range(4):
        rng = random.Random(seed)
        source = function(rng)
        prefix, suffix, middle = hole(rng, source)
        print(source, fim(prefix, suffix), "=>", repr(middle))
