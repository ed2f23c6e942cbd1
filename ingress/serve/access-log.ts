// The access log of one controller pod, on its stdout: off until asked for.
// Upstream: access_log of nginx.tmpl. There it is on unless `disable-access-log` says otherwise; here `disable-access-log: "false"` or a
// `log-format-upstream` switches it on, and `enable-access-log: "true"` does for one Ingress. Requests to the controller's own default
// backend are left out, unless `enable-access-log-for-default-backend`. Leaves out syslog.
import type { ControllerConfig } from "../config.ts";
import type { Exchange } from "../request/exchange.ts";
import { mapKey } from "../routes/map-key.ts";
import { type LogOutput, onStdout } from "./log-output.ts";
import { compileLogFormat, DEFAULT_FORMAT, type LogFormat, type LogSubject } from "./log-format.ts";
import { perConfig } from "./per-config.ts";

interface Rules {
  /** Of Ingresses that say nothing themselves; "never" stands above them. */
  readonly mode: "on" | "off" | "never";
  readonly defaultBackend: boolean;
  readonly skipped: readonly ((target: string) => boolean)[];
  readonly format: LogFormat;
}

export class AccessLog {
  readonly #output: LogOutput;
  readonly #rulesOf = perConfig(rules);

  constructor(output: LogOutput) {
    this.#output = output;
  }
  /** Whether a request will be written: nothing is gathered for one that will not. */
  wants(config: ControllerConfig, exchange: Exchange | undefined, target: string): boolean {
    const { mode, defaultBackend, skipped } = this.#rulesOf(config);
    if (mode === "never") return false;
    const location = exchange?.location;
    if (location && location.owner === undefined && !defaultBackend) return false;
    if (!(location?.settings.accessLog ?? mode === "on")) return false;
    return !skipped.some((matches) => matches(target));
  }
  write(config: ControllerConfig, subject: LogSubject): void {
    this.#output.write(`${this.#rulesOf(config).format(subject)}\n`, config);
  }
}

function rules(config: ControllerConfig): Rules {
  const format = config.text("log-format-upstream");
  const disabled = config.flag("disable-access-log", format === "") && config.flag("disable-http-access-log", true);
  const never = config.flag("disable-access-log", false) || config.flag("disable-http-access-log", false) || !onStdout(config, "http");
  const escape = config.flag("log-format-escape-none", false) ? "none" : config.flag("log-format-escape-json", false) ? "json" : "default";
  return {
    mode: never ? "never" : disabled ? "off" : "on",
    defaultBackend: config.flag("enable-access-log-for-default-backend", false),
    skipped: config.list("skip-access-log-urls").flatMap((text) => mapKey(text) ?? []),
    format: compileLogFormat(format === "" ? DEFAULT_FORMAT : format, escape),
  };
}
