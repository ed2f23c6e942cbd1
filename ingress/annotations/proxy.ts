// proxy-*: timeouts, tries, body size and buffers of the connection to the pod.
// Upstream: internal/ingress/annotations/proxy, with defaults of the ConfigMap keys of the same names. Buffers of answers and
// temporary files have no counterpart: what comes is passed on.
import { annotationGroup, sizeBytes } from "./annotation.ts";

export interface Proxy {
  /** 0: no limit. */
  readonly bodySizeBytes: number;
  readonly connectTimeoutMs: number;
  readonly sendTimeoutMs: number;
  readonly readTimeoutMs: number;
  /** Conditions of proxy_next_upstream. */
  readonly nextUpstream: ReadonlySet<string>;
  readonly nextUpstreamTimeoutMs: number;
  /** 0: no limit. */
  readonly nextUpstreamTries: number;
  readonly requestBuffering: boolean;
  readonly responseBuffering: boolean;
  readonly bufferSizeBytes: number;
  readonly httpVersion: "1.0" | "1.1";
}

const MEBIBYTE = 1024 ** 2;

export const proxy = annotationGroup<Proxy>({
  name: "proxy",
  annotations: [
    "proxy-body-size",
    "proxy-connect-timeout",
    "proxy-send-timeout",
    "proxy-read-timeout",
    "proxy-next-upstream",
    "proxy-next-upstream-timeout",
    "proxy-next-upstream-tries",
    "proxy-request-buffering",
    "proxy-buffering",
    "proxy-buffer-size",
    "proxy-buffers-number",
    "proxy-busy-buffers-size",
    "proxy-max-temp-file-size",
    "proxy-http-version",
    "client-body-buffer-size",
  ],
  parse(read) {
    const { config } = read;
    if (read.text("proxy-buffering") === "on") read.problem("proxy-buffering", "not modelled: answers are passed on as the pod gives them");
    const seconds = (name: string, fallback: number): number => read.number(name, config.number(name, fallback)) * 1000;
    return {
      bodySizeBytes: read.size("proxy-body-size", sizeBytes(config.text("proxy-body-size", "1m")) ?? MEBIBYTE),
      connectTimeoutMs: seconds("proxy-connect-timeout", 5),
      sendTimeoutMs: seconds("proxy-send-timeout", 60),
      readTimeoutMs: seconds("proxy-read-timeout", 60),
      nextUpstream: new Set((read.text("proxy-next-upstream") ?? config.text("proxy-next-upstream", "error timeout")).split(/\s+/)),
      nextUpstreamTimeoutMs: seconds("proxy-next-upstream-timeout", 0),
      nextUpstreamTries: read.number("proxy-next-upstream-tries", config.number("proxy-next-upstream-tries", 3)),
      requestBuffering: (read.text("proxy-request-buffering") ?? config.text("proxy-request-buffering", "on")) !== "off",
      responseBuffering: (read.text("proxy-buffering") ?? config.text("proxy-buffering", "off")) === "on",
      bufferSizeBytes: read.size("proxy-buffer-size", sizeBytes(config.text("proxy-buffer-size", "4k")) ?? 4096),
      httpVersion: read.choice("proxy-http-version", ["1.0", "1.1"], "1.1"),
    };
  },
});
