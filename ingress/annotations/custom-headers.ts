// custom-headers: a ConfigMap of response headers, whose names the administrator must have allowed; without the map, 503.
// Upstream: internal/ingress/annotations/customheaders. The ConfigMap key add-headers does the same for every location.
import type { Exchange } from "../request/exchange.ts";
import { shown } from "../request/server-header.ts";
import { expand } from "../request/variables.ts";
import { annotationGroup, medium } from "./annotation.ts";
import { BASIC } from "./validators.ts";

export interface CustomHeaders {
  /** `namespace/name`; "" when not asked for. */
  readonly configMap: string;
  readonly allowed: readonly string[];
  readonly addHeaders: string;
}

export const customHeaders = annotationGroup<CustomHeaders>({
  upstream: "CustomHeaders",
  annotations: { "custom-headers": medium(BASIC) },
  parse: (read) => ({
    configMap: read.text("custom-headers") ?? "",
    allowed: read.config.list("global-allowed-response-headers"),
    addHeaders: read.config.text("add-headers"),
  }),
  denial: ({ configMap, allowed }) =>
    configMap === ""
      ? undefined
      : {
          annotation: "custom-headers",
          why(objects) {
            const data = objects.configMap(configMap);
            const reason = data ? wrongLine(data, allowed) : `unable to find configMap ${JSON.stringify(configMap)}`;
            return reason === undefined ? undefined : `location denied, reason: ${reason}`;
          },
        },
  steps: ({ configMap, addHeaders }) => [
    // In the order of more_set_headers: what the location says replaces what http says.
    ...(addHeaders === "" ? [] : [{ phase: "location" as const, annotation: "add-headers", run: addAll }]),
    ...(configMap === ""
      ? []
      : [{ phase: "location" as const, annotation: "custom-headers", run: (exchange: Exchange) => setCustom(exchange, configMap) }]),
  ],
});

const NAME = /^[a-zA-Z\d\-_]+$/;
const VALUE = /^[a-zA-Z\d_ :;.,\\/"'?!(){}[\]@<>=\-+*#$&`|~^%]+$/;

function wrongLine(data: Readonly<Record<string, string>>, allowed: readonly string[]): string | undefined {
  for (const [name, value] of Object.entries(data)) {
    if (!NAME.test(name)) return "invalid header name in configmap";
    if (!VALUE.test(value)) return "invalid header value in configmap";
    if (!allowed.includes(name))
      return `header ${name} is not allowed, defined allowed headers inside global-allowed-response-headers [${allowed.join(" ")}]`;
  }
  return undefined;
}

/** All of the map, as it stands. */
function setCustom(exchange: Exchange, configMap: string): undefined {
  for (const [name, value] of Object.entries(exchange.world.configMap(configMap) ?? {})) exchange.setResponse(name, value);
  return undefined;
}

/** Of every location, with variables. */
export function addAll(exchange: Exchange): undefined {
  const { addHeaders } = exchange.location.settings.customHeaders;
  const data = exchange.world.configMap(addHeaders) ?? {};
  for (const [name, value] of Object.entries(data))
    if (shown(exchange.table.config) || name.toLowerCase() !== "server") exchange.setResponseText(name, () => expand(exchange, value));
  return undefined;
}
