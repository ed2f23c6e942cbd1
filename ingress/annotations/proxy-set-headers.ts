// The ConfigMap's proxy-set-headers and proxy-add-original-uri-header: headers for every pod. No annotation.
// Upstream: nginx.tmpl, location block; after the template's own headers, which they may replace.
import type { Exchange } from "../request/exchange.ts";
import { expand } from "../request/variables.ts";
import { annotationGroup, type Step } from "./annotation.ts";

export interface ProxySetHeaders {
  /** `namespace/name` of a ConfigMap; "" is none. */
  readonly configMap: string;
  readonly originalUri: boolean;
}

const step = (annotation: string, set: (exchange: Exchange) => void): Step => ({
  phase: "content",
  annotation,
  run(exchange) {
    set(exchange);
    return undefined;
  },
});

export const proxySetHeaders = annotationGroup<ProxySetHeaders>({
  upstream: "",
  annotations: {},
  parse: ({ config }) => ({
    configMap: config.text("proxy-set-headers"),
    originalUri: config.flag("proxy-add-original-uri-header", false),
  }),
  steps: ({ configMap, originalUri }) => [
    ...(originalUri
      ? [step("proxy-add-original-uri-header", (exchange) => exchange.setUpstream("X-Original-URI", exchange.facts.target))]
      : []),
    ...(configMap === ""
      ? []
      : [
          step("proxy-set-headers", (exchange) => {
            for (const [name, value] of Object.entries(exchange.world.configMap(configMap) ?? {}))
              exchange.upstreamAdded.push([name, expand(exchange, value)]);
          }),
        ]),
  ],
});
