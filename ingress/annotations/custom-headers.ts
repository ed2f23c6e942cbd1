// custom-headers: a ConfigMap of response headers, whose names the administrator must have allowed; without the map, 503.
// Upstream: internal/ingress/annotations/customheaders. The ConfigMap key add-headers does the same for every location.
import { page } from "../answer.ts";
import { splitList } from "../config.ts";
import { expand } from "../variables.ts";
import { annotationGroup, LocationDenied, medium } from "./annotation.ts";
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
  parse(read) {
    const name = read.text("custom-headers") ?? "";
    const configMap = name === "" || name.includes("/") ? name : `${read.namespace}/${name}`;
    if (configMap !== "" && configMap.split("/")[0] !== read.namespace && !read.config.flag("allow-cross-namespace-resources", false)) {
      throw new LocationDenied("different namespace is not supported on custom_headers annotation");
    }
    return {
      configMap,
      allowed: splitList(read.config.text("global-allowed-response-headers").toLowerCase()),
      addHeaders: read.config.text("add-headers"),
    };
  },
  steps: ({ configMap, allowed, addHeaders }) => [
    ...(configMap === ""
      ? []
      : [
          {
            phase: "rewrite" as const,
            annotation: "custom-headers",
            run(exchange: Parameters<typeof expand>[0]) {
              const data = exchange.world.configMap(configMap);
              if (!data) return page(503, `custom-headers: ConfigMap ${configMap} does not exist`);
              const refused = Object.keys(data).find((name) => !allowed.includes(name.toLowerCase()));
              if (refused !== undefined) return page(503, `custom-headers: header ${refused} is not in global-allowed-response-headers`);
              for (const [name, value] of Object.entries(data)) exchange.setResponse(name, expand(exchange, value));
              return undefined;
            },
          },
        ]),
    ...(addHeaders === ""
      ? []
      : [
          {
            phase: "rewrite" as const,
            annotation: "add-headers",
            run(exchange: Parameters<typeof expand>[0]) {
              for (const [name, value] of Object.entries(exchange.world.configMap(addHeaders) ?? {}))
                exchange.setResponse(name, expand(exchange, value));
              return undefined;
            },
          },
        ]),
  ],
});
