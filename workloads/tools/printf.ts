// printf: %s %b %c %d %i %u %o %x %X %f %e %g %%, flags, width, precision, `*`; the format is reused while arguments remain.
import { write } from "./streams.ts";
import { fail, type NamedTool } from "./tool.ts";

const SIMPLE: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  a: "\u0007",
  b: "\b",
  f: "\f",
  v: "\v",
  "\\": "\\",
  e: "\u001b",
  '"': '"',
};

/** Backslash escapes; `\c` ends the output (`stop`). */
export function unescape(text: string): { readonly text: string; readonly stop: boolean } {
  let out = "";
  for (let i = 0; i < text.length; i++) {
    const next = text[i + 1] ?? "";
    if (text[i] !== "\\" || next === "") {
      out += text.charAt(i);
      continue;
    }
    if (next === "c") return { text: out, stop: true };
    const code = /^(?:x([0-9a-fA-F]{1,2})|0?([0-7]{1,3}))/.exec(text.slice(i + 1));
    if (code) {
      out += String.fromCharCode(code[1] === undefined ? parseInt(code[2] ?? "0", 8) & 255 : parseInt(code[1], 16));
      i += code[0].length;
    } else if (SIMPLE[next] === undefined) out += "\\";
    else {
      out += SIMPLE[next];
      i++;
    }
  }
  return { text: out, stop: false };
}

export const printf: NamedTool = {
  name: "printf",
  async run(argv, io) {
    const [, format] = argv;
    if (format === undefined) return fail(io, "printf: usage: printf FORMAT [ARG]...", 1);
    const args = argv.slice(2);
    let status = 0;
    let out = "";
    let stopped = false;
    do {
      const before = args.length;
      for (const piece of format.split(/(%(?:[-+ #0]*)(?:\*|\d+)?(?:\.(?:\*|\d+))?[a-zA-Z%])/)) {
        if (stopped) break;
        const spec = /^%([-+ #0]*)(\*|\d+)?(?:\.(\*|\d+))?([a-zA-Z%])$/.exec(piece);
        if (!spec) {
          const plain = unescape(piece);
          out += plain.text;
          stopped = plain.stop;
          continue;
        }
        const [, flags = "", widthText, precisionText, kind = "s"] = spec;
        if (kind === "%") {
          out += "%";
          continue;
        }
        const width = Number(widthText === "*" ? (args.shift() ?? 0) : (widthText ?? 0));
        const precision = precisionText === undefined ? undefined : Number(precisionText === "*" ? (args.shift() ?? 0) : precisionText);
        const arg = args.shift();
        const made = convert(kind, arg ?? "", flags, precision);
        if (made === undefined) return fail(io, `printf: %${kind}: invalid format`, 1);
        if (made.bad) {
          io.stderr.write(`printf: invalid number '${arg ?? ""}'\n`);
          status = 1;
        }
        stopped = made.stop ?? false;
        out += pad(made.text, Math.abs(width), width < 0 ? `${flags}-` : flags, kind);
      }
      if (args.length === before) break;
    } while (args.length > 0 && !stopped);
    await write(io, out);
    return status;
  },
};

function pad(text: string, width: number, flags: string, kind: string): string {
  if (flags.includes("-")) return text.padEnd(width);
  if (!flags.includes("0") || "sbc".includes(kind)) return text.padStart(width);
  const sign = /^[-+ ]/.exec(text)?.[0] ?? "";
  return sign + text.slice(sign.length).padStart(width - sign.length, "0");
}

function convert(
  kind: string,
  arg: string,
  flags: string,
  precision: number | undefined,
): { readonly text: string; readonly bad?: boolean; readonly stop?: boolean } | undefined {
  if (kind === "s") return { text: precision === undefined ? arg : arg.slice(0, precision) };
  if (kind === "b") return unescape(arg);
  if (kind === "c") return { text: arg.slice(0, 1) };
  const quoted = /^['"]/.test(arg) ? arg.charCodeAt(1) : undefined;
  const number = quoted ?? (arg === "" ? 0 : Number(/^-?0[0-7]+$/.test(arg) ? parseInt(arg, 8) : arg));
  const bad = Number.isNaN(number);
  const value = bad ? parseFloat(arg) || 0 : number;
  const sign = value >= 0 && flags.includes("+") ? "+" : value >= 0 && flags.includes(" ") ? " " : "";
  switch (kind) {
    case "d":
    case "i":
    case "u":
      return { text: sign + String(Math.trunc(value)).replace(/\d+/, (digits) => digits.padStart(precision ?? 1, "0")), bad };
    case "x":
      return { text: (flags.includes("#") ? "0x" : "") + Math.trunc(value).toString(16), bad };
    case "X":
      return { text: Math.trunc(value).toString(16).toUpperCase(), bad };
    case "o":
      return { text: Math.trunc(value).toString(8), bad };
    case "f":
    case "F":
      return { text: sign + value.toFixed(precision ?? 6), bad };
    case "e":
      return { text: sign + value.toExponential(precision ?? 6).replace(/e([-+])(\d)$/, "e$10$2"), bad };
    case "g":
      return { text: sign + String(Number(value.toPrecision(precision === 0 ? 1 : (precision ?? 6)))), bad };
    default:
      return undefined;
  }
}
