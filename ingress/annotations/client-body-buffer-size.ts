// client-body-buffer-size: memory for a request's body before it goes to disk. Neither client nor pod can see it; it is checked only.
// Upstream: internal/ingress/annotations/clientbodybuffersize.
import { annotationGroup, low } from "./annotation.ts";
import { SIZE } from "./validators.ts";

export const clientBodyBufferSize = annotationGroup<string | undefined>({
  upstream: "ClientBodyBufferSize",
  annotations: { "client-body-buffer-size": low(SIZE, "drop") },
  parse: (read) => read.text("client-body-buffer-size"),
});
