// backend-protocol: what is spoken with the pods. Invalid values and FCGI mean HTTP, which a Warning says.
// Upstream: internal/ingress/annotations/backendprotocol, proxy.
import { annotationGroup } from "./annotation.ts";

export const BACKEND_PROTOCOLS = ["HTTP", "HTTPS", "AUTO_HTTP", "GRPC", "GRPCS", "FCGI"] as const;
export type BackendProtocol = (typeof BACKEND_PROTOCOLS)[number];

export const backendProtocol = annotationGroup<BackendProtocol>({
  name: "backendProtocol",
  annotations: ["backend-protocol"],
  parse(read) {
    const text = read.text("backend-protocol")?.toUpperCase();
    const found = BACKEND_PROTOCOLS.find((protocol) => protocol === text);
    if (text !== undefined && found === undefined) read.problem("backend-protocol", `protocol ${text} is not valid; HTTP is used`);
    if (found === "FCGI") read.problem("backend-protocol", "FCGI is not modelled; HTTP is used");
    return found ?? "HTTP";
  },
});
