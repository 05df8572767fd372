// A hundred schemas as people write them, for walks and generations: each supported keyword alone and with others.

export type Schema = boolean | Record<string, unknown>;

const object = (properties: Record<string, Schema>, more: Record<string, unknown> = {}): Schema => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
  ...more,
});
const list = (items: Schema, more: Record<string, unknown> = {}): Schema => ({ type: "array", items, ...more });
const text = (more: Record<string, unknown> = {}): Schema => ({ type: "string", maxLength: 12, ...more });
const pattern = (pattern: string): Schema => ({ type: "string", pattern });
const format = (format: string): Schema => ({ type: "string", format });
const integer = (more: Record<string, unknown> = {}): Schema => ({ type: "integer", ...more });
const number = (more: Record<string, unknown> = {}): Schema => ({ type: "number", ...more });

export const schemas: readonly Schema[] = [
  // anything, literals, enums
  true,
  {},
  { type: "object" },
  { type: "array" },
  { type: "null" },
  { type: "boolean" },
  { type: ["string", "null"] },
  { type: ["integer", "boolean", "null"] },
  { const: 42 },
  { const: 'a "quoted"\n\u0001 é 😀 word' },
  { const: { a: [1, null, { b: "c" }] } },
  { enum: ["red", "green", "blue", "re", "r"] },
  { enum: [1, 1.5, -2, "1", null, true, [1], { x: 1 }] },
  { enum: ["", "a", "aa", "aaa", '"', "\\", "é", "日本"] },
  // strings
  text(),
  text({ minLength: 3 }),
  text({ minLength: 5, maxLength: 5 }),
  { type: "string", minLength: 2, maxLength: 200 },
  { type: "string", maxLength: 0 },
  pattern("^[a-z]+$"),
  pattern("^[A-Z]{2}-[0-9]{4}$"),
  pattern("^(foo|bar|foobar)*$"),
  pattern("b"),
  pattern("^a"),
  pattern("z$"),
  pattern('^[^"\\\\]{1,8}$'),
  pattern("^\\s*\\w+(\\.\\w+)?$"),
  pattern("^(\\([0-9]{3}\\))?[0-9]{3}-[0-9]{4}$"),
  pattern("^\\p{Lu}\\p{Ll}*$"),
  pattern("^.{2,4}$"),
  pattern("^[\\u4e00-\\u9fff]{1,3}$"),
  { type: "string", pattern: "^[ab]+$", minLength: 3, maxLength: 6 },
  // Where masks take whole classes of text, and the last characters before a bound where they no longer may.
  pattern("^[ -~]{0,24}!?$"),
  pattern("^(?:\\S+\\s+){0,5}\\S+$"),
  { type: "string", pattern: "^[a-z0-9_ ]*[a-z]$", maxLength: 30 },
  { type: "string", pattern: "^[^\\n\\r]*$", minLength: 2, maxLength: 40 },
  { anyOf: [pattern("^[a-z]+$"), pattern("^[!-~]{20,}$"), { type: "string", maxLength: 3 }] },
  { type: "string", allOf: [{ pattern: "a" }, { pattern: "b" }, { pattern: "^[abc]*$" }], maxLength: 9 },
  format("date-time"),
  format("date"),
  format("time"),
  format("email"),
  format("hostname"),
  format("ipv4"),
  format("ipv6"),
  format("uuid"),
  format("uri"),
  // numbers
  integer(),
  number(),
  integer({ minimum: 0 }),
  integer({ minimum: -17, maximum: 230 }),
  integer({ exclusiveMinimum: 99, exclusiveMaximum: 1001 }),
  integer({ maximum: -5 }),
  integer({ multipleOf: 7 }),
  integer({ multipleOf: 12, minimum: 1, maximum: 1000 }),
  number({ multipleOf: 3, minimum: -10, maximum: 10 }),
  number({ minimum: 0, maximum: 1 }),
  number({ exclusiveMinimum: 0, exclusiveMaximum: 1 }),
  number({ minimum: -273.15 }),
  number({ maximum: 1e6, exclusiveMinimum: -1.5e-3 }),
  number({ minimum: 0.1, maximum: 0.3 }),
  // arrays
  list(integer(), { maxItems: 3 }),
  list(text(), { minItems: 2, maxItems: 4 }),
  list({ enum: ["a", "b"] }, { minItems: 1 }),
  list(true, { maxItems: 2 }),
  list(false),
  { type: "array", prefixItems: [integer(), text(), { type: "boolean" }], items: false, minItems: 2 },
  {
    type: "array",
    prefixItems: [{ const: "head" }],
    items: number({ minimum: 0, maximum: 9 }),
    minItems: 1,
    maxItems: 5,
  },
  list(list(list({ type: "null" }, { maxItems: 2 }), { maxItems: 2 }), { maxItems: 2 }),
  // objects
  object({}),
  object({ name: text(), age: integer({ minimum: 0, maximum: 150 }) }),
  object({ a: text(), b: text(), c: text() }, { required: ["b"] }),
  object({ a: text(), b: text(), c: text() }, { required: [], minProperties: 2 }),
  object(
    { a: integer(), b: integer(), c: integer(), d: integer() },
    { required: ["c"], minProperties: 2, maxProperties: 3 },
  ),
  { type: "object", properties: { id: integer() }, required: ["id"] },
  { type: "object", additionalProperties: integer({ minimum: 0, maximum: 9 }), maxProperties: 3 },
  { type: "object", additionalProperties: text(), minProperties: 1, maxProperties: 2 },
  { type: "object", required: ["undeclared"], maxProperties: 2 },
  { type: "object", properties: { "": integer(), 'q"': integer(), "é\n": integer() }, additionalProperties: false },
  {
    type: "object",
    patternProperties: { "^x_": integer(), _y$: { minimum: 5 } },
    additionalProperties: false,
    maxProperties: 2,
  },
  { type: "object", patternProperties: { "^[ab]$": { type: "null" } }, additionalProperties: false },
  { type: "object", patternProperties: { "^[a-z_]+$": integer() }, additionalProperties: false },
  { type: "object", properties: { foo: text() }, patternProperties: { "^f": { minLength: 2 } }, maxProperties: 2 },
  { type: "object", properties: { gone: false, kept: integer() }, maxProperties: 2 },
  object({ street: text(), town: text(), country: { enum: ["FR", "DE", "JP"] }, zip: pattern("^[0-9]{5}$") }),
  object({ tags: list(text(), { maxItems: 3 }), when: format("date"), score: number({ minimum: 0, maximum: 100 }) }),
  object({ question: { type: "string", maxLength: 40 }, answer: { type: "string", maxLength: 40 } }),
  object({ a_rather_long_key_to_be_forced: integer(), another_rather_long_key_to_be_forced: integer() }),
  object({
    user: object({ name: text(), emails: list(format("email"), { maxItems: 2 }) }),
    active: { type: "boolean" },
  }),
  // combinations
  { anyOf: [integer(), text()] },
  {
    anyOf: [
      { type: "string", maxLength: 5 },
      { type: "string", minLength: 3, maxLength: 8 },
    ],
  },
  { anyOf: [object({ kind: { const: "a" }, a: integer() }), object({ kind: { const: "b" }, b: text() })] },
  {
    anyOf: [object({ a: integer(), b: integer() }), object({ a: text(), b: text() }), object({ a: { type: "null" } })],
  },
  { oneOf: [{ type: "integer" }, { type: "string", maxLength: 3 }, { type: "null" }] },
  {
    oneOf: [
      object({ type: { const: "circle" }, radius: number({ minimum: 0, maximum: 9 }) }),
      object({ type: { const: "square" }, side: integer() }),
    ],
  },
  {
    oneOf: [
      { type: "integer", minimum: 10, maximum: 20 },
      { type: "integer", minimum: 30, maximum: 40 },
    ],
  },
  { allOf: [{ minimum: 5 }, { maximum: 50 }, { type: "integer" }] },
  {
    allOf: [
      { type: "object", properties: { a: integer() }, required: ["a"] },
      { properties: { a: { minimum: 3, maximum: 12 }, b: text() }, required: ["b"], maxProperties: 2 },
    ],
  },
  {
    type: "object",
    properties: { x: { anyOf: [{ type: "null" }, integer()] } },
    required: ["x"],
    maxProperties: 1,
    anyOf: [{ minProperties: 1 }, { maxProperties: 4 }],
  },
  // references and recursion
  { $ref: "#/$defs/point", $defs: { point: object({ x: integer(), y: integer() }) } },
  {
    $defs: {
      node: object({
        value: integer({ minimum: 0, maximum: 9 }),
        next: { anyOf: [{ type: "null" }, { $ref: "#/$defs/node" }] },
      }),
    },
    $ref: "#/$defs/node",
  },
  object({ label: text({ maxLength: 3 }), children: list({ $ref: "#" }, { maxItems: 2 }) }),
  { definitions: { "a/b~c": text() }, ...(list({ $ref: "#/definitions/a~1b~0c" }, { maxItems: 2 }) as object) },
  { anyOf: [integer({ minimum: 0, maximum: 9 }), list({ $ref: "#" }, { maxItems: 2 })] },
  { type: "object", properties: { self: { $ref: "#" } }, additionalProperties: false },
  {
    title: "annotated",
    description: "says nothing",
    default: 1,
    examples: [2],
    type: "integer",
    $comment: "x",
    deprecated: true,
    minimum: 1,
    maximum: 9,
  },
];
