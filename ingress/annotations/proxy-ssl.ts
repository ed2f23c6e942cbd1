// proxy-ssl-*: TLS towards HTTPS pods: our certificate, whom we trust, by which name, with which protocols and ciphers.
// Upstream: internal/ingress/annotations/proxyssl; nginx.tmpl. The Secret is `namespace/name` with ca.crt, tls.crt and tls.key. Settings
// of the location's own Ingress count, else those of the host's first Ingress that has some, unless `proxy-ssl-location-only`.
import { X509Certificate } from "node:crypto";
import { ipFamily } from "../../model/ip.ts";
import { usableSecret } from "../tls/client-certificates.ts";
import { type PeerTls, UNVERIFIED } from "../engine/peer-tls.ts";
import type { Exchange } from "../request/exchange.ts";
import { expand } from "../request/variables.ts";
import { annotationGroup, high, LocationDenied, low, medium } from "./annotation.ts";
import { BASIC, INTEGER, matching, SERVER_NAME } from "./validators.ts";

export interface ProxySsl {
  /** `namespace/name`; "" when not asked for, and then nothing else counts. */
  readonly secret: string;
  readonly verify: boolean;
  readonly verifyDepth: number;
  /** Name that the pod's certificate must have, with variables; "": upstream_balancer, as nginx's configuration calls every pod. */
  readonly name: string;
  /** The name is sent as SNI. */
  readonly serverName: boolean;
  /** Of TLSv1.2 and TLSv1.3. */
  readonly protocols: readonly string[];
  readonly ciphers: string;
}

const ON_OFF = matching(/^(?:on|off)$/);

export const proxySsl = annotationGroup<ProxySsl>({
  upstream: "ProxySSL",
  annotations: {
    "proxy-ssl-secret": medium(BASIC, "drop"),
    "proxy-ssl-verify": low(ON_OFF),
    "proxy-ssl-verify-depth": low(INTEGER),
    "proxy-ssl-name": high(SERVER_NAME),
    "proxy-ssl-server-name": low(ON_OFF),
    "proxy-ssl-protocols": low(matching(/^(?:TLSv1\.2|TLSv1\.3| )*$/)),
    "proxy-ssl-ciphers": medium(matching(/^[A-Za-z0-9+:_\-!]*$/)),
  },
  parse(read) {
    const secret = read.text("proxy-ssl-secret") ?? "";
    if (secret !== "") {
      const parts = secret.split("/");
      if (parts.length !== 2) throw new LocationDenied(`location denied, reason: invalid format (namespace/name) found in '${secret}'`);
      if (parts[0] !== read.namespace && !read.config.flag("allow-cross-namespace-resources", false))
        throw new LocationDenied("location denied, reason: cross namespace secrets are not supported");
    }
    return {
      secret,
      verify: read.text("proxy-ssl-verify") === "on",
      verifyDepth: read.number("proxy-ssl-verify-depth", 1) || 1,
      name: read.text("proxy-ssl-name") ?? "",
      serverName: read.text("proxy-ssl-server-name") === "on",
      protocols: (read.text("proxy-ssl-protocols") ?? "TLSv1.2").split(/\s+/),
      ciphers: read.text("proxy-ssl-ciphers") ?? "DEFAULT",
    };
  },
  denial: ({ secret }) =>
    secret === ""
      ? undefined
      : {
          annotation: "proxy-ssl-secret",
          why: (objects) =>
            usableSecret(secret, objects.secret.bind(objects))
              ? undefined
              : `error obtaining certificate: local SSL certificate ${secret} was not found`,
        },
});

interface Made {
  readonly data: object;
  /** By the name that the pod must have. */
  readonly tls: Map<string, PeerTls>;
}

const MOST_NAMES = 100;

/** TLS to the pods of a location, the same object while settings and Secret stay: connections are kept by it. */
export function peerTls(exchange: Exchange): PeerTls {
  const { world } = exchange;
  const own = exchange.location.settings.proxySsl;
  const settings = own.secret !== "" ? own : exchange.server.proxySsl;
  const data = settings && usableSecret(settings.secret, world.secret.bind(world));
  if (!settings || !data) return UNVERIFIED;
  const made = world.state("proxy-ssl", () => new WeakMap<ProxySsl, Made>());
  let known = made.get(settings);
  if (known?.data !== data || known.tls.size > MOST_NAMES) made.set(settings, (known = { data, tls: new Map() }));
  const name = settings.name === "" ? "upstream_balancer" : expand(exchange, settings.name);
  // Without a name the server's block does not speak of SNI.
  const sni = settings.serverName && (settings === own || settings.name !== "");
  let tls = known.tls.get(name);
  if (!tls) known.tls.set(name, (tls = tlsOf(settings, data, withoutPort(name), sni)));
  return tls;
}

/** $http_host may have one. */
const withoutPort = (name: string): string => (name.startsWith("[") ? name : name.replace(/:.*$/, ""));

function tlsOf(
  { verify, verifyDepth, protocols, ciphers }: ProxySsl,
  data: Readonly<Record<string, Buffer>>,
  expected: string,
  sni: boolean,
): PeerTls {
  const text = (key: string): string | undefined => data[key]?.toString();
  const [ca, cert, key] = [text("ca.crt"), text("tls.crt"), text("tls.key")];
  return {
    ...(cert !== undefined && key !== undefined ? { cert, key } : {}),
    // Without ca.crt only the certificate counts, as in the template.
    ...(ca === undefined
      ? {}
      : {
          ca,
          ciphers,
          minVersion: protocols.includes("TLSv1.2") ? ("TLSv1.2" as const) : ("TLSv1.3" as const),
          maxVersion: protocols.includes("TLSv1.3") ? ("TLSv1.3" as const) : ("TLSv1.2" as const),
        }),
    rejectUnauthorized: verify && ca !== undefined,
    servername: sni && ipFamily(expected) === undefined && !expected.startsWith("[") ? expected : "",
    checkServerIdentity(_host, shown) {
      if (new X509Certificate(shown.raw).checkHost(expected) === undefined)
        return new Error(`the pod's certificate is not of ${expected}: proxy-ssl-verify`);
      const between = intermediates(shown);
      return between > verifyDepth
        ? new Error(`${between} certificates between the pod's and its authority: proxy-ssl-verify-depth`)
        : undefined;
    },
  };
}

interface Chain {
  readonly fingerprint256: string;
  readonly issuerCertificate?: Chain;
}

/** Certificates between this one and its authority's own, which signs itself and may be left out. */
export function intermediates(certificate: Chain): number {
  let count = 0;
  let at = certificate.issuerCertificate;
  while (at && at.issuerCertificate?.fingerprint256 !== at.fingerprint256) {
    count++;
    at = at.issuerCertificate;
  }
  return count;
}
