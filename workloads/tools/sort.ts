// sort (-n -r -u -k -t -f -V) and uniq (-c -d -u -i).
import { linesOf, readInputs } from "./inputs.ts";
import { parseGetopt } from "./flags.ts";
import { write } from "./streams.ts";
import { toolWithUsage } from "./usage.ts";
import type { NamedTool } from "./tool.ts";

const sort = toolWithUsage("sort", "[-nrufV] [-t CHAR] [-k N[,M]] [FILE]...", async (argv, io) => {
  const flags = parseGetopt(argv.slice(1), "nrufVbgst:k:");
  const { text, failed } = await readInputs("sort", flags.rest, io);
  const keys = (flags.values.get("k") ?? []).map((spec) => {
    const match = /^(\d+)(?:\.\d+)?([nrfbV]*)(?:,(\d+)(?:\.\d+)?([nrfbV]*))?$/.exec(spec);
    return {
      from: Number(match?.[1] ?? 1),
      to: match?.[3] === undefined ? Infinity : Number(match[3]),
      marks: (match?.[2] ?? "") + (match?.[4] ?? ""),
    };
  });
  const separator = flags.get("t");
  const field = (line: string, from: number, to: number): string => {
    const parts = separator === undefined ? line.trimStart().split(/\s+/) : line.split(separator);
    return parts.slice(from - 1, to).join(separator ?? " ");
  };
  const compare = (a: string, b: string, numeric: boolean, fold: boolean, version: boolean): number => {
    if (numeric) return (parseFloat(a) || 0) - (parseFloat(b) || 0);
    if (version) return a.localeCompare(b, "en", { numeric: true });
    const [x, y] = fold ? [a.toUpperCase(), b.toUpperCase()] : [a, b];
    return x < y ? -1 : x > y ? 1 : 0;
  };
  const numeric = flags.has("n") || flags.has("g");
  const byKeys = (a: string, b: string): number => {
    for (const { from, to, marks } of keys) {
      const order = compare(
        field(a, from, to),
        field(b, from, to),
        numeric || marks.includes("n"),
        flags.has("f") || marks.includes("f"),
        flags.has("V") || marks.includes("V"),
      );
      if (order !== 0) return marks.includes("r") || flags.has("r") ? -order : order;
    }
    return 0;
  };
  const whole = (a: string, b: string): number =>
    (flags.has("r") ? -1 : 1) * compare(a, b, numeric && keys.length === 0, flags.has("f"), flags.has("V"));
  const last = (a: string, b: string): number => (flags.has("r") ? -1 : 1) * (a < b ? -1 : a > b ? 1 : 0);
  const sorted = linesOf(text).sort(
    (a, b) => (keys.length > 0 ? byKeys(a, b) : whole(a, b)) || (flags.has("u") || flags.has("s") ? 0 : last(a, b)),
  );
  const kept = flags.has("u")
    ? sorted.filter((line, index) => index === 0 || (keys.length > 0 ? byKeys : whole)(sorted[index - 1] ?? "", line) !== 0)
    : sorted;
  await write(io, kept.map((line) => `${line}\n`).join(""));
  return failed ? 2 : 0;
});

const uniq = toolWithUsage("uniq", "[-cdui] [INPUT]", async (argv, io) => {
  const flags = parseGetopt(argv.slice(1), "cdui");
  const { text, failed } = await readInputs("uniq", flags.rest.slice(0, 1), io);
  const runs: { readonly line: string; count: number }[] = [];
  const key = (line: string): string => (flags.has("i") ? line.toLowerCase() : line);
  for (const line of linesOf(text)) {
    const last = runs.at(-1);
    if (last && key(last.line) === key(line)) last.count++;
    else runs.push({ line, count: 1 });
  }
  for (const { line, count } of runs) {
    if ((flags.has("d") && count < 2) || (flags.has("u") && count > 1)) continue;
    await write(io, `${flags.has("c") ? `${String(count).padStart(7)} ` : ""}${line}\n`);
  }
  return Number(failed);
});

export const sorts: readonly NamedTool[] = [sort, uniq];
