// awk, as far as one-liners that print fields go: [-F SEP] '[/re/ | NR==n | $n==x | $n~/re/] [{print item…}]'. Anything else is refused.
import { linesOf, readInputs } from "./inputs.ts";
import { parseGetopt } from "./flags.ts";
import { posixRegexSource } from "./regex.ts";
import { unescape } from "./printf.ts";
import { write } from "./streams.ts";
import { fail } from "./tool.ts";
import { toolWithUsage } from "./usage.ts";

type Value = (fields: readonly string[], number: number) => string;
type Test = (fields: readonly string[], number: number) => boolean;

const ITEM = /\s*("(?:[^"\\]|\\.)*"|\$NF|\$\d+|NR|NF|\d+|,)/y;

/** `$1, "x" $2` as a function of the line's fields, or undefined when it is more than that. */
function items(source: string): Value | undefined {
  const parts: (Value | ",")[] = [];
  ITEM.lastIndex = 0;
  const text = source.trim();
  while (ITEM.lastIndex < text.length) {
    const item = ITEM.exec(text)?.[1];
    if (item === undefined) return undefined;
    if (item === ",") parts.push(",");
    else if (item.startsWith('"')) parts.push(() => unescape(item.slice(1, -1)).text);
    else if (item === "$NF") parts.push((fields) => fields.at(-1) ?? "");
    else if (item.startsWith("$")) parts.push((fields) => fields[Number(item.slice(1))] ?? "");
    else if (item === "NR") parts.push((_fields, number) => String(number));
    else if (item === "NF") parts.push((fields) => String(fields.length - 1));
    else parts.push(() => item);
  }
  if (parts.length === 0) return (fields) => fields[0] ?? "";
  return (fields, number) => parts.map((part) => (part === "," ? " " : part(fields, number))).join("");
}

function test(source: string): Test | undefined {
  const text = source.trim();
  if (text === "") return () => true;
  const regex = /^(!?)(?:(\$NF|\$\d+)\s*(!?~)\s*)?\/((?:[^/\\]|\\.)*)\/$/.exec(text);
  if (regex) {
    const value = regex[2] === undefined ? items("$0") : items(regex[2]);
    const pattern = new RegExp(posixRegexSource((regex[4] ?? "").replaceAll("\\/", "/"), true));
    const negated = (regex[1] === "!") !== (regex[3] === "!~");
    return value && ((fields, number) => pattern.test(value(fields, number)) !== negated);
  }
  const compared = /^(NR|NF|\$NF|\$\d+)\s*(==|!=|<=|>=|<|>)\s*("(?:[^"\\]|\\.)*"|\d+(?:\.\d+)?)$/.exec(text);
  if (!compared) return undefined;
  const [, left = "", operator, right = ""] = compared;
  const value = items(left);
  const literal = right.startsWith('"') ? unescape(right.slice(1, -1)).text : right;
  return (
    value &&
    ((fields, number) => {
      const actual = value(fields, number);
      const order = right.startsWith('"')
        ? actual < literal
          ? -1
          : Number(actual > literal)
        : (parseFloat(actual) || 0) - Number(literal);
      return operator === "=="
        ? order === 0
        : operator === "!="
          ? order !== 0
          : operator === "<"
            ? order < 0
            : operator === ">"
              ? order > 0
              : operator === "<="
                ? order <= 0
                : order >= 0;
    })
  );
}

export const awk = toolWithUsage("awk", "[-F SEP] '[PATTERN] [{print ITEM...}]' [FILE]...", async (argv, io) => {
  const flags = parseGetopt(argv.slice(1), "F:", {}, true);
  const program = flags.rest[0] ?? "";
  const shape = /^([^{}]*)(?:\{\s*print\b\s*([^{}]*?);?\s*\})?\s*$/.exec(program.trim());
  const matches = shape ? test(shape[1] ?? "") : undefined;
  const value = shape ? items(shape[2] ?? "") : undefined;
  if (program === "" || !matches || !value) return fail(io, `awk: this stand-in knows '[pattern] {print fields}' only, not: ${program}`, 2);
  const separator = flags.get("F");
  const split = (line: string): string[] => {
    if (separator === undefined || separator === " ") return line.trim() === "" ? [] : line.trim().split(/\s+/);
    return line.split(
      separator.length === 1 && separator !== "\\" ? separator : new RegExp(posixRegexSource(unescape(separator).text, true)),
    );
  };
  const { text, failed } = await readInputs("awk", flags.rest.slice(1), io);
  let number = 0;
  for (const line of linesOf(text)) {
    const fields = [line, ...split(line)];
    if (matches(fields, ++number)) await write(io, `${value(fields, number)}\n`);
  }
  return failed ? 2 : 0;
});
