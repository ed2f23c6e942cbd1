// What upstream's admission webhook refuses, in its words.
// Upstream: internal/ingress/controller/controller.go CheckIngress, checkOverlap. The webhook's own prefix stands before each message.
import type { Clock } from "../model/clock.ts";
import { StatusError } from "../model/errors.ts";
import type { Ingress } from "../model/kinds/networking-v1.ts";
import { keyOf } from "../model/object.ts";
import { Ingresses, IngressClasses } from "../model/resources.ts";
import type { Admission, Reader } from "../store/index.ts";
import { PREFIX } from "./annotations/annotation.ts";
import type { CheckCounts } from "./check-counts.ts";
import type { ControllerFlags } from "./config.ts";
import { ControllerConfig } from "./config.ts";
import { ignoredBecause } from "./ingress-class.ts";
import { CATCH_ALL, readIngress } from "./ingress-part.ts";

const WEBHOOK = 'admission webhook "validate.nginx.ingress.kubernetes.io" denied the request: ';
const SNIPPETS = ["configuration-snippet", "server-snippet", "auth-snippet", "modsecurity-snippet", "stream-snippet"];
const STRICT_PATH = /^\/[A-Za-z0-9._\-/]*$/;

export function ingressAdmission(flags: ControllerFlags, checks: CheckCounts, clock: Clock): readonly Admission[] {
  const admission: Admission = {
    name: "ValidateNginxIngress",
    types: [Ingresses],
    operations: ["CREATE", "UPDATE"],
    admit({ object, subresource }, tx) {
      const ingress = asIngress(object);
      if (subresource !== undefined || !ingress) return;
      const startedAt = clock.monotonic();
      const wrong = checkIngress(ingress, flags, tx);
      const totalSeconds = (clock.monotonic() - startedAt) / 1000;
      if (wrong !== undefined) {
        checks.refused(keyOf(ingress));
        throw new StatusError(400, "BadRequest", WEBHOOK + wrong);
      }
      checks.passed(keyOf(ingress), { ingresses: tx.list(Ingresses).length, readSeconds: 0, testSeconds: totalSeconds, totalSeconds });
    },
  };
  return [admission];
}

/** Admission sees drafts of the kinds it asked for. */
function asIngress(object: { readonly kind: string }): Ingress | undefined {
  return object.kind === "Ingress" ? (object as Ingress) : undefined;
}

/** Undefined when it is admitted. Ingresses of other classes are not looked at. */
export function checkIngress(
  ingress: Ingress | undefined,
  flags: ControllerFlags,
  reader: Pick<Reader, "get" | "list">,
): string | undefined {
  if (!ingress) return undefined;
  const ignored = (candidate: Ingress): boolean =>
    ignoredBecause(candidate, flags, (name) => reader.get(IngressClasses, "", name)) !== undefined;
  if (ignored(ingress)) return undefined;
  const annotations = ingress.metadata.annotations ?? {};
  const snippet = SNIPPETS.find((name) => annotations[PREFIX + name] !== undefined);
  if (snippet !== undefined) {
    return `${PREFIX}${snippet} annotation cannot be used. Snippet directives are disabled by the Ingress administrator`;
  }
  const part = readIngress(ingress, new ControllerConfig());
  if ("dropped" in part) return part.dropped;
  if (flags.disableCatchAll && ingress.spec.defaultBackend && (ingress.spec.rules ?? []).length === 0) {
    return "This deployment is trying to create a catch-all ingress while DisableCatchAll flag is set to true. Remove '.spec.defaultBackend' or set DisableCatchAll flag to false.";
  }
  const invalid = (ingress.spec.rules ?? []).flatMap((rule) =>
    (rule.http?.paths ?? []).flatMap(({ path = "", pathType }) =>
      (pathType === "Exact" || pathType === "Prefix") && path !== "" && !STRICT_PATH.test(path)
        ? [`path ${path} cannot be used with pathType ${pathType}`]
        : [],
    ),
  );
  if (invalid.length > 0) return `ingress contains invalid paths: ${invalid.join("\n")}`;
  return part.annotations.settings.canary.enabled ? undefined : overlap(ingress, ignored, reader);
}

/** Another Ingress that counts already has one of the host and path pairs. */
function overlap(ingress: Ingress, ignored: (ingress: Ingress) => boolean, reader: Pick<Reader, "list">): string | undefined {
  const wanted = new Set(pairs(ingress));
  if (wanted.size === 0) return undefined;
  const own = keyOf(ingress);
  for (const other of reader.list(Ingresses)) {
    if (keyOf(other) === own || other.metadata.annotations?.[`${PREFIX}canary`] === "true" || ignored(other)) continue;
    const taken = pairs(other).find((pair) => wanted.has(pair));
    if (taken === undefined) continue;
    const [host = "", path = ""] = taken.split("\n");
    return `host "${host}" and path "${path}" is already defined in ingress ${keyOf(other)}`;
  }
  return undefined;
}

/** `host\npath` of each rule; the type of the path does not count. */
function pairs(ingress: Ingress): readonly string[] {
  return (ingress.spec.rules ?? []).flatMap((rule) => {
    const host = rule.host === undefined || rule.host === "" ? CATCH_ALL : rule.host;
    return (rule.http?.paths ?? []).map((path) => `${host}\n${path.path === undefined || path.path === "" ? "/" : path.path}`);
  });
}
