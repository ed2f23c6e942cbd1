// custom-headers: a ConfigMap of response headers, whose names the administrator must have allowed; without the map, 503.
// Upstream: internal/ingress/annotations/customheaders. The ConfigMap key add-headers does the same for every location.
import { type Answer, page } from "../answer.ts";
import type { Exchange } from "../exchange.ts";
import { shown } from "../server-header.ts";
import { expand } from "../variables.ts";
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
  steps: ({ configMap, allowed, addHeaders }) => [
    // In the order of more_set_headers: what the location says replaces what http says.
    ...(addHeaders === "" ? [] : [{ phase: "location" as const, annotation: "add-headers", run: addAll }]),
    ...(configMap === ""
      ? []
      : [
          {
            phase: "location" as const,
            annotation: "custom-headers",
            run: (exchange: Exchange) => setCustom(exchange, configMap, allowed),
          },
        ]),
  ],
});

const NAME = /^[a-zA-Z\d\-_]+$/;
const VALUE = /^[a-zA-Z\d_ :;.,\\/"'?!(){}[\]@<>=\-+*#$&`|~^%]+$/;

/** All of the map, as it stands, or 503. */
function setCustom(exchange: Exchange, configMap: string, allowed: readonly string[]): Answer | undefined {
  const data = exchange.world.configMap(configMap);
  if (!data) return page(503, `custom-headers: unable to find configMap "${configMap}"`);
  for (const [name, value] of Object.entries(data)) {
    if (!NAME.test(name)) return page(503, "custom-headers: invalid header name in configmap");
    if (!VALUE.test(value)) return page(503, "custom-headers: invalid header value in configmap");
    if (!allowed.includes(name)) return page(503, `custom-headers: header ${name} is not in global-allowed-response-headers`);
    exchange.setResponse(name, value);
  }
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
