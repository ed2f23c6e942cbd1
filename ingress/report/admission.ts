// What upstream's admission webhook refuses and warns of, in its words.
// Upstream: internal/ingress/controller/controller.go CheckIngress, CheckWarning, checkOverlap. The webhook's own prefix stands before each message.
import type { Clock } from "../../model/clock.ts";
import { StatusError } from "../../model/errors.ts";
import type { Ingress } from "../../model/kinds/networking-v1.ts";
import { keyOf, splitKey } from "../../model/object.ts";
import { ConfigMaps, Ingresses } from "../../model/resources.ts";
import type { Admission, Reader } from "../../store/index.ts";
import type { CheckCounts } from "./check-counts.ts";
import { ControllerConfig, type ControllerFlags, DEFAULT_FLAGS } from "../config.ts";
import { classFacts } from "../routes/class-facts.ts";
import { ignoredBecause } from "../routes/ingress-class.ts";
import { blockedWord, CATCH_ALL, compareParts, type IngressPart, inspectIngress, readIngress } from "../routes/ingress-part.ts";
import { overlap } from "../routes/overlap.ts";

const WEBHOOK = 'admission webhook "validate.nginx.ingress.kubernetes.io" denied the request: ';

/** `flags`: of the controllers that run. */
export function ingressAdmission(flags: () => ControllerFlags, checks: CheckCounts, clock: Clock): readonly Admission[] {
  const admission: Admission = {
    name: "ValidateNginxIngress",
    types: [Ingresses],
    operations: ["CREATE", "UPDATE"],
    admit({ object, subresource, options }, tx) {
      const ingress = asIngress(object);
      if (subresource !== undefined || !ingress) return;
      if (options.warn) for (const text of warningsOf(ingress, flags())) options.warn(text);
      const startedAt = clock.monotonic();
      const wrong = checkIngress(ingress, flags(), tx);
      const totalSeconds = (clock.monotonic() - startedAt) / 1000;
      if (wrong !== undefined) {
        checks.refused(keyOf(ingress));
        throw new StatusError(400, "BadRequest", WEBHOOK + wrong);
      }
      checks.passed(keyOf(ingress), { ingresses: tx.list(Ingresses).length, readSeconds: 0, testSeconds: totalSeconds, totalSeconds });
    },
  };
  return [classAnnotation, admission];
}

const CLASS = "kubernetes.io/ingress.class";

/** The API server's own word, k8s pkg/registry/networking/ingress/strategy.go WarningsOnCreate. */
const classAnnotation: Admission = {
  name: "IngressClassAnnotation",
  types: [Ingresses],
  operations: ["CREATE"],
  admit({ object, options }) {
    const ingress = asIngress(object);
    if (ingress?.metadata.annotations?.[CLASS] === undefined || ingress.spec.ingressClassName !== undefined) return;
    options.warn?.(`annotation ${JSON.stringify(CLASS)} is deprecated, please use 'spec.ingressClassName' instead`);
  },
};

/** Admission sees drafts of the kinds it asked for. */
function asIngress(object: { readonly kind: string }): Ingress | undefined {
  return object.kind === "Ingress" ? (object as Ingress) : undefined;
}

/** Undefined when it is admitted. Ingresses of other classes are inspected, no more. */
export function checkIngress(
  ingress: Ingress | undefined,
  flags: ControllerFlags,
  reader: Pick<Reader, "get" | "list">,
): string | undefined {
  if (!ingress || ingress.metadata.deletionTimestamp !== undefined) return undefined;
  const bad = flags.deepInspect ? inspectIngress(ingress) : undefined;
  if (bad !== undefined) return `invalid object: ${bad}`;
  // The webhook looks at every namespace, whatever --watch-namespace-selector says.
  if (ignoredBecause(ingress, { ...flags, watchNamespaceSelector: "" }, classFacts(reader)) !== undefined) return undefined;
  if (flags.disableCatchAll && ingress.spec.defaultBackend) {
    return "this deployment is trying to create a catch-all ingress while DisableCatchAll flag is set to true. Remove '.spec.defaultBackend' or set DisableCatchAll flag to false";
  }
  const { namespace, name } = splitKey(flags.configMap);
  const config = new ControllerConfig(reader.get(ConfigMaps, namespace, name)?.data, flags);
  const invalid = config.flag("strict-validate-path-type", true) ? invalidPaths(ingress) : [];
  if (invalid.length > 0) return `ingress contains invalid paths: ${invalid.join("\n")}`;
  const snippets = config.flag("allow-snippet-annotations", false);
  const custom = flags.annotationsPrefix !== DEFAULT_FLAGS.annotationsPrefix;
  for (const [key, value] of Object.entries(ingress.metadata.annotations ?? {})) {
    if (custom && key.startsWith(`${DEFAULT_FLAGS.annotationsPrefix}/`))
      return `this deployment has a custom annotation prefix defined. Use '${flags.annotationsPrefix}' instead of '${DEFAULT_FLAGS.annotationsPrefix}'`;
    const word = blockedWord(key, value, config, "trimmed");
    if (word !== undefined) return word;
    if (!snippets && key.endsWith("-snippet"))
      return `${key} annotation cannot be used. Snippet directives are disabled by the Ingress administrator`;
  }
  const part = readIngress(ingress, config, "trimmed");
  if ("dropped" in part) return part.dropped;
  const canary = `${config.prefix}canary`;
  if (ingress.metadata.annotations?.[canary] !== undefined) return undefined;
  const served = (other: Ingress): IngressPart | undefined => {
    if (ignoredBecause(other, flags, classFacts(reader)) !== undefined || (flags.disableCatchAll && other.spec.defaultBackend))
      return undefined;
    const found = readIngress(other, config);
    return "dropped" in found ? undefined : found;
  };
  return overlap(part, othersOf(part, canary, served, reader));
}

const DEPRECATED: ReadonlySet<string> = new Set([
  "enable-influxdb",
  "influxdb-measurement",
  "influxdb-port",
  "influxdb-host",
  "influxdb-server-name",
  "secure-verify-ca-secret",
]);

/** Of Ingresses of every class, whether they are admitted or not. */
export function warningsOf(ingress: Ingress, { annotationsPrefix }: ControllerFlags): readonly string[] {
  if (ingress.metadata.deletionTimestamp !== undefined) return [];
  const prefix = `${annotationsPrefix}/`;
  const deprecated = Object.keys(ingress.metadata.annotations ?? {}).filter((key) =>
    DEPRECATED.has(key.startsWith(prefix) ? key.slice(prefix.length) : key),
  );
  return [...deprecated.map((key) => `annotation ${key} is deprecated`), ...invalidPaths(ingress)];
}

const STRICT_PATH = /^\/[A-Za-z0-9._\-/]*$/;

/** Paths that would be read as regular expressions in an Exact or Prefix rule. */
function invalidPaths({ spec }: Ingress): readonly string[] {
  return (spec.rules ?? []).flatMap((rule) =>
    (rule.http?.paths ?? []).flatMap(({ path = "", pathType }) =>
      pathType !== "ImplementationSpecific" && path !== "" && !STRICT_PATH.test(path)
        ? [`path ${path} cannot be used with pathType ${pathType}`]
        : [],
    ),
  );
}

/**
 * Other Ingresses that count and have a host and path of this one, first first. A canary annotation, whatever it says, takes an Ingress out
 * of the comparison.
 */
function othersOf(
  { ingress, owner }: IngressPart,
  canary: string,
  served: (ingress: Ingress) => IngressPart | undefined,
  reader: Pick<Reader, "list">,
): readonly IngressPart[] {
  const wanted = pairs(ingress);
  if (wanted.size === 0) return [];
  const others = reader.list(Ingresses).flatMap((other) => {
    if (keyOf(other) === owner || other.metadata.annotations?.[canary] !== undefined) return [];
    return [...pairs(other)].some((pair) => wanted.has(pair)) ? (served(other) ?? []) : [];
  });
  return others.sort(compareParts);
}

/** `host\npath` of each rule with a Service; neither the type of the path nor its final slash counts. */
function pairs(ingress: Ingress): ReadonlySet<string> {
  return new Set(
    (ingress.spec.rules ?? []).flatMap((rule) => {
      const host = rule.host === undefined || rule.host === "" ? CATCH_ALL : rule.host;
      return (rule.http?.paths ?? []).flatMap(({ path = "", backend }) => (backend.service ? [`${host}\n${path.replace(/\/$/, "")}`] : []));
    }),
  );
}
