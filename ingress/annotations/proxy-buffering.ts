// proxy-buffering, proxy-buffer-size, proxy-buffers-number, proxy-max-temp-file-size: how an answer waits on its way to the client.
// Upstream: internal/ingress/annotations/proxy. A head over proxy-buffer-size is 502. With buffering, small pieces are gathered into a
// buffer before they are sent, and the pod may be ahead of a slow client by all buffers and the temporary file, which here is memory
// and ends at 16 MB. proxy-busy-buffers-size is within that, and not seen. nginx buffers FastCGI always, and gRPC never.
import { annotationGroup, low, sizeBytes } from "./annotation.ts";
import { passedBy } from "./backend-protocol.ts";
import { INTEGER, ON_OFF, SIZE } from "./validators.ts";

export interface ProxyBuffering {
  readonly enabled: boolean;
  /** The pod's X-Accel-Buffering has a say. */
  readonly podDecides: boolean;
  readonly bufferBytes: number;
  /** How far the pod may be ahead of the client. */
  readonly aheadBytes: number;
}

const MOST_BYTES = 16 * 1024 ** 2;
/** A page of memory: fastcgi_buffer_size and grpc_buffer_size, of which the template says nothing. */
const NGINX_BUFFER_BYTES = 4096;

export const proxyBuffering = annotationGroup<ProxyBuffering>({
  upstream: "Proxy",
  annotations: {
    "proxy-buffering": low(ON_OFF),
    "proxy-buffer-size": low(SIZE),
    "proxy-buffers-number": low(INTEGER),
    "proxy-busy-buffers-size": low(SIZE),
    "proxy-max-temp-file-size": low(SIZE),
  },
  parse(read) {
    const { config } = read;
    const module = passedBy(read);
    if (module !== "proxy")
      return { enabled: module === "fastcgi", podDecides: module === "fastcgi", bufferBytes: NGINX_BUFFER_BYTES, aheadBytes: MOST_BYTES };
    const size = (name: string, fallback: string): number =>
      read.size(name, sizeBytes(config.text(name, fallback)) ?? sizeBytes(fallback) ?? 0);
    const bufferBytes = size("proxy-buffer-size", "4k");
    const number = read.number("proxy-buffers-number", config.number("proxy-buffers-number", 4));
    return {
      enabled: (read.text("proxy-buffering") ?? config.text("proxy-buffering", "off")) === "on",
      podDecides: true,
      bufferBytes,
      aheadBytes: Math.min(MOST_BYTES, number * bufferBytes + size("proxy-max-temp-file-size", "1024m")),
    };
  },
});
