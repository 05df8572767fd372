// Reads one call, {"name": …, "arguments": {…}}, while it is being written: hands on the text of the arguments as it comes.
// It judges nothing; whether the arguments are JSON is for who made them, or for the grammar that did.

/** What has come of a call since the last time. */
export interface CallNews {
  readonly name?: string;
  /** More of the text of the arguments. */
  readonly arguments?: string;
}

export interface CallReader {
  /** Within a string. */
  readonly quoting: boolean;
  /** Takes characters up to the end of the object; tells how many it took, what is new, and whether that was the end. */
  push(text: string): { readonly used: number; readonly news: readonly CallNews[]; readonly done: boolean };
}

/** A reader that stands before the opening brace. Keys: "name" or "tool_name", and "arguments" or "parameters". */
export function createCallReader(): CallReader {
  let depth = 0;
  let inString = false;
  let escaped = false;
  let key: string | undefined; // of the value at depth 1, once its colon has come
  let token = ""; // text of the key or value at depth 1 so far
  let sent = 0; // how much of the arguments' text is handed on
  let name: string | undefined;
  let early: string | undefined; // arguments that came before the name

  return {
    get quoting() {
      return inString;
    },
    push(text) {
      const news: CallNews[] = [];
      let used = 0;
      let done = false;
      while (used < text.length && !done) {
        const char = text[used++];
        if (inString) {
          token += char;
          if (escaped) escaped = false;
          else if (char === "\\") escaped = true;
          else if (char === '"') inString = false;
        } else if (depth === 1 && (char === "," || char === "}")) {
          closeValue(news);
          if (char === "}") done = true;
        } else if (depth === 1 && char === ":" && key === undefined) {
          key = unquoted(token);
          token = "";
        } else if (depth === 0) {
          if (char === "{") depth = 1;
        } else {
          if (char === '"') inString = true;
          else if (char === "{" || char === "[") depth++;
          else if (char === "}" || char === "]") depth--;
          if (token !== "" || char.trim() !== "") token += char;
        }
      }
      if (isArguments() && !token.startsWith('"')) send(token, news);
      if (done && sent === 0) news.push({ arguments: "{}" });
      return { used, news, done };
    },
  };

  function isArguments(): boolean {
    return name !== undefined && isArgumentsKey(key);
  }

  /** Arguments without the white space behind them, which may belong to what comes next. */
  function send(value: string, news: CallNews[]): void {
    const solid = value.trimEnd();
    if (solid.length <= sent) return;
    news.push({ arguments: solid.slice(sent) });
    sent = solid.length;
  }

  function closeValue(news: CallNews[]): void {
    if ((key === "name" || key === "tool_name") && name === undefined) {
      name = unquoted(token.trimEnd());
      news.push({ name });
      if (early !== undefined) send(early, news);
    } else if (isArgumentsKey(key)) {
      const value = token.trimEnd();
      const text = value.startsWith('"') ? unquoted(value) : value; // arguments as JSON text within a string
      if (name === undefined) early = text;
      else send(text, news);
    }
    key = undefined;
    token = "";
  }
}

function isArgumentsKey(key: string | undefined): boolean {
  return key === "arguments" || key === "parameters";
}

function unquoted(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "string" ? value : text;
  } catch {
    return text;
  }
}
