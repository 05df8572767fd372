// Patterns against the host's RegExp with the flag u: the same texts match, for hand-picked and for random patterns. And the
// patterns that an automaton cannot honor, or that are too large, are refused by name, at once.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { languageOf, searchAutomaton } from "../../../src/decode/grammar/automaton.ts";
import { formatAutomaton } from "../../../src/decode/grammar/formats.ts";
import { includes } from "../../../src/decode/grammar/language.ts";
import { parseRegex } from "../../../src/decode/grammar/regex.ts";
import { cpuClock } from "../../cpu-time.ts";
import { times } from "../../long.ts";

function matches(pattern: string, text: string): boolean {
  const automaton = searchAutomaton(parseRegex(pattern));
  return automaton !== undefined && includes(languageOf(automaton), text);
}

const patterns = [
  ...[
    "",
    "^$",
    "^",
    "$",
    "a",
    "^a",
    "a$",
    "^a$",
    "a|b",
    "^a|b$",
    "^(a|b)$",
    "(^a|b)c",
    "a(b|$)",
    "(?:ab)+",
    "(?<n>ab)?c",
  ],
  ...[
    "a*",
    "^a*$",
    "^a+b?$",
    "^a{2}$",
    "^a{2,}$",
    "^a{1,3}$",
    "^(a{1,2}){2}$",
    "^(ab|a)(c|bcd)$",
    "a.c",
    "^.$",
    "^..$",
  ],
  ...["[abc]", "[^abc]", "^[a-c]+$", "^[^a-c]+$", "[\\d-]", "[a\\]]", "[]", "[^]", "[\\b]", "^[-a]$", "^[a-]$"],
  ...[
    "\\d",
    "\\D",
    "\\w",
    "\\W",
    "\\s",
    "\\S",
    "^\\w+\\s\\w+$",
    "\\.",
    "\\/",
    "\\u0061",
    "\\x61",
    "\\u{61}",
    "\\cA",
    "\\0",
  ],
  ...["\\p{L}", "^\\p{Lu}+$", "\\P{L}", "\\p{Script=Greek}", "^[\\p{L}\\p{N}]+$", "😀", "^[😀-😂]$", "\\ud83d\\ude00"],
  ...["a*?b", "a+?", "^(a|ab)(bc|c)?$", "(a|b)*abb", "^(?:(?:a?){3}){2}$", "^((a)|b)*c$", "x$|^y"],
];
const texts = [
  ...[
    "",
    "a",
    "b",
    "c",
    "ab",
    "ba",
    "abc",
    "abb",
    "aabb",
    "bc",
    "aa",
    "aaa",
    "aaaa",
    "abab",
    "cab",
    "abcd",
    "xa",
    "y",
    "x",
  ],
  ...[
    "A",
    "Ω",
    "ΩΩ",
    "é",
    "1",
    "12",
    "-",
    "]",
    "a b",
    " ",
    "\n",
    "\u2028",
    "_",
    ".",
    "/",
    "\b",
    "\u0001",
    "\0",
    "😀",
    "😂a",
    "日",
  ],
];

describe("the same texts match as in the host's regular expressions", () => {
  test.each(patterns)("%j", (pattern) => {
    const host = new RegExp(pattern, "u");
    for (const text of texts) expect(matches(pattern, text), JSON.stringify(text)).toBe(host.test(text));
  });

  test("random patterns and texts", () => {
    const atom = fc.constantFrom(
      ...["a", "b", "c", ".", "[ab]", "[^a]", "\\w", "^", "$", "\\b", "\\B", "(?=a)", "(?!b)", "(?=.*c)", "(?!.*a$)"],
    );
    const { pattern } = fc.letrec<{ pattern: string; part: string }>((tie) => ({
      pattern: fc.oneof(
        { maxDepth: 4 },
        fc.array(tie("part"), { maxLength: 4 }).map((parts) => parts.join("")),
        fc.tuple(tie("pattern"), tie("pattern")).map(([a, b]) => `${a}|${b}`),
      ),
      part: fc.oneof(
        { maxDepth: 4 },
        atom,
        fc
          .tuple(tie("pattern"), fc.constantFrom("", "*", "+", "?", "{2}", "{1,2}", "{0,1}", "*?"))
          .map(([body, quantifier]) => `(?:${body})${quantifier}`),
        fc.tuple(fc.constantFrom("=", "!"), atom, atom).map(([sign, a, b]) => `(?${sign}${a}${b})`),
      ),
    }));
    const text = fc.string({ unit: fc.constantFrom("a", "b", "c", "\n"), maxLength: 8 });
    fc.assert(
      fc.property(pattern, fc.array(text, { minLength: 5, maxLength: 10 }), (pattern, texts) => {
        const host = new RegExp(pattern, "u");
        if (isTooLarge(pattern)) return;
        for (const text of texts)
          expect(matches(pattern, text), `/${pattern}/ ${JSON.stringify(text)}`).toBe(host.test(text));
      }),
      { numRuns: times(60, 1000), seed: 3 },
    );
  });
});

/** Look-ahead in repeats of look-ahead can need more states than there may be. */
function isTooLarge(pattern: string): boolean {
  try {
    matches(pattern, "");
    return false;
  } catch (error) {
    if (error instanceof RangeError && /too large an automaton/.test(error.message)) return true;
    throw error;
  }
}

describe("as people write them", () => {
  test.each([
    // without the flag u
    ["^[\\w-.]+$", ["a-b.c", "_"], ["a b", "+"]],
    ["^[\\w-\\.]+$", ["a-b.c"], ["a,b"]],
    [".*\\{\\{.+}}.*", ["a{{b}}c"], ["{{}}", "{b}"]],
    ["^\\[(a|b)]$", ["[a]"], ["[c]", "a"]],
    ["^a{$", ["a{"], ["a"]],
    ["^{a}$", ["{a}"], ["a"]],
    ["^\\-\\_\\:$", ["-_:"], ["\\-"]],
    // look-ahead
    ["^(?!@@)[@a-z]+$", ["@a", "a@@"], ["@@a"]],
    ["^(?!interactive|name|style).+$", ["names".slice(1), "x"], ["name", "styles"]],
    ["^(?=.*[A-Z])(?=.*\\d)[A-Za-z\\d]{4,8}$", ["aB3d", "1234A"], ["abcd", "ABCD", "aB3"]],
    ["^(?!.*\\.\\.)[a-z.]+@x$", ["a.b@x"], ["a..b@x"]],
    ["^(?!^0$)\\d+$", ["10", "00"], ["0"]],
    ["^(?=.{1,3}$)a*b*$", ["aab", "b"], ["", "aabb"]],
    ["^(?![+-]?$)[+-]?(?:0|[1-9]\\d*)?(?:\\.\\d+)?$", ["1", "-.5", "0.25"], ["", "-", "01"]],
    // words
    ["\\bfoo\\b", ["foo", "a foo.", "-foo-"], ["food", "_foo"]],
    ["\\Boo", ["foo"], ["oo", "a oo"]],
    // Python's
    ["(?i)^abc$", ["abc", "ABC", "aBc"], ["abd"]],
    ["^(?i:É)x$", ["éx", "Éx"], ["ÉX"]],
    ["^(?P<year>\\d{4})-(?P<month>\\d\\d)$", ["2024-02"], ["2024"]],
    ["\\A\\d+\\Z", ["12"], ["a12", "12b"]],
    ["(?s)^a.b$", ["a\nb"], ["a\nc"]],
    ["^a{,2}$", ["", "aa"], ["aaa"]],
    ["^a(?#a comment)b$", ["ab"], ["a"]],
  ] as const)("%s", (pattern, valid, invalid) => {
    expect(valid.filter((text) => !matches(pattern, text))).toEqual([]);
    expect(invalid.filter((text) => matches(pattern, text))).toEqual([]);
  });
});

describe("what cannot be honored is refused by name", () => {
  test.each([
    ["(?<=a)b", "look-behind"],
    ["(?<!a)b", "look-behind"],
    ["(a)\\1", "back-references"],
    ["(?<n>a)\\k<n>", "back-references"],
    ["(?P<n>a)(?P=n)", "back-references"],
    ["(?>a)", "a group that is not supported"],
    ["(?m)^a", "of which only i and s are supported"],
    ["(", "unclosed ("],
    [")", "unmatched )"],
    ["[a", "unclosed ["],
    ["[b-a]", "out of order"],
    ["a**", "quantifier on a quantifier"],
    ["a{2}{3}", "quantifier on a quantifier"],
    ["a++", "quantifier on a quantifier"],
    ["^*", "repeats what has no length"],
    ["(?=a)*", "repeats what has no length"],
    ["*", "lone *"],
    ["a{3,2}", "end is below"],
    ["\\", "ends with a backslash"],
    ["\\q", "unknown escape"],
    ["\\p{Nonsense}", "unknown Unicode property"],
    ["\\u{110000}", "beyond the last code point"],
  ])("%s: %s", (pattern, why) => {
    expect(() => matches(pattern, "")).toThrow(why);
    expect(() => matches(pattern, "")).toThrow(RangeError);
  });

  test.each([
    ["30,000 parentheses", "(".repeat(30_000) + ")".repeat(30_000)],
    ["9,000 parentheses", "(".repeat(9_000) + ")".repeat(9_000)],
    ["repeats of repeats", "((((a{1,50}){1,50}){1,50}){1,50})"],
    ["exponentially many states", "(a|b)*a(a|b){30}"],
    ["a long repeat in every position", "(a{1,9999})b"],
    ["100,000 characters", "a".repeat(100_000)],
  ])("%s: within a second", (_, pattern) => {
    const elapsed = cpuClock();
    expect(() => searchAutomaton(parseRegex(pattern))).toThrow(RangeError);
    expect(elapsed()).toBeLessThan(3000);
  });

  test("what backtracking engines take for ever on is linear here", () => {
    const automaton = searchAutomaton(parseRegex("^(a+)+$"));
    expect(automaton && includes(languageOf(automaton), `${"a".repeat(100_000)}b`)).toBe(false);
  });
});

describe("formats", () => {
  const fits = (name: string, judged: boolean, text: string) => {
    const automaton = formatAutomaton(name, judged ? "judged" : "written");
    return automaton === undefined || includes(languageOf(automaton), text);
  };
  test.each([
    [
      "date",
      ["2024-02-29", "2000-02-29", "1999-12-31"],
      ["2023-02-29", "1900-02-29", "2024-13-01", "2024-04-31", "2024-1-1"],
    ],
    ["time", ["23:59:59Z", "00:00:00.123+05:30"], ["24:00:00Z", "12:60:00Z", "12:00:00", "12:00Z"]],
    ["date-time", ["2024-02-29T23:59:59Z"], ["2024-02-29 23:59:59Z", "2024-02-29"]],
    [
      "duration",
      ["P1Y", "P3Y6M4DT12H30M5S", "PT36H", "P2W", "PT0S"],
      ["", "P", "PT", "P1Y2W", "4DT12H", "P1", "P1Y2D", "PT1H2S"],
    ],
    [
      "email",
      ["a@b.c", "first.last+tag@sub.example.org", "John.Doe@Example.com"],
      ["a", "a@", "@b.c", ".a@b.c", "a..b@c.d", "a b@c.d"],
    ],
    ["idn-email", ["ü@example.org", "a@b.c"], ["ü", "ü@"]],
    [
      "hostname",
      ["example.com", "a", "a-b.c1", "Example.COM", `${"a".repeat(63)}.b`],
      ["", "-a", "a-", "a..b", `${"a".repeat(64)}.b`, "a_b"],
    ],
    ["ipv4", ["0.0.0.0", "255.255.255.255", "1.2.3.4"], ["256.0.0.1", "1.2.3", "01.2.3.4", "1.2.3.4.5"]],
    [
      "ipv6",
      ["::", "::1", "1::", "1:2:3:4:5:6:7:8", "fe80::1:2", "::ffff:1.2.3.4", "1:2:3:4:5:6:1.2.3.4"],
      [":", ":::", "1::2::3", "1:2:3:4:5:6:7", "12345::", "1:2:3:4:5:6:7:8:9"],
    ],
    [
      "uuid",
      ["123e4567-e89b-12d3-a456-426614174000"],
      ["123e4567e89b12d3a456426614174000", "g23e4567-e89b-12d3-a456-426614174000"],
    ],
    [
      "uri",
      [
        ...["https://example.com/a?b=c#d", "mailto:a@b.c", "urn:isbn:1", "http://h:80", "file:///etc/passwd"],
        ...["http://[::1]/", "http://user:pw@h/", "HTTP://Example.COM/"],
      ],
      ["example.com", "/a", "http://a b", "a:%zz", "http://[1::2::3]/"],
    ],
    ["uri-reference", ["", "a/b", "../c?d#e", "//h/p", "/p", "#f", "http://h/"], ["http://a b", "\\\\h\\p", "1:b"]],
    ["iri", ["http://ƒøø.ßår/?∂éœ=πîx#πîüx"], ["/ƒøø", "http://a b"]],
    ["iri-reference", ["/âππ", "#ƒräg"], ["\\\\W\\f"]],
    ["uri-template", ["http://h/{a}/{+b*}{?c,d:3}", ""], ["http://h/{a", "{}"]],
    ["json-pointer", ["", "/", "/a~1b/~0/0"], ["a", "/~2", "/~"]],
    ["relative-json-pointer", ["0", "1/a", "2#"], ["/a", "01", "-1"]],
    ["regex", ["^[a-z]+$", "(?:a|b)*c?", "\\d", "a.b", ""], ["[", "(", "a)", "*a", "\\"]],
  ] as const)("%s", (name, valid, invalid) => {
    for (const judged of [false, true]) {
      expect(valid.filter((text) => !fits(name, judged, text))).toEqual([]);
      expect(invalid.filter((text) => fits(name, judged, text))).toEqual([]);
    }
  });

  test.each([
    ["date-time", ["1998-12-31T23:59:60Z", "2024-01-01t00:00:00z", "1990-12-31T15:59:60-08:00"]],
    ["email", ["a@localhost", '"a b"@c.d', "a@[127.0.0.1]", "a@[IPv6:::1]"]],
    ["idn-hostname", ["실례.테스트"]],
    ["uri", ["foo:", "urn:"]],
  ])("%s: rarities of the standard are judged to be right, and not written", (name, texts) => {
    expect(texts.filter((text) => !fits(name, true, text))).toEqual([]);
    expect(texts.filter((text) => fits(name, false, text))).toEqual([]);
  });

  test.each([
    ["ulid", ["01ARZ3NDEKTSV4RRFFQ69G5FAV"], ["81ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3"]],
    ["base64", ["", "YQ==", "YWI=", "YWJj"], ["YQ", "YQ=", "a b="]],
    ["jwt", ["a.b.c"], ["a.b", "a.b.c.d"]],
    ["e164", ["+14155552671"], ["14155552671", "+0155"]],
    ["cidrv4", ["10.0.0.0/8"], ["10.0.0.0/33", "10.0.0.0"]],
    ["lowercase", ["abc é 1"], ["Abc"]],
  ])("%s: written as others read it, judged by no standard", (name, valid, invalid) => {
    expect(valid.filter((text) => !fits(name, false, text))).toEqual([]);
    expect(invalid.filter((text) => fits(name, false, text))).toEqual([]);
    expect(formatAutomaton(name, "judged") === undefined).toBe(true);
  });
});
