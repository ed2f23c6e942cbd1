// sed: s/// (g, i, p, N), p, d, q with line, $ and /regex/ addresses and ranges; -n -e -E -r -i. Anything else is refused.
import { readFile, resolvePath, writeFile } from "./file-tree.ts";
import { linesOf, readInputs } from "./inputs.ts";
import { parseGetopt } from "./flags.ts";
import { posixRegexSource } from "./regex.ts";
import { write } from "./streams.ts";
import { fail } from "./tool.ts";
import { toolWithUsage } from "./usage.ts";

type Address = (line: string, number: number, last: boolean) => boolean;
interface Edit {
  readonly from?: Address;
  readonly to?: Address;
  readonly negated: boolean;
  readonly kind: "s" | "p" | "d" | "q";
  readonly regex?: RegExp;
  readonly replacement?: string;
  readonly occurrence: number;
  readonly global: boolean;
  readonly print: boolean;
}

function address(source: string, extended: boolean): { readonly test: Address; readonly length: number } | undefined {
  const number = /^\d+/.exec(source)?.[0];
  if (number !== undefined) return { test: (_line, at) => at === Number(number), length: number.length };
  if (source.startsWith("$")) return { test: (_line, _at, last) => last, length: 1 };
  const regex = /^\/((?:[^/\\]|\\.)*)\//.exec(source);
  if (!regex) return undefined;
  const pattern = new RegExp(posixRegexSource((regex[1] ?? "").replaceAll("\\/", "/"), extended));
  return { test: (line) => pattern.test(line), length: regex[0].length };
}

function parse(script: string, extended: boolean): readonly Edit[] | undefined {
  const edits: Edit[] = [];
  let rest = script;
  for (;;) {
    rest = rest.replace(/^[\s;]+/, "");
    if (rest === "") return edits;
    const from = address(rest, extended);
    rest = rest.slice(from?.length ?? 0);
    const to = from && rest.startsWith(",") ? address(rest.slice(1), extended) : undefined;
    rest = rest.slice(to ? to.length + 1 : 0).trimStart();
    const negated = rest.startsWith("!");
    rest = negated ? rest.slice(1).trimStart() : rest;
    const common = { ...(from ? { from: from.test } : {}), ...(to ? { to: to.test } : {}), negated };
    const kind = rest.charAt(0);
    if (kind === "p" || kind === "d" || kind === "q") {
      edits.push({ ...common, kind, occurrence: 1, global: false, print: false });
      rest = rest.slice(1);
    } else if (kind === "s") {
      const mark = rest.charAt(1);
      const parts = splitMarked(rest.slice(2), mark);
      if (!parts) return undefined;
      const [pattern, replacement, after] = parts;
      const flags = /^[gip\d]*I?[gip\d]*/.exec(after)?.[0] ?? "";
      const source = posixRegexSource(mark === "/" ? pattern : pattern.replaceAll(`\\${mark}`, mark), extended);
      edits.push({
        ...common,
        kind,
        regex: new RegExp(source, /i/i.test(flags) ? "gi" : "g"),
        replacement,
        occurrence: Number(/\d+/.exec(flags)?.[0] ?? 1),
        global: flags.includes("g"),
        print: flags.includes("p"),
      });
      rest = after.slice(flags.length);
    } else return undefined;
    if (!/^\s*(;|\n|$|\})/.test(rest)) return undefined;
  }
}

function splitMarked(text: string, mark: string): readonly [string, string, string] | undefined {
  const ends: number[] = [];
  for (let i = 0; i < text.length && ends.length < 2; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === mark) ends.push(i);
  }
  const [first, second] = ends;
  return first === undefined || second === undefined
    ? undefined
    : [text.slice(0, first), text.slice(first + 1, second), text.slice(second + 1)];
}

function substitute(line: string, edit: Edit): string | undefined {
  let seen = 0;
  let changed = false;
  const out = line.replace(edit.regex ?? /^/, (...args: unknown[]) => {
    const match = String(args[0]);
    seen++;
    if (seen < edit.occurrence || (seen > edit.occurrence && !edit.global)) return match;
    changed = true;
    return (edit.replacement ?? "").replace(/\\([\s\S])|&/g, (all, escaped?: string) => {
      if (all === "&") return match;
      if (/\d/.test(escaped ?? "")) return escaped === "0" ? match : String(args[Number(escaped)] ?? "");
      return escaped === "n" ? "\n" : escaped === "t" ? "\t" : (escaped ?? "");
    });
  });
  return changed ? out : undefined;
}

/** Text after the script; `quiet` is -n. */
function edited(text: string, edits: readonly Edit[], quiet: boolean): string {
  const all = linesOf(text);
  const active = new Set<Edit>();
  let out = "";
  for (const [index, original] of all.entries()) {
    let line = original;
    let deleted = false;
    let quit = false;
    for (const edit of edits) {
      const last = index === all.length - 1;
      let hit = edit.from ? active.has(edit) || edit.from(line, index + 1, last) : true;
      if (edit.to && hit) {
        if (active.has(edit) && edit.to(line, index + 1, last)) active.delete(edit);
        else active.add(edit);
      }
      if (edit.negated) hit = !hit;
      if (!hit) continue;
      if (edit.kind === "d") deleted = true;
      else if (edit.kind === "p") out += `${line}\n`;
      else if (edit.kind === "q") quit = true;
      else {
        const made = substitute(line, edit);
        line = made ?? line;
        if (made !== undefined && edit.print) out += `${line}\n`;
      }
      if (deleted || quit) break;
    }
    if (!deleted && !quiet) out += `${line}\n`;
    if (quit) break;
  }
  return text.endsWith("\n") || all.length === 0 ? out : out.replace(/\n$/, "");
}

export const sed = toolWithUsage("sed", "[-n] [-E] [-i] [-e] SCRIPT [FILE]...", async (argv, io) => {
  const flags = parseGetopt(argv.slice(1), "nerEie:", { quiet: "n", "regexp-extended": "E", expression: "e:", "in-place": "i" });
  const operands = [...flags.rest];
  const scripts = flags.values.get("e")?.filter((script) => script !== "") ?? [];
  const script = scripts.length > 0 ? scripts.join("\n") : (operands.shift() ?? "");
  let edits: readonly Edit[] | undefined;
  try {
    edits = parse(script, flags.has("E") || flags.has("r"));
  } catch {
    return fail(io, `sed: bad regex in: ${script}`);
  }
  if (!edits || script === "") return fail(io, `sed: this stand-in knows s///, p, d and q only, not: ${script}`);
  if (!flags.has("i")) {
    const { text, failed } = await readInputs("sed", operands, io);
    await write(io, edited(text, edits, flags.has("n")));
    return Number(failed);
  }
  for (const name of operands) {
    const path = resolvePath(io.cwd, name);
    const file = readFile(io.files, path);
    const error = "error" in file ? file.error : writeFile(io.files, path, edited(file.text, edits, flags.has("n")));
    if (error !== undefined) return fail(io, `sed: ${name}: ${error}`);
  }
  return 0;
});
