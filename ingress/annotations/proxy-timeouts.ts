// proxy-connect-timeout, proxy-send-timeout, proxy-read-timeout: 504 when a pod takes longer; seconds without a unit.
// Upstream: internal/ingress/annotations/proxy. Sending and reading: between two writes or reads.
import { annotationGroup, low } from "./annotation.ts";
import { INTEGER } from "./validators.ts";

export interface ProxyTimeouts {
  readonly connectMs: number;
  readonly sendMs: number;
  readonly readMs: number;
}

export const proxyTimeouts = annotationGroup<ProxyTimeouts>({
  upstream: "Proxy",
  annotations: { "proxy-connect-timeout": low(INTEGER), "proxy-send-timeout": low(INTEGER), "proxy-read-timeout": low(INTEGER) },
  parse(read) {
    // Less than nothing is no configuration that nginx would take.
    const known = (seconds: number, otherwise: number): number => (seconds >= 0 ? seconds : otherwise);
    const ms = (name: string, seconds: number): number => {
      const everywhere = known(read.config.number(name, seconds), seconds);
      return known(read.number(name, everywhere), everywhere) * 1000;
    };
    return { connectMs: ms("proxy-connect-timeout", 5), sendMs: ms("proxy-send-timeout", 60), readMs: ms("proxy-read-timeout", 60) };
  },
});
