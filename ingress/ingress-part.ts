// One Ingress read once: its rules by host, TLS, default backend and settings. Memoised by the frozen object and the ConfigMap.
// Upstream: internal/ingress/types.go Ingress with its ParsedAnnotations; deep inspection of internal/ingress/inspector.
import type { Ingress, IngressBackend, IngressTLS } from "../model/kinds/networking-v1.ts";
import { keyOf } from "../model/object.ts";
import { compareText } from "../model/text.ts";
import { type CompiledAnnotations, compileAnnotations } from "./annotations/index.ts";
import type { ControllerConfig } from "./config.ts";
import type { BackendRef, Owner } from "./route-table.ts";

export interface PartRule {
  readonly path: string;
  readonly pathType: "Exact" | "Prefix";
  readonly backend: BackendRef;
}

export interface IngressPart {
  readonly owner: Owner;
  readonly ingress: Ingress;
  /** Epoch milliseconds. */
  readonly created: number;
  /** Lower case; "_" is the rule without a host. A host may have no rules. */
  readonly hosts: ReadonlyMap<string, readonly PartRule[]>;
  readonly tls: readonly IngressTLS[];
  readonly defaultBackend: BackendRef | undefined;
  readonly annotations: CompiledAnnotations;
}

export const CATCH_ALL = "_";

/** A part, or why the whole Ingress is dropped. */
export function readIngress(ingress: Ingress, config: ControllerConfig): IngressPart | { readonly dropped: string } {
  const bad = inspect(ingress) ?? blockedWord(ingress, config);
  if (bad !== undefined) return { dropped: bad };
  const namespace = ingress.metadata.namespace ?? "";
  const hosts = new Map<string, PartRule[]>();
  for (const rule of ingress.spec.rules ?? []) {
    const host = rule.host === undefined || rule.host === "" ? CATCH_ALL : rule.host.toLowerCase();
    const rules = hosts.get(host) ?? [];
    hosts.set(host, rules);
    for (const { path, pathType, backend } of rule.http?.paths ?? []) {
      const ref = backendRef(namespace, backend);
      if (ref)
        rules.push({
          path: path === undefined || path === "" ? "/" : path,
          pathType: pathType === "Exact" ? "Exact" : "Prefix",
          backend: ref,
        });
    }
  }
  return {
    owner: keyOf(ingress),
    ingress,
    created: Date.parse(ingress.metadata.creationTimestamp ?? "") || 0,
    hosts,
    tls: ingress.spec.tls ?? [],
    defaultBackend: ingress.spec.defaultBackend && backendRef(namespace, ingress.spec.defaultBackend),
    annotations: compileAnnotations(ingress, config),
  };
}

/** Undefined for a resource backend: nginx serves none. */
export function backendRef(namespace: string, backend: IngressBackend): BackendRef | undefined {
  const { service } = backend;
  if (!service) return undefined;
  const port = service.port?.name ?? (service.port?.number === undefined ? "" : String(service.port.number));
  return { namespace, service: service.name, port, upstream: `${namespace}-${service.name}-${port}` };
}

/** Oldest first; in the same second the greater key first. */
export function compareParts(a: IngressPart, b: IngressPart): number {
  const seconds = Math.floor(a.created / 1000) - Math.floor(b.created / 1000);
  return seconds === 0 ? compareText(b.owner, a.owner) : seconds;
}

const FORBIDDEN = [
  /(^|[\s;{}])alias\s+/i,
  /(^|[\s;{}])root\s+/i,
  /\/etc\/(passwd|shadow|group|nginx|ingress-controller)/i,
  /\/var\/run\/secrets/i,
  /by_lua/i,
];

/** Deep inspection: text that would break out of a generated configuration drops the Ingress. */
function inspect({ spec }: Ingress): string | undefined {
  const texts = [
    ...(spec.rules ?? []).flatMap((rule) => [rule.host ?? "", ...(rule.http?.paths ?? []).map((path) => path.path ?? "")]),
    ...(spec.tls ?? []).flatMap((tls) => [tls.secretName ?? "", ...(tls.hosts ?? [])]),
  ];
  const bad = texts.find((text) => FORBIDDEN.some((pattern) => pattern.test(text)));
  return bad === undefined ? undefined : `invalid object: ${JSON.stringify(bad)} contains an invalid pattern`;
}

/** annotation-value-word-blocklist: an annotation with such a word drops the Ingress. */
function blockedWord({ metadata }: Ingress, config: ControllerConfig): string | undefined {
  const words = config.list("annotation-value-word-blocklist");
  if (words.length === 0) return undefined;
  for (const [name, value] of Object.entries(metadata.annotations ?? {})) {
    if (!name.startsWith("nginx.ingress.kubernetes.io/")) continue;
    const word = words.find((candidate) => value.includes(candidate));
    if (word !== undefined) return `${name} annotation contains invalid word ${word}`;
  }
  return undefined;
}
