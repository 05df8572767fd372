// Dates as Python writes them for templates: datetime.strftime() in the C locale, of a time without a zone.
// Source: Python's documentation, "strftime() and strptime() Behavior"; glibc, strftime(3) for %e, %D, %F, %R, %T, %h and "-".

const months = "January February March April May June July August September October November December".split(" ");
const weekdays = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");

const padded = (n: number, width = 2, fill = "0") => String(n).padStart(width, fill);
const hour12 = (date: Date) => date.getHours() % 12 || 12;
const midnight = (date: Date) => Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
/** Days since January 1. */
const dayOfYear = (date: Date) => Math.round((midnight(date) - Date.UTC(date.getFullYear(), 0, 1)) / 86_400_000);
/** The week of the year, which begins with the first Sunday (0) or Monday (1). */
const week = (date: Date, first: number) => Math.floor((dayOfYear(date) + 7 - ((date.getDay() + 7 - first) % 7)) / 7);

/** The Thursday of the same week, which is in the year that ISO 8601 counts the week to. */
function thursday(date: Date): Date {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + 4 - (date.getDay() || 7));
}

const directives: Readonly<Record<string, string | ((date: Date) => string)>> = {
  a: (date) => weekdays[date.getDay()].slice(0, 3),
  A: (date) => weekdays[date.getDay()],
  b: (date) => months[date.getMonth()].slice(0, 3),
  B: (date) => months[date.getMonth()],
  c: "%a %b %e %H:%M:%S %Y",
  d: (date) => padded(date.getDate()),
  D: "%m/%d/%y",
  e: (date) => padded(date.getDate(), 2, " "),
  f: (date) => padded(date.getMilliseconds() * 1000, 6),
  F: "%Y-%m-%d",
  G: (date) => String(thursday(date).getFullYear()),
  h: "%b",
  H: (date) => padded(date.getHours()),
  I: (date) => padded(hour12(date)),
  j: (date) => padded(dayOfYear(date) + 1, 3),
  m: (date) => padded(date.getMonth() + 1),
  M: (date) => padded(date.getMinutes()),
  n: () => "\n",
  p: (date) => (date.getHours() < 12 ? "AM" : "PM"),
  R: "%H:%M",
  S: (date) => padded(date.getSeconds()),
  t: () => "\t",
  T: "%H:%M:%S",
  u: (date) => String(date.getDay() || 7),
  U: (date) => padded(week(date, 0)),
  V: (date) => padded(Math.floor(dayOfYear(thursday(date)) / 7) + 1),
  w: (date) => String(date.getDay()),
  W: (date) => padded(week(date, 1)),
  x: "%m/%d/%y",
  X: "%H:%M:%S",
  y: (date) => padded(date.getFullYear() % 100),
  Y: (date) => String(date.getFullYear()),
  z: () => "",
  Z: () => "",
  "%": () => "%",
};

/** A date by a format; a directive that there is none of stays as it is, and "%-d" has no zeros before the number. */
export function strftime(date: Date, format: string): string {
  return format.replace(/%(-?)([a-zA-Z%])/g, (whole, bare: string, letter: string) => {
    if (!Object.hasOwn(directives, letter)) return whole;
    const directive = directives[letter];
    const text = typeof directive === "string" ? strftime(date, directive) : directive(date);
    return bare ? text.replace(/^[0 ]+(?=.)/, "") : text;
  });
}
