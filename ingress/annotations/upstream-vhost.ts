// upstream-vhost: the Host that the pod sees.
// Upstream: internal/ingress/annotations/upstreamvhost.
import { expand } from "../request/variables.ts";
import { annotationGroup, low } from "./annotation.ts";
import { SERVER_NAME } from "./validators.ts";

export const upstreamVhost = annotationGroup<string>({
  upstream: "UpstreamVhost",
  annotations: { "upstream-vhost": low(SERVER_NAME, "drop") },
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
