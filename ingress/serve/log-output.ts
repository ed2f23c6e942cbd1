// Where an access log's lines go: at once, or with access-log-params `buffer=32k flush=5s` in pieces.
// Upstream: access_log's parameters in ngx_http_log_module. Leaves out gzip, and paths: a log in a file of its own is not on stdout.
import type { Writable } from "node:stream";
import type { Clock, Timer } from "../../model/clock.ts";
import { sizeBytes, timeMs } from "../annotations/annotation.ts";
import type { ControllerConfig } from "../config.ts";

/** What the image links to its stdout. */
const STDOUT = ["/var/log/nginx/access.log", "/dev/stdout"];

/** Whether a log is one that `kubectl logs` shows: by the path of its kind, else by access-log-path. */
export function onStdout(config: ControllerConfig, kind: "http" | "stream"): boolean {
  return STDOUT.includes(config.text(`${kind}-access-log-path`) || config.text("access-log-path") || "/dev/stdout");
}

interface Params {
  /** 0: a line at a time. */
  readonly bufferBytes: number;
  /** Undefined: when the buffer is full. */
  readonly flushMs: number | undefined;
}

export class LogOutput {
  readonly #output: Writable;
  readonly #clock: Clock;
  #config: ControllerConfig | undefined;
  #params: Params = { bufferBytes: 0, flushMs: undefined };
  #waiting = "";
  #timer: Timer | undefined;

  constructor(output: Writable, clock: Clock) {
    this.#output = output;
    this.#clock = clock;
  }
  write(line: string, config: ControllerConfig): void {
    const { bufferBytes, flushMs } = this.#paramsOf(config);
    if (this.#waiting.length + line.length > bufferBytes) this.flush();
    if (line.length > bufferBytes) return void this.#output.write(line);
    if (this.#waiting === "" && flushMs !== undefined) this.#timer = this.#clock.after(flushMs, () => this.flush(), { background: true });
    this.#waiting += line;
  }
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#waiting !== "") this.#output.write(this.#waiting);
    this.#waiting = "";
  }
  #paramsOf(config: ControllerConfig): Params {
    if (this.#config !== config) {
      this.flush();
      this.#config = config;
      this.#params = params(config.text("access-log-params"));
    }
    return this.#params;
  }
}

function params(text: string): Params {
  const value = (name: string): string => new RegExp(`(?:^|\\s)${name}=(\\S+)`).exec(text)?.[1] ?? "";
  return { bufferBytes: sizeBytes(value("buffer")) ?? 0, flushMs: value("flush") === "" ? undefined : timeMs(value("flush")) };
}
