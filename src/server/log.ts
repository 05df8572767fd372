// One JSON line per request on standard error: who (the key's short hash), what, how long, how many tokens. Never a text.

/** Fields of a line; undefined ones are left out. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export type Log = (level: "info" | "error", event: string, fields?: LogFields) => void;

/** Writes lines with `write`. */
export function jsonLog(write: (line: string) => void): Log {
  return (level, event, fields) =>
    write(`${JSON.stringify({ time: new Date().toISOString(), level, event, ...fields })}\n`);
}

export const noLog: Log = () => {};
