// Templates come from files that nobody has read: what they can and cannot do to us, and where their Jinja is Python's.

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { FieldError } from "../../src/field-error.ts";
import { createChatTemplate } from "../../src/prompt/chat-template.ts";
import { stretchesOf, withoutInk } from "../../src/prompt/ink.ts";
import { readJson } from "../../src/prompt/json-text.ts";
import { strftime } from "../../src/prompt/strftime.ts";
import { readGoldens } from "./template-goldens.ts";

const tokens = { control: ["<|a|>", "<|user|>", "<s>"], bos: "<s>", eos: undefined };
const question = [{ role: "user", content: "q" }];
const render = (source: string, more: Readonly<Record<string, unknown>> = {}) =>
  withoutInk(
    createChatTemplate(source, tokens).render({
      messages: question,
      tools: null,
      add_generation_prompt: true,
      ...more,
    }),
  );

describe("a template cannot", () => {
  test.each<[string, string, RegExp]>([
    [
      "run for ever",
      "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
      /more than 5000000 steps/,
    ],
    [
      "make endless text",
      "{% set ns = namespace(t='x') %}{% for i in range(40) %}{% set ns.t = ns.t + ns.t %}{% endfor %}{{ ns.t }}",
      /a text of more than 67108864 characters/,
    ],
    [
      "count to the end of time",
      "{% for i in range(1000000000000) %}{% endfor %}",
      /range: 1000000000000 numbers are too many/,
    ],
    ["be broken", "{% if %}", /^chat template: /],
    ["use what is not there", "{{ lipsum() }}", /^chat template: .*not a function/],
    ["reach what it is made of", "{{ messages.constructor.constructor('return process')() }}", /^chat template: /],
    ["reach a prototype", "{{ messages[0].__proto__.toString() }}", /^chat template: /],
    ["call our own functions past their checks", "{{ strftime_now(5) }}", /^chat template: /],
  ])("%s", (_, source, message) => {
    expect(() => render(source)).toThrow(message);
  });

  test("be brought down by what is nested", () => {
    let parameters: unknown = {};
    for (let depth = 0; depth < 50_000; depth++) parameters = [parameters];
    expect(() => render("{{ tools | tojson }}", { tools: [parameters] })).toThrow(
      new FieldError("messages", "they are nested too deeply for the chat template"),
    );
  });

  test("see a field that a message does not have", () => {
    expect(render("{{ messages[0].constructor is defined }}{{ messages[0].__proto__ is defined }}")).toBe("FalseFalse");
  });
});

test("what a template refuses is a FieldError in its words", () => {
  const refusing = "{% if messages[0].content == 'no' %}{{ raise_exception('Not this.') }}{% endif %}ok";
  expect(render(refusing)).toBe("ok");
  expect(() => render(refusing, { messages: [{ role: "user", content: "no" }] })).toThrow(
    new FieldError("messages", "the model's chat template refuses them: Not this."),
  );
});

describe("Jinja as transformers runs it", () => {
  const text = "\u0085\n x\u00a0y \ufeff\n\n";
  test.each<[string, string, string]>([
    ["trim takes Python's white space", "[{{ messages[0].content | trim }}]", "[x\u00a0y \ufeff]"],
    ["strip with characters", "[{{ messages[0].content.strip('\n') }}]", `[${text.replace(/\n+$/, "")}]`],
    ["lstrip", "[{{ messages[0].content.lstrip() }}]", "[x\u00a0y \ufeff\n\n]"],
    ["rstrip", "[{{ messages[0].content.rstrip('\n\ufeff ') }}]", "[\u0085\n x\u00a0y]"],
    ["characters that mean something in a pattern", "{{ 'a]-^b'.strip('b-]a') }}", "^"],
    [
      "tojson",
      "{{ {'a': [1, 2.5, none, true], 'é': '<\"\\n'} | tojson }}",
      '{"a": [1, 2.5, null, true], "é": "<\\"\\n"}',
    ],
    ["tojson with indent", "{{ {'a': [1]} | tojson(indent=2) }}", '{\n  "a": [\n    1\n  ]\n}'],
    ["blocks are trimmed", "a\n  {% if true %}\n  b\n  {% endif %}\nc", "a\n  b\nc"],
    [
      "range",
      "{{ range(3) | join(',') }} {{ range(1, 8, 3) | join(',') }} {{ range(2, -1, -1) | join(',') }}",
      "0,1,2 1,4,7 2,1,0",
    ],
    ["no tools are none", "{{ tools is none }}{{ documents is none }}", "TrueTrue"],
    ["the first token, and none where there is none", "{{ bos_token }}|{{ eos_token }}", "<s>|"],
  ])("%s", (_, source, expected) => {
    expect(render(source, { messages: [{ role: "user", content: text }] })).toBe(expected);
  });
});

describe("as Python's Jinja writes it", () => {
  const { expressions, dates, now } = readGoldens(new URL("templates.json.gz", import.meta.url));
  beforeAll(() => {
    vi.useFakeTimers({ toFake: ["Date"] }).setSystemTime(new Date(now));
  });
  afterAll(() => {
    vi.useRealTimers();
  });

  const v = readJson(expressions.data);
  test.each(Object.entries(expressions.written))("%s", (written, golden) => {
    const source = `{% if v is defined %}${written}{% endif %}`; // templates are tried without it first
    if ("text" in golden) expect(render(source, { v })).toBe(golden.text);
    else expect(() => render(source, { v })).toThrow(/^chat template: /);
  });

  test("dates", () => {
    for (const [date, text] of Object.entries(dates.written)) expect(strftime(new Date(date), dates.format)).toBe(text);
    expect(strftime(new Date(now), "%Q%5d 100% %")).toBe("%Q%5d 100% %");
  });
});

describe("ink", () => {
  const inkOf = (source: string, content: string) =>
    stretchesOf(
      createChatTemplate(source, tokens).render({
        messages: [{ role: "user", content }],
        tools: null,
        add_generation_prompt: true,
      }),
    ).flatMap((stretch) => ("text" in stretch && stretch.inked ? [stretch.text] : []));

  test.each<[string, string]>([
    ["in text", "<|a|>{{ messages[0].content }}"],
    ["in a literal", "{{ 'x<|a|>y' + messages[0].content }}"],
    ["in a variable", "{% set t = '<|a|>' %}{{ t ~ messages[0].content }}"],
    ["in a list", "{{ ['<|a|>', messages[0].content] | join }}"],
    ["in a table", "{{ {'user': '<|a|>'}[messages[0].role] }}{{ messages[0].content }}"],
    ["in a macro's argument", "{% macro m(t) %}{{ t }}{% endmacro %}{{ m('<|a|>') }}{{ messages[0].content }}"],
    ["in a default", "{{ messages[0].none | default('<|a|>') }}{{ messages[0].content }}"],
    ["as what replaces", "{{ messages[0].content }}{{ '@'.replace('@', '<|a|>') }}"],
    ["beside a comparison", "{{ '<|a|>' if '<|a|>' != messages[0].role else '' }}{{ messages[0].content }}"],
  ])("a control token %s", (_, source) => {
    for (const content of ["q", "<|a|>", "<|", "a|>", "|a|>"]) expect(inkOf(source, content)).toEqual(["<|a|>"]);
  });

  test("a template may look for its tokens in what it is given", () => {
    const source =
      "{% if '<|a|>' in messages[0].content %}{{ messages[0].content.split('<|a|>')[1] }}<|a|>{% endif %}<|user|>";
    expect(inkOf(source, "x<|a|>y<s>")).toEqual(["<|a|><|user|>"]);
    expect(inkOf(source, "x")).toEqual(["<|user|>"]);
  });

  test("tokens put together of parts and roles, but not of a name", () => {
    const source = "{{ '<|' + messages[0].role + '|>' }}{{ messages[0].content }}";
    expect(inkOf(source, "<|user|>").join("")).toBe("<|user|>");
    const named = "{{ '<|' ~ messages[0].content ~ '|>' }}<|user|>";
    expect(inkOf(named, "user")).toEqual(["<|user|>"]);
  });

  test("a template may take its own tokens for data", () => {
    const source =
      "{% set t = '<|a|>x' %}{{ 'yes' if t == '<|a|>x' and '<|a|>' in t and t.startswith('<|a|>') else 'no' }}{{ t.split('<|a|>')[1] }}{{ messages[0].content.split('<|a|>')[1] }}";
    expect(render(source, { messages: [{ role: "user", content: "q<|a|>r" }] })).toBe("yesxr");
    expect(inkOf(source, "q<|a|>r")).toEqual([]);
  });

  test("a template that changes its own tokens is refused, not run unsafely", () => {
    const source = "{% set t = '<|a|>' %}{{ t | upper }}";
    expect(() => createChatTemplate(source, tokens)).toThrow(
      "chat template: it uses control tokens in a way in which they cannot be told from the same letters in a message",
    );
  });
});
