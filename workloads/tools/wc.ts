// wc: -l -w -c -m.
import { inputs } from "./inputs.ts";
import { parseGetopt } from "./flags.ts";
import { readAll, write } from "./streams.ts";
import { toolWithUsage } from "./usage.ts";

export const wc = toolWithUsage("wc", "[-clwm] [FILE]...", async (argv, io) => {
  const flags = parseGetopt(argv.slice(1), "clwm");
  const wanted = flags.values.size > 0 ? ["l", "w", "m", "c"].filter((flag) => flags.has(flag)) : ["l", "w", "c"];
  const totals: Record<string, number> = {};
  let status = 0;
  const all = inputs(flags.rest, io);
  const print = async (counts: Readonly<Record<string, number>>, name: string): Promise<void> => {
    const numbers = wanted.map((flag) => counts[flag] ?? 0);
    const shown = wanted.length === 1 ? String(numbers[0]) : numbers.map((number) => String(number).padStart(9)).join(" ");
    await write(io, `${shown}${name === "-" ? "" : ` ${name}`}\n`);
  };
  for (const input of all) {
    if (input.error !== undefined) {
      io.stderr.write(`wc: ${input.name}: ${input.error}\n`);
      status = 1;
      continue;
    }
    const data = await readAll(input.stream, io.signal);
    const text = data.toString();
    const counts = {
      l: text.split("\n").length - 1,
      w: text.split(/\s+/).filter((word) => word !== "").length,
      c: data.length,
      m: [...text].length,
    };
    for (const [flag, count] of Object.entries(counts)) totals[flag] = (totals[flag] ?? 0) + count;
    await print(counts, input.name);
  }
  if (all.length > 1) await print(totals, "total");
  return status;
});
