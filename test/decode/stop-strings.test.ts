import fc from "fast-check";
import { expect, test } from "vitest";
import { stopMatcher } from "../../src/decode/stop-strings.ts";
import { times } from "../long.ts";

function run(pieces: readonly string[], stops: readonly string[]): string {
  const matcher = stopMatcher(stops);
  let text = "";
  for (const piece of pieces) {
    const result = matcher.push(piece);
    text += result.text;
    if (result.stopped) return text;
  }
  return text + matcher.end();
}

test("a stop string that is spread over pieces ends the text before it", () => {
  expect(run(["Hello wo", "rld, she sa", "id."], ["world, she said"])).toBe("Hello ");
  expect(run(["aab", "aab", "aac"], ["aabaac"])).toBe("aab");
  expect(run(["a", "b", "c"], ["bcd"])).toBe("abc");
});

test("text that can be no part of a stop string is not held back", () => {
  const matcher = stopMatcher(["\n\n", "END"]);
  expect(matcher.push("one E")).toEqual({ text: "one ", stopped: false });
  expect(matcher.push("N two\n")).toEqual({ text: "EN two", stopped: false });
  expect(matcher.push("\nmore")).toEqual({ text: "", stopped: true });
});

test("of several stop strings, the one that is complete first ends the text", () => {
  expect(run(["one two three"], ["two three", "one two", "three"])).toBe("");
  expect(run(["one two three"], ["one two three four", "two", "wo"])).toBe("one ");
  expect(run(["one t", "wo"], ["two", "one two"])).toBe("");
});

test("however the text is cut: the same as growing the whole letter by letter until it ends with a stop string", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "é", "👍"), maxLength: 30 });
  const stop = fc.string({ unit: fc.constantFrom("a", "b", "é", "👍"), minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(letters, { maxLength: 8 }), fc.array(stop, { maxLength: 3 }), (pieces, stops) => {
      const whole = pieces.join("");
      let expected = whole;
      for (let end = 0; end <= whole.length && expected === whole; end++) {
        const complete = stops.filter((s) => whole.slice(0, end).endsWith(s)).map((s) => s.length);
        if (complete.length > 0) expected = whole.slice(0, end - Math.max(...complete));
      }
      expect(run(pieces, stops)).toBe(expected);
    }),
    { numRuns: times(500, 2000), seed: 1 },
  );
});
