// The compiled routes: servers by host, each with its ordered locations, each with its settings, steps and backend. Immutable.
// Neutral to its source: Ingress with nginx's semantics is the first compiler into it.
import type { BoundedRegex } from "../bounded-regex.ts";
import type { ControllerConfig, ControllerFlags } from "../config.ts";
import type { Settings } from "../annotations/index.ts";
import type { Step } from "../annotations/annotation.ts";
import type { UpstreamPolicy } from "./upstream-policy.ts";
import type { Canary } from "../annotations/canary.ts";

/** Who asked for something: `namespace/name` of the Ingress. */
export type Owner = string;

/** How a location is compared with the path. */
export type PathMatch =
  | { readonly type: "Exact"; readonly path: string }
  /** The path itself and all below it. `path` ends in "/" in the table's prefix index. */
  | { readonly type: "Prefix"; readonly path: string }
  | { readonly type: "Regex"; readonly regex: BoundedRegex };

export interface BackendRef {
  readonly namespace: string;
  readonly service: string;
  /** Number or name, as the rule says it; "" when it says none. */
  readonly port: string;
  /** `namespace-service-port`, upstream's name of it. */
  readonly upstream: string;
}

export interface Location {
  /** Ingress path as written. */
  readonly path: string;
  readonly pathType: "Exact" | "Prefix";
  readonly match: PathMatch;
  /** The path as nginx's location has it. */
  readonly served: string;
  /** Undefined: the controller's own. */
  readonly owner: Owner | undefined;
  /** Undefined: the global default backend. */
  readonly backend: BackendRef | undefined;
  /** What logs, metrics and error pages are told as its Service: of rules with one path the first one's. */
  readonly told: BackendRef | undefined;
  readonly settings: Settings;
  /** By phase, in upstream's order. */
  readonly steps: Readonly<Record<Phase, readonly Step[]>>;
  /** Answers 503, and why. */
  readonly denied: string | undefined;
}

/** nginx's phases, in the order in which they run; before them whether the location is there at all, and what it puts on every answer. */
export const PHASES = ["location", "rewrite", "preaccess", "access", "content"] as const;
export type Phase = (typeof PHASES)[number];

export interface CertificateRef {
  /** Of the server, which the certificate must cover. */
  readonly host: string;
  readonly owner: Owner;
  /** `namespace/name` of the Secret; undefined: the default certificate. */
  readonly secret: string | undefined;
  /** Secrets of entries that do not name the host: the first that covers it counts. */
  readonly candidates: readonly string[];
}

/** The loser of a host and path that two Ingresses have. */
export interface Conflict {
  readonly owner: Owner;
  readonly path: string;
  readonly winner: Owner;
  /** Else both are of one second, and the name that is last counts. */
  readonly older: boolean;
}

export interface Server {
  /** `shop.example`, `*.shop.example`, or `_` for every other host. */
  readonly host: string;
  readonly aliases: readonly string[];
  /** In the order of nginx's configuration. */
  readonly locations: readonly Location[];
  /** `/` first, then as the Ingresses have them. */
  readonly asAdded: readonly Location[];
  /** Who switched regular expressions on for the host, and by which annotation. */
  readonly regexMode: { readonly owner: Owner; readonly annotation: string; readonly path: string } | undefined;
  readonly exact: ReadonlyMap<string, Location>;
  /** Keys end in "/". */
  readonly prefixes: ReadonlyMap<string, Location>;
  readonly certificate: CertificateRef | undefined;
  /** Ingresses that make up this server, first first. */
  readonly owners: readonly Owner[];
  readonly conflicts: readonly Conflict[];
  /** The first location with an app-root, which is for `/` of the whole server. */
  readonly appRoot: Location | undefined;
  /** from-to-www: every request is sent to this host. */
  readonly redirectTo: string | undefined;
  /** auth-tls-* of every Ingress of the host, first first; undefined: none has some. */
  readonly clientCertificates: readonly { readonly owner: Owner; readonly settings: Settings["clientCertificate"] }[] | undefined;
  /** proxy-ssl-* of the host's first Ingress that has some: for locations without their own. */
  readonly proxySsl: Settings["proxySsl"] | undefined;
  /** Cipher suites of the host alone; undefined: the ConfigMap's. */
  readonly ciphers: Settings["sslCiphers"] | undefined;
  /** ssl-passthrough: the first Ingress that asks for it, and the Service of path `/` (Prefix). It acts with --enable-ssl-passthrough only. */
  readonly passthrough: { readonly owner: Owner; readonly backend: BackendRef | undefined } | undefined;
}

/** A canary attached to a main upstream. */
export interface Alternative {
  readonly owner: Owner;
  readonly backend: BackendRef;
  readonly canary: Canary;
  readonly settings: Settings;
}

/** Server names of nginx that Ingress hosts cannot be. */
export interface AliasPatterns {
  /** `*.example.com`, by the name after `*.`: any number of labels. */
  readonly leading: ReadonlyMap<string, Server>;
  /** `www.example.*`, by the name before `.*` */
  readonly trailing: ReadonlyMap<string, Server>;
  /** In the order of their servers. */
  readonly regexes: readonly { readonly regex: BoundedRegex; readonly server: Server }[];
}

export interface RouteTable {
  readonly flags: ControllerFlags;
  readonly config: ControllerConfig;
  /** Exact names and aliases, lower case. */
  readonly hosts: ReadonlyMap<string, Server>;
  /** By the name after `*.` */
  readonly wildcards: ReadonlyMap<string, Server>;
  /** Aliases that are more than a name. */
  readonly patterns: AliasPatterns;
  readonly fallback: Server;
  /** --default-backend-service; undefined: the built-in 404 page. */
  readonly defaultBackend: BackendRef | undefined;
  /** By upstream. */
  readonly policies: ReadonlyMap<string, UpstreamPolicy>;
  /** The first canary of each main upstream. */
  readonly alternatives: ReadonlyMap<string, Alternative>;
  /** Ingresses that count, first first. */
  readonly counted: readonly Owner[];
  /** Why the others do not. */
  readonly ignored: ReadonlyMap<Owner, string>;
}
