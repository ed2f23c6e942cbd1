// The upstream cases' shape, and how one is set up: objects from its ingresses, Services that it names, Secrets and ConfigMaps.
import { readdirSync, readFileSync } from "node:fs";
import type { Ingress, IngressBackend } from "../../model/kinds/networking-v1.ts";
import { createCa, issueCertificate, type KeyPair } from "../../model/x509.ts";
import { ConfigMaps, Ingresses, IngressClasses, Secrets } from "../../model/resources.ts";
import type { Harness, World } from "./harness.ts";

export interface CaseBackend {
  readonly service?: string;
  readonly port?: number | string | null;
  readonly portName?: string;
  readonly resource?: { readonly kind: string; readonly name: string; readonly apiGroup: string };
}
export interface CaseIngress {
  readonly name: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ingressClassName?: string | null;
  readonly rules?: readonly {
    readonly host?: string | null;
    readonly paths?: readonly (CaseBackend & { readonly path?: string; readonly pathType?: string })[];
  }[];
  readonly tls?: readonly { readonly hosts: readonly string[]; readonly secretName?: string }[];
  readonly defaultBackend?: CaseBackend;
  readonly created?: string;
}
export interface CaseRequest {
  readonly scheme?: string;
  readonly method?: string;
  readonly host?: string | null;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly sni?: string;
  readonly client_cert?: string;
  readonly basic_auth?: readonly [string, string];
  readonly count?: number;
  readonly concurrency?: number;
  readonly cookie?: string;
  readonly body_bytes?: number;
  readonly protocol?: string;
}
export interface HeaderExpectation {
  readonly equals?: string;
  readonly contains?: readonly string[];
  readonly not_contains?: readonly string[];
  readonly absent?: boolean;
  readonly present?: boolean;
  readonly count?: number;
}
export interface CaseExpect {
  readonly status?: number | { readonly class: string };
  readonly headers?: Readonly<Record<string, HeaderExpectation>>;
  readonly backend?: string;
  readonly body_contains?: readonly string[];
  readonly body_empty?: boolean;
  readonly pod?: string | { readonly not: string };
  readonly upstream?: {
    readonly host?: string;
    readonly path?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly headers_absent?: readonly string[];
    readonly headers_match?: Readonly<Record<string, string>>;
    readonly headers_prefix?: Readonly<Record<string, string>>;
  };
  readonly tls?: {
    readonly issuer_cn?: string;
    readonly dns_name_0?: string;
    readonly certificates?: number;
    readonly version?: string;
    readonly cipher?: string;
  };
  readonly distinct_pods?: number;
  readonly distribution?: Readonly<Record<string, { readonly min: number }>>;
  readonly distribution_pods?: { readonly each: number };
  readonly distribution_status?: Readonly<Record<string, number>>;
  readonly grpc_status?: number;
  readonly capture?: { readonly pod?: string; readonly cookie?: string };
}
export interface CaseService {
  readonly name: string;
  readonly replicas?: number;
  readonly endpoints?: string;
  readonly protocol?: string;
  readonly type?: string;
  readonly externalName?: string;
  readonly ports?: readonly { readonly name?: string; readonly port: number; readonly targetPort?: number }[];
}
export interface Case {
  readonly id: string;
  readonly ingresses: readonly CaseIngress[];
  readonly request?: CaseRequest;
  readonly expect?: CaseExpect;
  readonly steps?: readonly { readonly action?: string; readonly request?: CaseRequest; readonly expect?: CaseExpect }[];
  readonly setup?: {
    readonly flags?: readonly string[];
    readonly configmap?: Readonly<Record<string, string>>;
    readonly configmaps?: readonly { readonly name: string; readonly data: Readonly<Record<string, string>> }[];
    readonly ingressClasses?: readonly { readonly name: string; readonly controller: string }[];
    readonly secrets?: readonly {
      readonly name: string;
      readonly type: string;
      readonly cn?: string;
      readonly keys?: readonly string[];
      readonly data?: Readonly<Record<string, string>>;
    }[];
    readonly services?: readonly CaseService[];
    readonly rbac?: string;
  };
  readonly notes?: string;
}

/** Of the files whose names begin so. */
export function readCases(beginning: string): readonly Case[] {
  const folder = new URL("cases/", import.meta.url);
  const names = readdirSync(folder).filter((name) => name.startsWith(beginning));
  return names.flatMap((name) => (JSON.parse(readFileSync(new URL(name, folder), "utf8")) as { cases: readonly Case[] }).cases);
}

const now = Date.now();
export const ca = createCa("test-ca", now);
const pairs = new Map<string, KeyPair>();

/** A certificate of the test authority. */
export function pair(commonName: string, usage: "server" | "client"): KeyPair {
  const key = `${commonName} ${usage}`;
  const known =
    pairs.get(key) ??
    issueCertificate(ca, { commonName, ...(usage === "server" ? { dnsNames: [commonName] } : {}), usages: [usage], days: 30, now });
  pairs.set(key, known);
  return known;
}

/** Cipher suites with RSA need such a key; made by openssl. */
const RSA: KeyPair = { key: fixture("rsa.key"), cert: fixture("rsa.crt") };

function fixture(name: string): string {
  return readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8");
}

/** Bcrypt hashes of the passwords in the cases. */
const HASHES: Readonly<Record<string, string>> = {
  bar: "$2b$05$S4wBEvmn1vZ.DVJohQGPOuXSmHZRUqiqGH6KKLzIEZ8NB5CvOlH5y",
  pwd: "$2b$05$Ozje/7J2cF.4G0R0L1U9Reb1m1qKqDOwyuM7BG7Iq0NJBKlPwtTHO",
};

const LONG_NAME = `long-${"n".repeat(58)}`;

/** Placeholders of a text. */
export function fill(text: string, world: World): string {
  return text
    .replaceAll("<controller class annotation>", "nginx")
    .replaceAll("<controller class>", "nginx")
    .replaceAll("<ns>", "default")
    .replaceAll("<63 character service name>", LONG_NAME)
    .replaceAll("<external host 2>", "httpbun.default")
    .replaceAll("<external host 1>", "httpbun.default")
    .replaceAll("<external host>", "httpbun.default")
    .replaceAll(/<bcrypt of "(\w+)">/g, (_, password: string) => HASHES[password] ?? "")
    .replaceAll(/<([\w-]+)(?: pod)? ip>/g, (_, service: string) => world.podIp(service))
    .replaceAll("<controller>", "controller.test");
}

function filled<T extends Readonly<Record<string, string>>>(record: T, world: World): Record<string, string> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, fill(value, world)]));
}

export async function setUp(harness: Harness, test: Case): Promise<World> {
  const { setup = {} } = test;
  const config =
    setup.configmap &&
    Object.fromEntries(
      Object.entries(setup.configmap).map(([name, value]) => [
        name,
        value
          .replaceAll("<ns>", "default")
          .replace(/ \(list\)$/, "")
          .replace("172.16.0.0/12", "127.0.0.0/8"),
      ]),
    );
  const needsPodIp = Object.values(config ?? {}).some((value) => / ip>/.test(value));
  const world = await harness.start({
    flags: setup.flags?.filter((flag) => !/-port=/.test(flag)) ?? [],
    ...(config && !needsPodIp ? { config } : {}),
  });
  const told = setup.services ?? [];
  const named = new Set(
    JSON.stringify(test.ingresses)
      .match(/"service":"[^"]+"/g)
      ?.map((text) => fill(text.slice(11, -1), world)) ?? [],
  );
  const mentioned = /httpbun|<external host/.test(JSON.stringify(test)) ? ["httpbun"] : [];
  const wanted = new Set([
    ...named,
    ...told.map((service) => service.name),
    ...mentioned,
    ...(JSON.stringify(test).includes('default-backend":"echo"') ? ["echo"] : []),
  ]);
  for (const name of wanted) {
    const service = told.find((candidate) => candidate.name === name);
    if (name === "invalid") continue;
    if (service?.type === "ExternalName") {
      const spec = {
        type: "ExternalName" as const,
        externalName: fill(service.externalName ?? "", world),
        ...(service.ports ? { ports: service.ports.map((port) => ({ ...port, protocol: "TCP" as const })) } : {}),
      };
      await world.service(name, { spec });
    } else if (name === "unavailable") await world.service(name, { replicas: 0 });
    else if (name === "external")
      await world.service(name, { spec: { type: "ExternalName", externalName: fill("<external host>", world) } });
    else
      await world.service(name, {
        replicas: service?.replicas ?? 1,
        closed: service?.endpoints !== undefined,
        ...(/grpc/.test(name) ? { protocol: "grpc" } : {}),
      });
  }
  if (needsPodIp)
    await world.create(ConfigMaps, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { namespace: "ingress-nginx", name: "ingress-nginx-controller" },
      data: filled(config ?? {}, world),
    });
  for (const { name, data } of setup.configmaps ?? [])
    await world.create(ConfigMaps, { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace: "default", name }, data: { ...data } });
  for (const { name, controller } of setup.ingressClasses ?? [])
    await world.create(IngressClasses, {
      apiVersion: "networking.k8s.io/v1",
      kind: "IngressClass",
      metadata: { name },
      spec: { controller },
    });
  for (const secret of setup.secrets ?? []) {
    const server = secret.cn === "settings-tls" ? RSA : pair(secret.cn ?? secret.name, "server");
    const texts: Record<string, string> = secret.data
      ? filled(secret.data, world)
      : { "tls.crt": server.cert, "tls.key": server.key, ...(secret.keys ? { "ca.crt": ca.cert } : {}) };
    const data = Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString("base64")]));
    await world.create(Secrets, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { namespace: "default", name: secret.name },
      type: secret.type,
      data,
    });
  }
  const createdAt = (ingress: CaseIngress): number => Number(/\d+/.exec(ingress.created ?? "")?.[0] ?? 0);
  const ordered = test.ingresses.some((ingress) => ingress.created !== undefined)
    ? [...test.ingresses].sort((a, b) => createdAt(a) - createdAt(b))
    : test.ingresses;
  let at = 0;
  for (const ingress of ordered) {
    const wantedAt = ingress.created === undefined ? at + 1 : createdAt(ingress);
    if (wantedAt > at) await world.clock.advance((wantedAt - at) * 1000);
    at = wantedAt;
    await world.create(Ingresses, ingressOf(ingress, world));
  }
  await world.settle();
  return world;
}

function ingressOf(given: CaseIngress, world: World): Ingress {
  const { ingressClassName = "nginx" } = given;
  const backend = (from: CaseBackend): IngressBackend => {
    if (from.resource) return { resource: from.resource };
    const port = from.portName ?? from.port;
    return {
      service: {
        name: fill(from.service ?? "", world),
        ...(port === null || port === undefined ? {} : { port: typeof port === "number" ? { number: port } : { name: port } }),
      },
    };
  };
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: { namespace: "default", name: given.name, annotations: filled(given.annotations ?? {}, world) },
    spec: {
      ...(ingressClassName === null ? {} : { ingressClassName: fill(ingressClassName, world) }),
      ...(given.defaultBackend ? { defaultBackend: backend(given.defaultBackend) } : {}),
      rules: (given.rules ?? []).map((rule) => ({
        ...(rule.host === null || rule.host === undefined ? {} : { host: rule.host }),
        ...(rule.paths
          ? {
              http: {
                paths: rule.paths.map((path) => ({ path: path.path ?? "/", pathType: path.pathType ?? "Prefix", backend: backend(path) })),
              },
            }
          : {}),
      })),
      ...(given.tls && given.tls.length > 0
        ? {
            tls: given.tls.map((tls) => ({
              hosts: [...tls.hosts],
              ...(tls.secretName === undefined ? {} : { secretName: tls.secretName }),
            })),
          }
        : {}),
    },
  };
}
