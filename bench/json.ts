// What a grammar costs and gives in generation: tokens per second of JSON under a schema with long keys, whose text is taken
// without asking the model (jump-forward), beside the same number of tokens without a grammar, in the same run.
// Run: npx tsx bench/json.ts [MODEL]

import { type GenerateOptions, load } from "../src/index.ts";
import { alternate, machine, table } from "./measure.ts";

const rounds = 5;
const model = await load(process.argv[2]);

const keys = [
  "full_name_of_the_account_holder",
  "preferred_language_of_communication",
  "number_of_transactions_in_the_last_month",
  "date_of_the_most_recent_transaction",
  "has_agreed_to_the_terms_and_conditions",
  "category_of_the_customer_relationship",
];
const values = [
  { type: "string", maxLength: 12 },
  { enum: ["English", "French", "German"] },
  { type: "integer", minimum: 0, maximum: 999 },
  { type: "string", format: "date" },
  { type: "boolean" },
  { enum: ["private", "business"] },
];
const schema = {
  type: "object",
  properties: Object.fromEntries(keys.map((key, i) => [key, values[i]])),
  required: keys,
  additionalProperties: false,
};
const input = "Describe the account of the customer as JSON:\n";

/** Tokens per second after the first, and how many there were. */
async function run(options: Partial<GenerateOptions>): Promise<{ speed: number; tokens: number; text: string }> {
  for await (const event of model.generate({ input, temperature: 1, seed: 1, ...options }))
    if (event.type === "end") {
      const tokens = event.ids.length;
      return { speed: (tokens - 1) / (event.timings.decodeMs / 1000), tokens, text: event.text };
    }
  throw new Error("generate ended without an end");
}

const grammar = { kind: "json_schema", schema } as const;
const { tokens, text } = await run({ grammar, maxTokens: 400 });
JSON.parse(text);
const figures = await alternate(
  [
    { name: "no grammar", run: async () => (await run({ maxTokens: tokens, ignoreEnd: true })).speed },
    { name: "schema", run: async () => (await run({ grammar, maxTokens: 400 })).speed },
  ],
  rounds,
);
console.log(`${machine()}, ${model.kernels.name}; ${tokens} tokens\n${text}\n`);
const rows = figures.map(({ name, median, min, max }) => [
  name,
  median.toFixed(1),
  `${min.toFixed(1)} … ${max.toFixed(1)}`,
  (median / figures[0].median).toFixed(2),
]);
console.log(table(["tokens/s", "median", "spread", "÷ no grammar"], rows));
await model.close();
