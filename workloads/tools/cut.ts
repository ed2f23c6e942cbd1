// cut (-d -f -c -s) and tr (-d -s -c).
import { parseGetopt } from "./flags.ts";
import { linesOf, readInputs } from "./inputs.ts";
import { chunks, write } from "./streams.ts";
import { unescape } from "./printf.ts";
import { fail, type NamedTool } from "./tool.ts";
import { toolWithUsage } from "./usage.ts";

/** "1,3-5,7-" as a test of positions, or undefined when it is no list. */
function positions(list: string): ((position: number) => boolean) | undefined {
  const ranges = list.split(",").map((part) => /^(\d*)(-?)(\d*)$/.exec(part));
  if (list === "" || ranges.some((range) => !range || range[0] === "" || range[0] === "-")) return undefined;
  return (position) =>
    ranges.some((range) => {
      const from = Number(range?.[1] || 1);
      const to = range?.[2] === "-" ? Number(range[3] || Infinity) : from;
      return position >= from && position <= to;
    });
}

const cut = toolWithUsage("cut", "[-d CHAR] [-s] -f LIST | -c LIST [FILE]...", async (argv, io) => {
  const flags = parseGetopt(argv.slice(1), "d:f:c:b:sn");
  const byField = flags.has("f");
  const list = flags.get("f") ?? flags.get("c") ?? flags.get("b");
  if (list === undefined) return fail(io, "cut: expected a list of bytes, characters, or fields");
  const wanted = positions(list);
  if (!wanted) return fail(io, `cut: invalid byte or field list '${list}'`);
  const delimiter = flags.get("d") ?? "\t";
  const { text, failed } = await readInputs("cut", flags.rest, io);
  for (const line of linesOf(text)) {
    if (byField && !line.includes(delimiter)) {
      if (!flags.has("s")) await write(io, `${line}\n`);
      continue;
    }
    const parts = byField ? line.split(delimiter) : [...line];
    await write(io, `${parts.filter((_part, index) => wanted(index + 1)).join(byField ? delimiter : "")}\n`);
  }
  return Number(failed);
});

const CLASSES: Readonly<Record<string, string>> = {
  lower: "a-z",
  upper: "A-Z",
  digit: "0-9",
  alpha: "A-Za-z",
  alnum: "0-9A-Za-z",
  space: " \t\n\v\f\r",
  punct: "!-/:-@[-`{-~",
  blank: " \t",
};

function characters(set: string): string[] {
  const chars = [...unescape(set.replace(/\[:(\w+):\]/g, (_all, name: string) => CLASSES[name] ?? "")).text];
  const out: string[] = [];
  for (let i = 0; i < chars.length; i++) {
    const from = chars[i] ?? "";
    const to = chars[i + 2];
    if (chars[i + 1] === "-" && to !== undefined && to >= from) {
      for (let code = from.charCodeAt(0); code <= to.charCodeAt(0); code++) out.push(String.fromCharCode(code));
      i += 2;
    } else out.push(from);
  }
  return out;
}

const tr = toolWithUsage("tr", "[-cds] SET1 [SET2]", async (argv, io) => {
  const flags = parseGetopt(argv.slice(1), "cCds", {}, true);
  const [first = "", second] = flags.rest;
  if (flags.rest.length === 0) return fail(io, "Usage: tr [-cds] SET1 [SET2]");
  const from = characters(first);
  const to = second === undefined ? undefined : characters(second);
  const complement = flags.has("c") || flags.has("C");
  const inSet = (char: string): boolean => from.includes(char) !== complement;
  const squeeze = flags.has("s") ? new Set(to ?? []) : undefined;
  let last = "";
  for await (const chunk of chunks(io.stdin, io.signal)) {
    let out = "";
    for (const char of chunk.toString()) {
      if (flags.has("d") && inSet(char)) continue;
      const mapped =
        to && !flags.has("d") && inSet(char) ? ((complement ? to.at(-1) : (to[from.indexOf(char)] ?? to.at(-1))) ?? char) : char;
      if (squeeze && mapped === last && (to ? squeeze.has(mapped) : inSet(mapped))) continue;
      last = mapped;
      out += mapped;
    }
    await write(io, out);
  }
  return 0;
});

export const cuts: readonly NamedTool[] = [cut, tr];
