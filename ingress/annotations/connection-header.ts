// connection-proxy-header: the Connection header that the pod sees.
// Upstream: internal/ingress/annotations/connection.
import { annotationGroup, low } from "./annotation.ts";
import { matching } from "./validators.ts";

export const connectionHeader = annotationGroup<string>({
  upstream: "Connection",
  annotations: { "connection-proxy-header": low(matching(/^(?:close|keep-alive)$/), "drop") },
  parse: (read) => read.text("connection-proxy-header") ?? "",
  steps: (value) =>
    value === ""
      ? []
      : [
          {
            phase: "content",
            annotation: "connection-proxy-header",
            run(exchange) {
              exchange.setUpstream("Connection", value);
              return undefined;
            },
          },
        ],
});
