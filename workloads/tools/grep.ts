// grep: -i -v -c -n -q -o -w -x -E -F -e -f -l -L -H -h -r -s -m -A -B -C. Counterpart: busybox grep.
import { isFolder, resolvePath, walk } from "./file-tree.ts";
import { parseGetopt } from "./flags.ts";
import { inputs, type Input } from "./inputs.ts";
import { escapeRegex, posixRegexSource } from "./regex.ts";
import { lines, textStream, write } from "./streams.ts";
import { fail, type NamedTool, type Tool } from "./tool.ts";
import { toolWithUsage } from "./usage.ts";

const USAGE = "[-HhnlLoqvsriwFExcABC] PATTERN [FILE]...";

const run: Tool = async (argv, io) => {
  const flags = parseGetopt(argv.slice(1), "ivcnqowxEFe:f:lLHhrRsm:A:B:C:z", { "line-buffered": "u", color: "u", quiet: "q", count: "c" });
  const operands = [...flags.rest];
  const patterns = [...(flags.values.get("e") ?? [])];
  if (patterns.length === 0) {
    const first = operands.shift();
    if (first === undefined) return fail(io, `Usage: grep ${USAGE}`, 2);
    patterns.push(first);
  }
  const extended = flags.has("E") || argv[0] === "egrep";
  let regex: RegExp;
  try {
    const sources = patterns
      .flatMap((pattern) => pattern.split("\n"))
      .map((pattern) => (flags.has("F") || argv[0] === "fgrep" ? escapeRegex(pattern) : posixRegexSource(pattern, extended)));
    const joined = sources
      .map((source) => (flags.has("x") ? `^(?:${source})$` : flags.has("w") ? `\\b(?:${source})\\b` : `(?:${source})`))
      .join("|");
    regex = new RegExp(joined, flags.has("i") ? "gi" : "g");
  } catch {
    return fail(io, `grep: bad regex '${patterns.join("\n")}'`, 2);
  }
  const recursive = flags.has("r") || flags.has("R");
  const after = Number(flags.get("A") ?? flags.get("C") ?? 0);
  const before = Number(flags.get("B") ?? flags.get("C") ?? 0);
  const most = Number(flags.get("m") ?? Infinity);
  const sources: Input[] = !recursive
    ? [...inputs(operands, io)]
    : (operands.length > 0 ? operands : ["."]).flatMap((name): Input[] => {
        const path = resolvePath(io.cwd, name);
        if (!isFolder(io.files, path)) return [...inputs([name], io)];
        return walk(io.files, path)
          .filter((entry) => !entry.folder)
          .map((entry) => ({
            name: `${name.replace(/\/$/, "")}${entry.path.slice(path === "/" ? 0 : path.length)}`,
            stream: textStream(io.files.read(entry.path) ?? ""),
          }));
      });
  const prefixed = flags.has("H") || ((sources.length > 1 || recursive) && !flags.has("h"));
  let found = false;
  let failed = false;
  for (const source of sources) {
    if (source.error !== undefined) {
      failed = true;
      if (!flags.has("s")) io.stderr.write(`grep: ${source.name}: ${source.error}\n`);
      continue;
    }
    const label = prefixed ? (source.name === "-" ? "(standard input)" : source.name) : undefined;
    const quiet = flags.has("c") || flags.has("l") || flags.has("L");
    let count = 0;
    let number = 0;
    let trailing = 0;
    let printed = 0;
    const held: string[] = [];
    const show = async (text: string, at: number, mark: string): Promise<void> => {
      if (printed > 0 && at > printed + 1 && (before > 0 || after > 0)) await write(io, "--\n");
      printed = at;
      await write(io, `${label === undefined ? "" : label + mark}${flags.has("n") ? `${at}${mark}` : ""}${text}\n`);
    };
    for await (const line of lines(source.stream, io.signal)) {
      number++;
      regex.lastIndex = 0;
      if (regex.test(line) === flags.has("v")) {
        if (trailing > 0 && !quiet) {
          trailing--;
          await show(line, number, "-");
        } else if (before > 0) {
          held.push(line);
          if (held.length > before) held.shift();
        }
        continue;
      }
      found = true;
      count++;
      if (flags.has("q")) return 0;
      if (!quiet) {
        for (const [index, text] of held.entries()) await show(text, number - held.length + index, "-");
        if (!flags.has("o")) await show(line, number, ":");
        else
          for (const match of line.matchAll(new RegExp(regex.source, regex.flags)))
            if (match[0] !== "")
              await write(io, `${label === undefined ? "" : `${label}:`}${flags.has("n") ? `${number}:` : ""}${match[0]}\n`);
      }
      held.length = 0;
      trailing = after;
      if (count >= most) break;
    }
    if (flags.has("c")) await write(io, `${label === undefined ? "" : `${label}:`}${count}\n`);
    if ((flags.has("l") && count > 0) || (flags.has("L") && count === 0))
      await write(io, `${source.name === "-" ? "(standard input)" : source.name}\n`);
  }
  return found ? 0 : failed ? 2 : 1;
};

/** grep, egrep and fgrep. */
export const greps: readonly NamedTool[] = ["grep", "egrep", "fgrep"].map((name) => toolWithUsage(name, USAGE, run, 2));
