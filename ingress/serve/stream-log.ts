// The access log of tcp-services and udp-services: one line for each connection or session that is over.
// Upstream: log-format-stream of nginx.tmpl, ngx_stream_log_module. Off until asked for, as the log of requests is: by a
// `log-format-stream`, or by `disable-access-log` or `disable-stream-access-log` "false". What ssl-passthrough carries is in no log.
import type { ControllerConfig } from "../config.ts";
import { localTime, seconds } from "../request/nginx-times.ts";
import { type Format, compileFormat } from "./log-format.ts";
import { type LogOutput, onStdout } from "./log-output.ts";
import { perConfig } from "./per-config.ts";

const DEFAULT_STREAM_FORMAT = "[$remote_addr] [$time_local] $protocol $status $bytes_sent $bytes_received $session_time";

/** A connection or session that is over. Sizes in bytes, times monotonic but for `nowMs`. */
export interface StreamSubject {
  readonly protocol: "TCP" | "UDP";
  readonly upstream: string;
  readonly client: StreamEnd | undefined;
  readonly server: StreamEnd | undefined;
  /** Who came, where a trusted balancer said that it is another. */
  readonly peer: StreamEnd | undefined;
  /** 200; 400: no PROXY header could be read; 502: no pod could be connected to. */
  status: 200 | 400 | 502;
  /** From the client, and to it. */
  received: number;
  sent: number;
  readonly startedAt: number;
  endedAt: number;
  nowMs: number;
  readonly tries: StreamTry[];
}

export interface StreamEnd {
  readonly ip: string;
  readonly port: number;
}

export interface StreamTry {
  readonly address: string;
  readonly startedAt: number;
  connectedAt: number | undefined;
  firstByteAt: number | undefined;
}

interface Rules {
  readonly on: boolean;
  readonly format: Format<StreamSubject>;
}

export class StreamLog {
  readonly #output: LogOutput;
  readonly #rulesOf = perConfig(rules);

  constructor(output: LogOutput) {
    this.#output = output;
  }
  /** Whether a stream will be written: nothing is counted for one that will not. */
  wants(config: ControllerConfig): boolean {
    return this.#rulesOf(config).on;
  }
  write(config: ControllerConfig, subject: StreamSubject): void {
    this.#output.write(`${this.#rulesOf(config).format(subject)}\n`, config);
  }
}

function rules(config: ControllerConfig): Rules {
  const format = config.text("log-format-stream");
  const asked = format !== "" || !config.flag("disable-access-log", true) || !config.flag("disable-stream-access-log", true);
  const never = config.flag("disable-access-log", false) || config.flag("disable-stream-access-log", false);
  return {
    on: asked && !never && onStdout(config, "stream"),
    format: compileFormat(format === "" ? DEFAULT_STREAM_FORMAT : format, "default", valueOf),
  };
}

function valueOf(subject: StreamSubject, name: string): string | undefined {
  return VARIABLES[name]?.(subject);
}

const VARIABLES: Readonly<Record<string, (subject: StreamSubject) => string | undefined>> = {
  remote_addr: ({ client }) => client?.ip,
  remote_port: ({ client }) => text(client?.port),
  realip_remote_addr: ({ peer }) => peer?.ip,
  realip_remote_port: ({ peer }) => text(peer?.port),
  server_addr: ({ server }) => server?.ip,
  server_port: ({ server }) => text(server?.port),
  time_local: ({ nowMs }) => localTime(nowMs),
  time_iso8601: ({ nowMs }) => new Date(nowMs).toISOString().replace(/\.\d+Z$/, "+00:00"),
  msec: ({ nowMs }) => seconds(nowMs),
  protocol: ({ protocol }) => protocol,
  status: ({ status }) => String(status),
  bytes_sent: ({ sent }) => String(sent),
  bytes_received: ({ received }) => String(received),
  session_time: ({ startedAt, endedAt }) => seconds(endedAt - startedAt),
  proxy_upstream_name: ({ upstream }) => upstream,
  upstream_addr: overTries(({ address }) => address),
  upstream_bytes_sent: lastOf(({ received }) => received),
  upstream_bytes_received: lastOf(({ sent }) => sent),
  upstream_connect_time: overTries(({ startedAt, connectedAt }) => (connectedAt === undefined ? "-" : seconds(connectedAt - startedAt))),
  upstream_first_byte_time: overTries(({ startedAt, firstByteAt }) => (firstByteAt === undefined ? "-" : seconds(firstByteAt - startedAt))),
  upstream_session_time: overTries(({ startedAt }, { endedAt }) => seconds(endedAt - startedAt)),
};

const text = (value: number | undefined): string | undefined => (value === undefined ? undefined : String(value));

/** By commas; absent when no pod was tried. */
function overTries(of: (tried: StreamTry, subject: StreamSubject) => string): (subject: StreamSubject) => string | undefined {
  return (subject) => (subject.tries.length === 0 ? undefined : subject.tries.map((tried) => of(tried, subject)).join(", "));
}

/** Only the last pod can have been sent anything. */
function lastOf(of: (subject: StreamSubject) => number): (subject: StreamSubject) => string | undefined {
  return (subject) => {
    const { tries } = subject;
    return tries.length === 0 ? undefined : tries.map((_, i) => (i === tries.length - 1 ? of(subject) : 0)).join(", ");
  };
}
