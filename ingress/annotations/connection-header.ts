// connection-proxy-header: the Connection header that the pod sees.
// Upstream: internal/ingress/annotations/connection.
import { annotationGroup } from "./annotation.ts";

export const connectionHeader = annotationGroup<string>({
  name: "connectionHeader",
  annotations: ["connection-proxy-header"],
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
