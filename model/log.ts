// Background failures, and nothing else: what a user should see is an Event, what happened on the path is a Hop.
// One structured line to stderr, or to whoever installed a sink (tests, the dashboard).
export type LogLevel = "debug" | "info" | "warn" | "error";

export interface LogRecord {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

const ORDER: readonly LogLevel[] = ["debug", "info", "warn", "error"];
let sink: (record: LogRecord) => void = writeLine;
let threshold: LogLevel = "warn";

/** Writes a record at or above the threshold (default "warn"). An `error` field is written as its message, with its stack at "debug". */
export function log(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>> = {}): void {
  if (ORDER.indexOf(level) >= ORDER.indexOf(threshold)) sink({ level, message, fields });
}

/** Changes where records go and from which level on; returns how to undo it. */
export function configureLog(options: { readonly level?: LogLevel; readonly sink?: (record: LogRecord) => void }): Disposable {
  const before = { sink, threshold };
  sink = options.sink ?? sink;
  threshold = options.level ?? threshold;
  return {
    [Symbol.dispose]() {
      ({ sink, threshold } = before);
    },
  };
}

function writeLine({ level, message, fields }: LogRecord): void {
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${JSON.stringify(text(value))}`);
  process.stderr.write(`${[level.toUpperCase(), message, ...rest].join(" ")}\n`);
}

function text(value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  return threshold === "debug" ? (value.stack ?? value.message) : value.message;
}
