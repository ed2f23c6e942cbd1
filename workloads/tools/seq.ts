// seq: -s SEPARATOR, -w; FIRST, INCREMENT, LAST.
import { nextTurn } from "../../model/clock.ts";
import { parseGetopt } from "./flags.ts";
import { write } from "./streams.ts";
import { fail, type NamedTool } from "./tool.ts";

export const seq: NamedTool = {
  name: "seq",
  async run(argv, io) {
    const words = argv.slice(1);
    const operandsAt = words.findIndex((word) => /^-?[\d.]/.test(word));
    const flags = parseGetopt(operandsAt < 0 ? words : words.slice(0, operandsAt), "ws:");
    const operands = operandsAt < 0 ? flags.rest : words.slice(operandsAt);
    const numbers = operands.map(Number);
    const bad = operands.find((_word, index) => Number.isNaN(numbers[index]));
    if (bad !== undefined) return fail(io, `seq: invalid number '${bad}'`);
    if (numbers.length === 0 || numbers.length > 3) return fail(io, "Usage: seq [-w] [-s SEP] [FIRST [INC]] LAST");
    const last = numbers.at(-1) ?? 1;
    const first = numbers.length > 1 ? (numbers[0] ?? 1) : 1;
    const step = numbers.length > 2 ? (numbers[1] ?? 1) : 1;
    if (step === 0) return fail(io, "seq: increment is 0");
    const digits = Math.max(...operands.map((word) => (word.split(".")[1] ?? "").length));
    const width = flags.has("w") ? Math.max(first.toFixed(digits).length, last.toFixed(digits).length) : 0;
    const separator = flags.get("s") ?? "\n";
    const total = Math.floor((last - first) / step + 1e-9);
    for (let index = 0; index <= total; index++) {
      if (index > 0) await write(io, separator);
      await write(io, (first + index * step).toFixed(digits).padStart(width, "0"));
      if (index % 500 === 499) await nextTurn();
    }
    if (total >= 0) await write(io, "\n");
    return 0;
  },
};
