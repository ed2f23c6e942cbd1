// POSIX regular expressions as JavaScript ones, for grep, sed and awk. Leaves out collating symbols and equivalence classes.

const CLASSES: Readonly<Record<string, string>> = {
  alpha: "A-Za-z",
  digit: "0-9",
  alnum: "A-Za-z0-9",
  upper: "A-Z",
  lower: "a-z",
  space: "\\s",
  blank: " \\t",
  punct: "!-/:-@\\[-`{-~",
  xdigit: "0-9A-Fa-f",
  print: " -~",
  graph: "!-~",
  cntrl: "\\x00-\\x1f\\x7f",
};

/** Source of a JavaScript regular expression for a basic (`extended: false`) or extended POSIX one. */
export function posixRegexSource(pattern: string, extended: boolean): string {
  let out = "";
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern.charAt(i);
    if (char === "[") {
      const start = i + 1 + (pattern[i + 1] === "^" ? 1 : 0);
      let end = pattern.indexOf("]", start + 1);
      while (end > 0 && /\[:\w*$|\[:\w+:$/.test(pattern.slice(start, end))) end = pattern.indexOf("]", end + 1);
      if (end < 0) throw new SyntaxError("Unmatched [");
      const set = pattern
        .slice(start, end)
        .replace(/\[:(\w+):\]|[\\\]^[]/g, (all, name?: string) => (name === undefined ? `\\${all}` : (CLASSES[name] ?? "")));
      out += `[${start > i + 1 ? "^" : ""}${set}]`;
      i = end;
    } else if (char === "\\") {
      const next = pattern.charAt(++i);
      if (next === "<" || next === ">") out += "\\b";
      else if (/[wWsSbBnt1-9]/.test(next)) out += `\\${next}`;
      else if (!extended && /[(){}|+?]/.test(next)) out += next;
      else out += `\\${next.replace(/[A-Za-z]/, "")}` === "\\" ? next : `\\${next}`;
    } else if (!extended && /[(){}|+?]/.test(char)) out += `\\${char}`;
    else if (char === "*" && (out === "" || out.endsWith("^") || (!extended && out.endsWith("(")))) out += "\\*";
    else if (char === "^" && !extended && i > 0 && !/\\[(|]$/.test(pattern.slice(0, i))) out += "\\^";
    else if (char === "$" && !extended && i < pattern.length - 1 && !/^\\[)|]/.test(pattern.slice(i + 1))) out += "\\$";
    else if (char === "/") out += "\\/";
    else out += char;
  }
  return out;
}

/** Text in which nothing is special. */
export function escapeRegex(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
