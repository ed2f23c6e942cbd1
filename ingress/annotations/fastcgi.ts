// fastcgi-index, fastcgi-params-configmap: what FCGI pods are told beside nginx's fastcgi_params.
// Upstream: internal/ingress/annotations/fastcgi; ngx_http_fastcgi_module, which passes the client's headers as HTTP_* and none of ours.
import type { CgiParam } from "../engine/fastcgi-records.ts";
import type { Exchange } from "../request/exchange.ts";
import { parseTarget } from "../request/request-path.ts";
import { NGINX } from "../request/server-header.ts";
import { expand } from "../request/variables.ts";
import { annotationGroup, GroupSkipped, LocationDenied, medium, noObject } from "./annotation.ts";
import { BASIC, matching } from "./validators.ts";

export interface FastCgi {
  /** Added to a path that ends in a slash. */
  readonly index: string;
  /** `namespace/name` of a ConfigMap; "" is none. */
  readonly params: string;
}

const NAME = /^[A-Za-z0-9.\-_]+$/;
const VALUE = /^[A-Za-z0-9\-_${}/.]*$/;

export const fastcgi = annotationGroup<FastCgi>({
  upstream: "FastCGI",
  annotations: { "fastcgi-index": medium(matching(NAME), "drop"), "fastcgi-params-configmap": medium(BASIC, "drop") },
  parse(read) {
    const index = read.text("fastcgi-index") ?? "";
    const text = read.text("fastcgi-params-configmap") ?? "";
    const parts = text.split("/");
    const [name = "", namespace = ""] = parts.reverse();
    if (parts.length > 2)
      throw new LocationDenied(`error reading configmap name from annotation: unexpected key format: ${JSON.stringify(text)}`);
    if (namespace !== "" && namespace !== read.namespace && !read.config.flag("allow-cross-namespace-resources", false)) {
      read.problem("fastcgi-params-configmap", "different namespace is not supported on fast_cgi param configmap");
      throw new GroupSkipped(name);
    }
    // Whichever namespace it names, its own is looked in.
    return { index, params: name === "" ? "" : `${read.namespace}/${name}` };
  },
  denial: ({ params }) =>
    params === ""
      ? undefined
      : {
          annotation: "fastcgi-params-configmap",
          why(objects) {
            const data = objects.configMap(params);
            if (!data) return `unexpected error reading configmap ${params}: ${noObject(params)}`;
            const wrong = Object.entries(data).some(([name, value]) => !NAME.test(name) || !VALUE.test(value));
            return wrong ? "fcgi contains invalid key or value" : undefined;
          },
        },
});

/** Of images/nginx: where its files are. */
const DOCUMENT_ROOT = "/usr/local/nginx/html";

/** fastcgi_params, then the ConfigMap's, then the client's headers. */
export function cgiParams(exchange: Exchange, bodyBytes: number | undefined): readonly CgiParam[] {
  const { facts, world, location, table } = exchange;
  const { index, params } = location.settings.fastcgi;
  const target = parseTarget(exchange.upstreamTarget);
  const path = target?.path ?? facts.parsed.path;
  const script = path.endsWith("/") ? path + index : path;
  const variable = (name: string): string => expand(exchange, `$${name}`);
  const own: CgiParam[] = [
    ["QUERY_STRING", target?.query ?? ""],
    ["REQUEST_METHOD", facts.method],
    ["CONTENT_TYPE", variable("content_type")],
    ["CONTENT_LENGTH", bodyBytes === undefined ? variable("content_length") : String(bodyBytes)],
    ["SCRIPT_NAME", script],
    ["REQUEST_URI", facts.target],
    ["DOCUMENT_URI", path],
    ["DOCUMENT_ROOT", DOCUMENT_ROOT],
    ["SERVER_PROTOCOL", variable("server_protocol")],
    ["REQUEST_SCHEME", facts.scheme],
    ...(facts.scheme === "https" ? [["HTTPS", "on"] as const] : []),
    ["GATEWAY_INTERFACE", "CGI/1.1"],
    ["SERVER_SOFTWARE", NGINX],
    ["REMOTE_ADDR", facts.clientIp],
    ["REMOTE_PORT", variable("remote_port")],
    ["REMOTE_USER", exchange.remoteUser],
    ["SERVER_ADDR", world.pod.ip],
    ["SERVER_PORT", String(facts.serverPort)],
    ["SERVER_NAME", variable("server_name")],
    ["REDIRECT_STATUS", "200"],
  ];
  const cgi = new Map([
    ["fastcgi_script_name", script],
    ["document_root", DOCUMENT_ROOT],
  ]);
  for (const [name, value] of Object.entries(params === "" ? {} : (world.configMap(params) ?? {})))
    own.push([name, expand(exchange, value, undefined, undefined, (variable) => cgi.get(variable))]);
  const set = new Set(own.map(([name]) => name));
  const underscores = table.config.flag("enable-underscores-in-headers", false);
  for (const [name, value] of Object.entries({ host: facts.hostHeader, ...facts.headers })) {
    if (value === undefined || name.startsWith(":") || (name.includes("_") && !underscores)) continue;
    const key = `HTTP_${name.toUpperCase().replaceAll("-", "_")}`;
    if (!set.has(key)) own.push([key, Array.isArray(value) ? value.join(", ") : value]);
  }
  return own;
}
