// mirror-target, mirror-host, mirror-request-body: a copy of each request, whose answer nobody sees.
// Upstream: internal/ingress/annotations/mirror; ngx_http_mirror_module.
import { annotationGroup, high, low } from "./annotation.ts";
import { ON_OFF, SERVER_NAME } from "./validators.ts";

export interface Mirror {
  /** A URL with variables; "" is none. */
  readonly target: string;
  readonly host: string;
  readonly requestBody: boolean;
}

export const mirror = annotationGroup<Mirror>({
  upstream: "Mirror",
  annotations: {
    "mirror-target": high(SERVER_NAME),
    "mirror-host": high(SERVER_NAME),
    "mirror-request-body": low(ON_OFF),
  },
  parse(read) {
    const target = read.text("mirror-target") ?? "";
    return { target, host: read.text("mirror-host") ?? "", requestBody: read.text("mirror-request-body") !== "off" };
  },
});
