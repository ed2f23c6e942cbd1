// mirror-target, mirror-host, mirror-request-body: a copy of each request, whose answer nobody sees.
// Upstream: internal/ingress/annotations/mirror; ngx_http_mirror_module.
import { annotationGroup } from "./annotation.ts";

export interface Mirror {
  /** A URL with variables; "" is none. */
  readonly target: string;
  readonly host: string;
  readonly requestBody: boolean;
}

export const mirror = annotationGroup<Mirror>({
  name: "mirror",
  annotations: ["mirror-target", "mirror-host", "mirror-request-body"],
  parse(read) {
    const target = read.text("mirror-target") ?? "";
    return { target, host: read.text("mirror-host") ?? "", requestBody: read.choice("mirror-request-body", ["on", "off"], "on") === "on" };
  },
});
