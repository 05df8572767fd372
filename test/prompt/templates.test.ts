// Chat templates beside Python's Jinja: what we make of a conversation is what Jinja makes of it, or it is adapted because
// the template cannot show something (which its own renderings prove), or refused by name. One small template for each form
// of calls is ours; those that registries and repositories carry are run where PLAINFORMER_TEMPLATES has goldens of them.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type ChatFormat, createChatFormat } from "../../src/prompt/chat-format.ts";
import type { Segment } from "../../src/prompt/segments.ts";
import { toolFormats } from "../../src/prompt/tool-formats.ts";
import { writeCalls } from "../../src/prompt/written-calls.ts";
import { outsideTemplates } from "../outside-data.ts";
import {
  type GoldenTemplate,
  type Rendering,
  readGoldens,
  type TemplateGoldens,
  tokenizerOf,
} from "./template-goldens.ts";

const own = readGoldens(new URL("templates.json.gz", import.meta.url));
const textOf = (segments: readonly Segment[]) => segments.map((one) => ("text" in one ? one.text : "")).join("");

beforeAll(() => {
  vi.useFakeTimers({ toFake: ["Date"] }).setSystemTime(new Date(own.now));
});
afterAll(() => {
  vi.useRealTimers();
});

const formats = new Map<GoldenTemplate, ChatFormat>();
function formatOf(golden: GoldenTemplate): ChatFormat {
  const format = formats.get(golden) ?? createChatFormat(golden.source, tokenizerOf(golden.source));
  formats.set(golden, format);
  return format;
}

type Verdict = "equal" | "refused" | { readonly adapted: string } | { readonly differs: string };

/** Jinja escapes what it puts beside a text marked `|safe`: in prompts, that is a fault of the template's. */
const unescaped = (text: string) =>
  text.replace(
    /&#34;|&#39;|&lt;|&gt;|&amp;/g,
    (code) => ({ "&#34;": '"', "&#39;": "'", "&lt;": "<", "&gt;": ">" })[code] ?? "&",
  );

/** What becomes of one conversation in one template. */
function verdictOf(golden: GoldenTemplate, format: ChatFormat, goldens: TemplateGoldens, name: string): Verdict {
  if ("error" in golden.renderings) return "refused";
  const renderings = golden.renderings as Readonly<Record<string, Readonly<Record<string, Rendering>>>>;
  const texts = (conversation: string) =>
    Object.values(renderings[conversation]).flatMap((rendering) => ("text" in rendering ? [rendering.text] : []));
  const theirs = texts(name);
  let ours: string;
  try {
    ours = textOf(format.prompt(goldens.conversations[name]).segments);
  } catch (error) {
    return theirs.length === 0 ? "refused" : { differs: (error as Error).message };
  }
  if (theirs.includes(ours) || theirs.map(unescaped).includes(ours)) return "equal";
  // What Jinja's own renderings show the template to be unable to do.
  const { habits, toolFormat } = format;
  const { messages, tools } = goldens.conversations[name];
  const shows = (conversations: string[], ...parts: string[]) =>
    conversations.some((one) => texts(one).some((text) => parts.every((part) => text.includes(part))));
  const reasons: string[] = [];
  const calls = messages.flatMap((message) => message.tool_calls ?? []);
  if (theirs.length === 0) reasons.push("it refuses this conversation");
  if (tools && !shows(["tools"], "sound_depth")) reasons.push("it shows no tools");
  if (calls.length > 0) {
    const all = Object.keys(renderings).filter((one) => /call|functions/.test(one));
    if (!shows(all, "70071")) reasons.push("it writes no calls");
    else if (!habits.calls) reasons.push("it writes calls that it does not close");
    if (!shows(all, "seven fathoms")) reasons.push("it shows no results");
    // The second call's value stands in the tools too: a template that writes it has it once more than beside one call.
    const count = (conversation: string) => Math.max(0, ...texts(conversation).map((text) => text.split("UTC").length));
    if (calls.length > 1 && count("two calls") <= count("a call")) reasons.push("it writes one call a turn");
    if (habits.calls && !habits.calls.besideContent && messages.some((one) => one.content === "Let me see."))
      reasons.push("it drops words beside calls");
    if (toolFormat.ids !== undefined && !theirs.some((text) => text === ours)) reasons.push("it wants ids of a form");
  }
  if (messages[0].role === "system" && !habits.knowsSystem) reasons.push("it has no system role");
  return reasons.length > 0 ? { adapted: reasons.join(", ") } : { differs: ours };
}

const formOf = (name: string) => name.replace(/-(tight|lines)$/, "");
const forms = own.templates.filter(
  ({ name }) => toolFormats.some((format) => format.name === formOf(name)) && name !== "mistral",
);

describe("a form of calls", () => {
  test("there is a template for every one but ours", () => {
    const covered = new Set(forms.map(({ name }) => formOf(name)));
    const missing = toolFormats.map(({ name }) => name).filter((name) => !covered.has(name) && name !== "mistral");
    expect(missing).toEqual(["json"]);
  });

  test.each(forms.map((golden) => [golden.name, golden] as const))(
    "%s is found, and written as Jinja has it",
    (name, golden) => {
      const format = formatOf(golden);
      expect(format.toolFormat.name).toBe(formOf(name));
      const conversation = format.toolFormat.ids === "functions" ? "ids that name functions" : "a call";
      const calls = own.conversations[conversation].messages.flatMap((message) => message.tool_calls ?? []);
      const made = calls.map(({ id, function: call }) => ({ id, ...call }));
      const written = writeCalls(format.toolFormat, made);
      const { renderings } = golden as { renderings: Record<string, Record<string, Rendering>> };
      const texts = Object.values(renderings[conversation]).flatMap((one) => ("text" in one ? [one.text] : []));
      const loose = (text: string) =>
        name === "cohere-json" || name === "seed" || name === "mistral" ? text.replace(/\s|'|"/g, "") : text;
      expect(
        texts.some((text) => loose(text).includes(loose(written))),
        `${written}\nin\n${texts.join("\n--\n")}`,
      ).toBe(true);
    },
  );
});

function verdicts(goldens: TemplateGoldens) {
  const differing: unknown[] = [];
  const adapted = new Map<string, number>();
  const counts = { equal: 0, refused: 0, adapted: 0 };
  for (const golden of goldens.templates) {
    let format: ChatFormat;
    try {
      format = formatOf(golden);
    } catch (error) {
      expect((error as Error).message).toMatch(/^chat template: /); // refused by name
      counts.refused += Object.keys(goldens.conversations).length;
      continue;
    }
    for (const name of Object.keys(goldens.conversations)) {
      const verdict = verdictOf(golden, format, goldens, name);
      if (typeof verdict === "string") counts[verdict]++;
      else if ("adapted" in verdict) {
        counts.adapted++;
        adapted.set(verdict.adapted, (adapted.get(verdict.adapted) ?? 0) + 1);
      } else differing.push({ template: golden.name, conversation: name, ours: verdict.differs.slice(0, 300) });
    }
  }
  return { differing, adapted, counts };
}

test("our templates: every conversation is as Jinja has it, or adapted with a reason", () => {
  const { differing, counts } = verdicts(own);
  expect(differing).toEqual([]);
  expect(counts.refused).toBe(0);
  expect(counts.equal).toBeGreaterThan(8 * counts.adapted);
});

test.skipIf(outsideTemplates.missing)(
  `templates from elsewhere (${outsideTemplates.missing ?? outsideTemplates.directory})`,
  { timeout: 600_000 },
  () => {
    const files = readdirSync(outsideTemplates.directory).filter((name) => name.endsWith(".json.gz"));
    for (const file of files) {
      const goldens = readGoldens(join(outsideTemplates.directory, file));
      const { differing, adapted, counts } = verdicts(goldens);
      console.log(`${file}: ${goldens.templates.length} templates, jinja2 ${goldens.versions.jinja2}`, counts, [
        ...adapted,
      ]);
      expect(differing).toEqual([]);
    }
  },
);
