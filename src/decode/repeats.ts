// Tells a text that repeats one period of tokens over and over, as small models do when they have lost the thread. It knows
// no text: rules of dashes and rows of a table are short enough to pass.

/** The longest period that is looked for, in tokens. */
const longestPeriod = 64;
/** So many periods, and at least so many tokens, are a text that will not end. */
const fewestPeriods = 4;
const fewestTokens = 48;

/**
 * Hears each token in turn; true once the last ones are `period` tokens, at most 64, four times or more, and 48 tokens or
 * more in all. Its work and memory do not grow with the text.
 */
export function repeatDetector(): (id: number) => boolean {
  const last = new Int32Array(longestPeriod); // the token at position n is at n % 64
  const run = new Int32Array(longestPeriod + 1); // how many of the last tokens equal the one a period before them
  let count = 0;
  return (id) => {
    let repeats = false;
    for (let period = 1; period <= Math.min(longestPeriod, count); period++) {
      run[period] = last[(count - period) % longestPeriod] === id ? run[period] + 1 : 0;
      repeats ||= run[period] + period >= Math.max(fewestPeriods * period, fewestTokens);
    }
    last[count++ % longestPeriod] = id;
    return repeats;
  };
}
