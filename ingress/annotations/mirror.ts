// mirror-target, mirror-host, mirror-request-body: a copy of each request, whose answer nobody sees.
// Upstream: internal/ingress/annotations/mirror; ngx_http_mirror_module.
import { annotationGroup, high, low } from "./annotation.ts";
import { ON_OFF, SERVER_NAME } from "./validators.ts";

export interface Mirror {
  /** A URL with variables; "" is none. */
  readonly target: string;
  /** Host that it sees; "" is no mirror. */
  readonly host: string;
  /** Path of a target without one. */
  readonly location: string;
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
    return {
      target,
      host: read.text("mirror-host") ?? hostOf(target),
      location: `/_mirror-${read.ingress?.metadata.uid ?? ""}`,
      requestBody: read.text("mirror-request-body") !== "off",
    };
  },
});

/** The name of what stands before the first variable. */
function hostOf(target: string): string {
  const [fixed = ""] = target.split("$");
  return /^[a-z][a-z0-9+.-]*:\/\/([^/?#:]+)/i.exec(fixed)?.[1] ?? "";
}

export const mirrored = ({ target, host }: Mirror): boolean => target !== "" && host !== "";

/** The URL that a request is mirrored to: nginx adds path and arguments where the target leaves them out. */
export function mirrorUrl({ target, location }: Mirror, expanded: string, query: string | undefined): string {
  const withPath = /^[a-z]+:\/\/[^/?]*[/?]/i.test(expanded);
  if (withPath && target.includes("$")) return expanded;
  return `${expanded}${withPath ? "" : location}${query === undefined || query === "" ? "" : `?${query}`}`;
}
