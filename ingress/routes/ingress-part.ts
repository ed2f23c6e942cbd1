// One Ingress read once: its rules by host, TLS, default backend and settings. Memoised by the frozen object and the ConfigMap.
// Upstream: internal/ingress/types.go Ingress with its ParsedAnnotations; deep inspection of internal/ingress/inspector.
import type { Ingress, IngressBackend, IngressTLS } from "../../model/kinds/networking-v1.ts";
import { keyOf } from "../../model/object.ts";
import { compareText } from "../../model/text.ts";
import { type CompiledAnnotations, compileAnnotations } from "../annotations/index.ts";
import type { ControllerConfig } from "../config.ts";
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
export function readIngress(
  ingress: Ingress,
  config: ControllerConfig,
  words: BlockedWords = "as written",
): IngressPart | { readonly dropped: string } {
  const annotations = compileAnnotations(ingress, config);
  const inspected = config.inspects ? inspectIngress(ingress) : undefined;
  const dropped = inspected ?? blockedAnnotation(ingress, config, words) ?? annotations.dropped;
  if (dropped !== undefined) return { dropped };
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
    annotations,
  };
}

function blockedAnnotation({ metadata }: Ingress, config: ControllerConfig, words: BlockedWords): string | undefined {
  for (const [name, value] of Object.entries(metadata.annotations ?? {})) {
    const word = blockedWord(name, value, config, words);
    if (word !== undefined) return word;
  }
  return undefined;
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
  const seconds = secondOf(a) - secondOf(b);
  return seconds === 0 ? compareText(b.owner, a.owner) : seconds;
}

export const isOlder = (a: IngressPart, b: IngressPart): boolean => secondOf(a) < secondOf(b);

const secondOf = ({ created }: IngressPart): number => Math.floor(created / 1000);

/** Directives and places that a text of an Ingress must not name: nginx's configuration is made of such texts. */
const FORBIDDEN = [/alias.*;/s, /root.*;/s, /\/etc\/(?:passwd|shadow|group|nginx|ingress-controller)/, /\/var\/run\/secrets/, /_by_lua/];

/** Deep inspection: what is wrong with hosts, paths and TLS, in upstream's words. */
export function inspectIngress({ metadata, spec }: Ingress): string | undefined {
  const bad = (text: string | undefined): boolean => text !== undefined && FORBIDDEN.some((pattern) => pattern.test(text));
  const where = `${metadata.namespace ?? ""}/${metadata.name}`;
  for (const { host, http } of spec.rules ?? []) {
    if (bad(host)) return `invalid host in ingress ${where}: invalid value found: ${host}`;
    const path = http?.paths.find((found) => bad(found.path))?.path;
    if (path !== undefined) return `invalid rule in ingress ${where}: invalid http path: invalid value found: ${path}`;
  }
  for (const { secretName, hosts } of spec.tls ?? []) {
    if (bad(secretName)) return `invalid secret in ingress ${where}: invalid value found: ${secretName}`;
    const host = hosts?.find(bad);
    if (host !== undefined) return `invalid host in ingress tls config ${where}: invalid value found: ${host}`;
  }
  return undefined;
}

/** Admission takes the blanks around a word away; the controller itself looks for the word with them. */
export type BlockedWords = "trimmed" | "as written";

/** annotation-value-word-blocklist: what is wrong with one annotation. An empty word, as behind a last comma, is in every value. */
export function blockedWord(name: string, value: string, config: ControllerConfig, words: BlockedWords): string | undefined {
  const list = config.text("annotation-value-word-blocklist");
  if (!name.startsWith(config.prefix) || list === "") return undefined;
  const word = list.split(",").find((candidate) => value.includes(words === "trimmed" ? candidate.trim() : candidate));
  return word === undefined ? undefined : `${name} annotation contains invalid word ${word}`;
}
