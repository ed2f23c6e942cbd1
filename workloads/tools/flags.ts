// Command-line flags in the two dialects that container programs use: getopt's (-n 5, -n5, -abc, --long=x) and Go's (-name=x, --name x).

/** Parsed flags: each flag's values in order; a switch has the value "". */
export interface Flags {
  readonly values: ReadonlyMap<string, readonly string[]>;
  readonly rest: readonly string[];
  has(name: string): boolean;
  get(name: string): string | undefined;
}

/** What was wrong, as the part of a message after "program: ". */
export class FlagError extends Error {
  override readonly name = "FlagError";
  readonly flag: string;
  readonly kind: "unknown" | "value";
  constructor(flag: string, kind: "unknown" | "value") {
    super(kind === "unknown" ? `unrecognized option: ${flag}` : `option requires an argument: ${flag}`);
    this.flag = flag;
    this.kind = kind;
  }
}

function flagsOf(values: Map<string, string[]>, rest: readonly string[]): Flags {
  return { values, rest, has: (name) => values.has(name), get: (name) => values.get(name)?.at(-1) };
}

/**
 * getopt: `spec` is like "ab:c" (a colon means a value); `long` maps long names to short ones or to themselves, with ":" for a value.
 * With `stopAtOperand`, everything from the first operand on is the rest. Throws FlagError.
 */
export function parseGetopt(
  args: readonly string[],
  spec: string,
  long: Readonly<Record<string, string>> = {},
  stopAtOperand = false,
): Flags {
  const values = new Map<string, string[]>();
  const rest: string[] = [];
  const add = (name: string, value: string): void => void values.set(name, [...(values.get(name) ?? []), value]);
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    if (arg === "--") {
      rest.push(...args.slice(i + 1));
      break;
    }
    if (arg.startsWith("--")) {
      const [name = "", inline] = splitOnce(arg.slice(2), "=");
      const target = long[name];
      if (target === undefined) throw new FlagError(name, "unknown");
      if (!target.endsWith(":")) add(target, "");
      else if (inline !== undefined) add(target.slice(0, -1), inline);
      else if (i + 1 < args.length) add(target.slice(0, -1), args[++i] ?? "");
      else throw new FlagError(name, "value");
    } else if (arg.startsWith("-") && arg.length > 1) {
      for (let at = 1; at < arg.length; at++) {
        const letter = arg.charAt(at);
        const where = letter === ":" ? -1 : spec.indexOf(letter);
        if (where < 0) throw new FlagError(letter, "unknown");
        if (spec[where + 1] !== ":") {
          add(letter, "");
          continue;
        }
        if (at + 1 < arg.length) add(letter, arg.slice(at + 1));
        else if (i + 1 < args.length) add(letter, args[++i] ?? "");
        else throw new FlagError(letter, "value");
        break;
      }
    } else if (stopAtOperand) {
      rest.push(...args.slice(i));
      break;
    } else rest.push(arg);
  }
  return flagsOf(values, rest);
}

/** Go's flag and pflag packages: `switches` take no separate value (but `-x=false` does); all other names of `named` take one. Throws FlagError. */
export function parseGoFlags(
  args: readonly string[],
  named: readonly string[],
  switches: readonly string[] = [],
  short: Readonly<Record<string, string>> = {},
): Flags {
  const values = new Map<string, string[]>();
  const rest: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    if (!arg.startsWith("-") || arg === "-") {
      rest.push(arg);
      continue;
    }
    if (arg === "--") {
      rest.push(...args.slice(i + 1));
      break;
    }
    const [written = "", inline] = splitOnce(arg.replace(/^--?/, ""), "=");
    const name = short[written] ?? written;
    const isSwitch = switches.includes(name);
    if (!isSwitch && !named.includes(name)) throw new FlagError(written, "unknown");
    const value = inline ?? (isSwitch ? "true" : args[++i]);
    if (value === undefined) throw new FlagError(written, "value");
    values.set(name, [...(values.get(name) ?? []), value]);
  }
  return flagsOf(values, rest);
}

/** The text before and after the first `separator`; the second is undefined when there is none. */
export function splitOnce(text: string, separator: string): readonly [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}
