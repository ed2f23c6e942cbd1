// enable-access-log: the controller's log line for a request.
// Upstream: internal/ingress/annotations/log.
import { annotationGroup } from "./annotation.ts";

export const accessLog = annotationGroup<boolean>({
  name: "accessLog",
  annotations: ["enable-access-log"],
  parse: (read) => read.flag("enable-access-log", !read.config.flag("disable-access-log", false)),
});
