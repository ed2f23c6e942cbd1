// upstream-vhost: the Host that the pod sees.
// Upstream: internal/ingress/annotations/upstreamvhost.
import { expand } from "../variables.ts";
import { annotationGroup } from "./annotation.ts";

export const upstreamVhost = annotationGroup<string>({
  name: "upstreamVhost",
  annotations: ["upstream-vhost"],
  parse: (read) => read.text("upstream-vhost") ?? "",
  steps: (host) =>
    host === ""
      ? []
      : [
          {
            phase: "content",
            annotation: "upstream-vhost",
            run(exchange) {
              exchange.setUpstream("Host", expand(exchange, host));
              return undefined;
            },
          },
        ],
});
