// The values of `format`, as patterns: each is a regular language, so the automaton of patterns serves them too. Where a
// standard allows rarities that readers disagree about (leap seconds, quoted e-mail names, hyphens side by side in a host
// name), the pattern is narrower: what is generated is valid for everybody. Sources: RFC 3339, 3986, 4122, 4291, 5321, 1123.

import { type Automaton, intersect, lengthAutomaton, searchAutomaton } from "./automaton.ts";
import { parseRegex } from "./regex.ts";

const leapYear = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)";
const date = `(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|${leapYear}-02-29)`;
const hourMinute = "(?:[01][0-9]|2[0-3]):[0-5][0-9]";
const time = `${hourMinute}:[0-5][0-9](?:\\.[0-9]{1,9})?(?:Z|[+-]${hourMinute})`;

const label = "[a-z0-9](?:-?[a-z0-9])*";
const labels = `(?:${label}\\.)*${label}`;
const labelLengths = "[^.]{1,63}(?:\\.[^.]{1,63})*";
const atom = "[a-z0-9!#$%&'*+/=?^_`{|}~-]+";

const octet = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
const ipv4 = `${octet}(?:\\.${octet}){3}`;
const group = "[0-9a-fA-F]{1,4}";
/** Eight groups, the last two perhaps as an IPv4 address; or :: for the groups that are left out. */
const ipv6 = [
  `(?:${group}:){7}${group}`,
  `(?:${group}:){6}${ipv4}`,
  ...[0, 1, 2, 3, 4, 5, 6].map((before) => {
    const head = before === 0 ? "" : `${group}(?::${group}){${before - 1}}`;
    return `${head}::(?:${group}(?::${group}){0,${6 - before}})?`;
  }),
  ...[0, 1, 2, 3, 4].map((before) => {
    const head = before === 0 ? "" : `${group}(?::${group}){${before - 1}}`;
    return `${head}::(?:${group}:){0,${4 - before}}${ipv4}`;
  }),
  `${group}(?::${group}){4}::${ipv4}`,
].join("|");

const hex = "[0-9a-fA-F]";
const escaped = `%${hex}{2}`;
const pathChar = `(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|${escaped})`;
const authority = `(?:[A-Za-z0-9._~-]+@)?(?:${labels})(?::[0-9]{1,5})?`;
const path = `(?:/${pathChar}*)*`;
const uri = `[A-Za-z][A-Za-z0-9+.-]*:(?://${authority}${path}|/${pathChar}+${path}|${pathChar}+${path})(?:\\?(?:${pathChar}|[/?])*)?(?:#(?:${pathChar}|[/?])*)?`;

const patterns: Readonly<Record<string, readonly string[]>> = {
  "date-time": [`${date}T${time}`],
  date: [date],
  time: [time],
  email: [`${atom}(?:\\.${atom})*@(?:${label}\\.)+${label}`],
  hostname: [labels, labelLengths],
  ipv4: [ipv4],
  ipv6: [ipv6],
  uuid: [`${hex}{8}-${hex}{4}-${hex}{4}-${hex}{4}-${hex}{12}`],
  uri: [uri],
};
const longest: Readonly<Record<string, number>> = { hostname: 253 };

/** The formats that are enforced. */
export const formatNames = Object.keys(patterns);

const made = new Map<string, Automaton>();

/** The automaton of a format in `formatNames`; made once. */
export function formatAutomaton(name: string): Automaton {
  let automaton = made.get(name);
  if (!automaton) {
    const parts = patterns[name].map((pattern) => searchAutomaton(parseRegex(`^(?:${pattern})$`)) as Automaton);
    if (longest[name]) parts.push(lengthAutomaton(1, longest[name]));
    automaton = parts.reduce((a, b) => intersect(a, b) as Automaton);
    made.set(name, automaton);
  }
  return automaton;
}
