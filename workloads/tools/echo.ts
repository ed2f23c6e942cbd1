// echo: -n, -e, -E. Counterpart: busybox echo.
import { unescape } from "./printf.ts";
import { write } from "./streams.ts";
import type { NamedTool } from "./tool.ts";

export const echo: NamedTool = {
  name: "echo",
  async run(argv, io) {
    let newline = true;
    let escapes = false;
    let at = 1;
    for (; /^-[neE]+$/.test(argv[at] ?? ""); at++) {
      for (const letter of (argv[at] ?? "").slice(1)) {
        if (letter === "n") newline = false;
        else escapes = letter === "e";
      }
    }
    const text = argv.slice(at).join(" ");
    const { text: out, stop } = escapes ? unescape(text) : { text, stop: false };
    await write(io, out + (newline && !stop ? "\n" : ""));
    return 0;
  },
};
