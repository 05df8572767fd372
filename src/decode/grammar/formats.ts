// The values of `format`, as patterns: each is a regular language, so the automaton of patterns serves them too. What a standard
// allows is one pattern, and what is judged is held to it; where readers disagree about rarities of it (quoted e-mail names,
// leap seconds, addresses without anything behind the colon) a narrower one is what is written: valid for everybody. Formats of
// no standard are only written. Sources: RFC 3339, 3986, 3987, 4122, 4291, 5321, 6531, 6570, 6901, 1123; ajv-formats; zod.

import { type Automaton, searchAutomaton } from "./automaton.ts";
import { parseRegex } from "./regex.ts";

interface Format {
  readonly written: string;
  /** The same if absent; "anything": no standard says what it is. */
  readonly judged?: string;
  /** The standard allows more than the pattern says: what does not match it may still be right. */
  readonly more?: true;
  /** Code points. */
  readonly longest?: number;
}

// ---- Dates and times

const leapYear = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)";
const date = `(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|${leapYear}-02-29)`;
const hourMinute = "(?:[01][0-9]|2[0-3]):[0-5][0-9]";
const fraction = "(?:\\.[0-9]+)?";
const localTime = `${hourMinute}:[0-5][0-9]${fraction}`;
const time = `${localTime}(?:Z|[+-]${hourMinute})`;
/** A leap second comes at the end of a day in UTC: with an offset of whole hours, in any hour's last minute. */
const anyTime = `(?:${localTime}(?:[Zz]|[+-]${hourMinute})|23:59:60${fraction}(?:[Zz]|[+-]00:00)|(?:[01][0-9]|2[0-3]):(?:29|59):60${fraction}[+-]${hourMinute})`;
/** RFC 3339, appendix A: no unit is left out between two others. */
const inTime = "T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)";
const inDate = "(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)";
const duration = `P(?:${inDate}(?:${inTime})?|${inTime}|[0-9]+W)`;

// ---- Hosts

const label = "(?![^.]{2}--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
const labels = `(?:${label}\\.)*${label}`;
/** Which characters IDNA allows, and where, is more than a pattern can say. */
const idnText = "A-Za-z0-9\\u0080-\\u3001\\u3003-\\uff0d\\uff0f-\\uff60\\uff62-\\u{10ffff}";
const anyLabel = `[${idnText}](?:[${idnText}-]{0,61}[${idnText}])?`;

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

// ---- Mail

const atomText = "A-Za-z0-9!#$%&'*+/=?^_`{|}~-";
const email = `[${atomText}]+(?:\\.[${atomText}]+)*@(?:${label}\\.)+${label}`;
const quoted = '"(?:[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]|\\\\[\\x20-\\x7e])*"';
const mailDomain = `(?:${labels}|\\[(?:${ipv4}|IPv6:(?:${ipv6}))\\])`;
const anyEmail = `(?:[${atomText}]+(?:\\.[${atomText}]+)*|${quoted})@${mailDomain}`;
const wide =
  "\\u00a0-\\ud7ff\\uf900-\\ufdcf\\ufdf0-\\uffef\\u{10000}-\\u{1fffd}\\u{20000}-\\u{2fffd}\\u{30000}-\\u{efffd}";
const idnEmail = `[${wide}${atomText}]+(?:\\.[${wide}${atomText}]+)*@(?:${label}\\.)+${label}`;
const anyIdnEmail = `(?:[${wide}${atomText}]+(?:\\.[${wide}${atomText}]+)*|${quoted})@(?:${mailDomain}|(?:${anyLabel}\\.)*${anyLabel})`;

// ---- Addresses: RFC 3986, appendix A; RFC 3987 adds characters beyond ASCII

const hex = "[0-9a-fA-F]";
const scheme = "[A-Za-z][A-Za-z0-9+.-]*";

function addresses(more: string, privateUse: string) {
  const common = `A-Za-z0-9._~!$&'()*+,;=${more}`;
  const char = (extra: string) => `(?:[${common}${extra}-]|%${hex}{2})`;
  const pathChar = char(":@");
  const host = `(?:\\[(?:${ipv6}|[vV]${hex}+\\.[A-Za-z0-9._~!$&'()*+,;=:-]+)\\]|${char("")}*)`;
  const authority = `(?:${char(":")}*@)?${host}(?::[0-9]*)?`;
  const below = `(?:/${pathChar}*)*`;
  const after = `(?:\\?(?:${char(`:@/?${privateUse}`)})*)?(?:#(?:${char(":@/?")})*)?`;
  const absolute = `/(?:${pathChar}+${below})?`;
  const hierarchy = `//${authority}${below}|${absolute}|${pathChar}+${below}`;
  return {
    /** Something must follow the colon. */
    written: `${scheme}:(?:${hierarchy})${after}`,
    judged: `${scheme}:(?:${hierarchy})?${after}`,
    reference: `(?:${scheme}:(?:${hierarchy})?|//${authority}${below}|${absolute}|${char("@")}+${below})?${after}`,
  };
}
const uri = addresses("", "");
const iri = addresses(wide, "\\ue000-\\uf8ff\\u{f0000}-\\u{ffffd}\\u{100000}-\\u{10fffd}");
const url = `(?:https?|ftp)://(?:[a-z0-9]+(?:-[a-z0-9]+)*\\.)+[a-z]{2,}(?::[0-9]{2,5})?(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/?#-]*)?`;
const variable = `(?:[A-Za-z0-9_]|%${hex}{2})+(?::[1-9][0-9]{0,3}|\\*)?`;
const uriTemplate = `(?:[^\\x00-\\x20"'<>%\\\\^\`{|}]|%${hex}{2}|\\{[+#./;?&=,!@|]?${variable}(?:,${variable})*\\})*`;

const pointer = "(?:/(?:[^~/]|~[01])*)*";
const fragmentPointer = "#(?:/(?:[A-Za-z0-9_\\-.!$&'()*+,;:=@]|%[0-9a-fA-F]{2}|~[01])*)*";

// ---- Regular expressions, groups in groups left out

const regexAtom =
  "(?:[^\\\\^$.*+?()[\\]{}|/\\n\\r\\u2028\\u2029]|\\\\[dDwWsSnrtfv^$.*+?()[\\]{}|/\\\\]|\\.|\\[\\^?(?:a-z|A-Z|0-9|[A-Za-z0-9_ ,;:@#%&=]|\\\\[dws.\\]\\[\\\\])+\\])";
/** Bounds in order, as far as two digits go. */
const regexCount = "\\{(?:[0-9]{1,2},?|[0-9],[1-9][0-9]|0,[0-9]|1,[1-9]|2,[2-9]|3,[3-9])\\}";
const regexTerms = (atom: string) => `(?:${atom}(?:(?:[*+?]|${regexCount})\\??)?|[\\^$])*`;
const regexGroup = `\\((?:\\?:)?${regexTerms(regexAtom)}(?:\\|${regexTerms(regexAtom)})*\\)`;
const regex = `${regexTerms(`(?:${regexAtom}|${regexGroup})`)}(?:\\|${regexTerms(`(?:${regexAtom}|${regexGroup})`)})*`;

const base64 = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?";
const urlSafe = "[A-Za-z0-9_-]";

const ours = (pattern: string): Format => ({ written: pattern, judged: "anything" });
const formats = new Map<string, Format>(
  Object.entries({
    "date-time": { written: `${date}T${time}`, judged: `${date}[Tt]${anyTime}` },
    date: { written: date },
    time: { written: time, judged: anyTime },
    duration: { written: duration },
    email: { written: email, judged: anyEmail },
    "idn-email": { written: idnEmail, judged: anyIdnEmail },
    hostname: { written: labels, longest: 253 },
    "idn-hostname": {
      written: labels,
      longest: 253,
      judged: `(?:${anyLabel}[.\\u3002\\uff0e\\uff61])*${anyLabel}`,
      more: true,
    },
    ipv4: { written: ipv4 },
    ipv6: { written: ipv6 },
    uuid: { written: `${hex}{8}-${hex}{4}-${hex}{4}-${hex}{4}-${hex}{12}` },
    uri: { written: uri.written, judged: uri.judged },
    "uri-reference": { written: uri.reference },
    iri: { written: iri.written, judged: iri.judged },
    "iri-reference": { written: iri.reference },
    "uri-template": { written: uriTemplate },
    "json-pointer": { written: pointer },
    "relative-json-pointer": { written: `(?:0|[1-9][0-9]*)(?:#|${pointer})` },
    regex: { written: regex, more: true },
    // Of no standard
    "ip-address": ours(ipv4),
    "host-name": ours(labels),
    "iso-time": ours(time),
    "iso-date-time": ours(`${date}T${time}`),
    "json-pointer-uri-fragment": ours(fragmentPointer),
    url: ours(url),
    guid: ours(`${hex}{8}-${hex}{4}-${hex}{4}-${hex}{4}-${hex}{12}`),
    byte: ours(base64),
    base64: ours(base64),
    base64url: ours(`(?:${urlSafe}{4})*(?:${urlSafe}{2,3})?`),
    jwt: ours(`${urlSafe}+\\.${urlSafe}+\\.${urlSafe}+`),
    cidrv4: ours(`${ipv4}/(?:[0-9]|[12][0-9]|3[0-2])`),
    cidrv6: ours(`(?:${ipv6})/(?:[0-9]|[1-9][0-9]|1[01][0-9]|12[0-8])`),
    cuid: ours("c[0-9a-z]{24}"),
    cuid2: ours("[a-z][0-9a-z]{1,31}"),
    ulid: ours("[0-7][0-9A-HJKMNP-TV-Z]{25}"),
    nanoid: ours(`${urlSafe}{21}`),
    ksuid: ours("[0-9A-Za-z]{27}"),
    xid: ours("[0-9a-v]{20}"),
    e164: ours("\\+[1-9][0-9]{6,14}"),
    lowercase: ours("[^\\p{Lu}\\p{Lt}]*"),
    uppercase: ours("[^\\p{Ll}\\p{Lt}]*"),
  } satisfies Record<string, Format>),
);

/** How many code points the texts of a format have at most. */
export const longestOf = (name: string) => formats.get(name)?.longest ?? Infinity;

/** Whether a format is enforced; all others say nothing. */
export const isKnownFormat = (name: string) => formats.has(name);

const made = new Map<string, Automaton>();

/**
 * The automaton of a known format as it is written, as it is judged, or of all texts that may be right; undefined: that is
 * every text. Made once.
 */
export function formatAutomaton(name: string, as: "written" | "judged" | "perhaps"): Automaton | undefined {
  const { written, judged = written, more } = formats.get(name) as Format;
  const pattern = as === "written" ? written : judged;
  if (pattern === "anything" || (as === "perhaps" && more)) return undefined;
  let automaton = made.get(pattern);
  if (!automaton) {
    automaton = searchAutomaton(parseRegex(`^(?:${pattern})$`)) as Automaton;
    made.set(pattern, automaton);
  }
  return automaton;
}
