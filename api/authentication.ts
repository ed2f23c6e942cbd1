// Who sends a request: a client certificate of our CA, a static token, or a service account token that this server has issued.
// Upstream: apiserver pkg/authentication, pkg/serviceaccount. Impersonation headers are honoured, as every user here is an administrator.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import type { Clock } from "../model/clock.ts";
import { StatusError } from "../model/errors.ts";
import type { Ids } from "../model/ids.ts";
import { ServiceAccounts } from "../model/resources.ts";
import type { Store } from "../store/index.ts";

export interface User {
  readonly username: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** Who sends requests without credentials, to the paths that need none. */
export const ANONYMOUS: User = { username: "system:anonymous", groups: ["system:unauthenticated"] };

export interface AuthenticatorOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly ids: Ids;
  /** PEM key that signs service account tokens; absent: a key of this process. */
  readonly key?: string;
  /** Static bearer tokens. */
  readonly tokens?: ReadonlyMap<string, User>;
}

interface TokenClaims {
  readonly aud: readonly string[];
  readonly exp: number;
  readonly iat: number;
  readonly nbf: number;
  readonly iss: string;
  readonly jti: string;
  readonly sub: string;
  readonly "kubernetes.io": { readonly namespace: string; readonly serviceaccount: { readonly name: string; readonly uid: string } };
}

/** The issuer and default audience of service account tokens. */
export const TOKEN_AUDIENCE = "https://kubernetes.default.svc.cluster.local";
const BUFFER_SEPARATOR = ".";

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const allAuthenticated = (user: User): User => ({ ...user, groups: [...new Set([...user.groups, "system:authenticated"])] });

export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #privateKey: KeyObject;
  readonly #publicKey: KeyObject;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
    this.#privateKey =
      options.key === undefined ? generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey : createPrivateKey(options.key);
    this.#publicKey = createPublicKey(this.#privateKey);
  }

  /** The user of a request, undefined without credentials. Throws 401 when there are some that do not hold. */
  authenticate(incoming: IncomingMessage): User | undefined {
    const user = this.#certificateUser(incoming) ?? this.#bearerUser(incoming);
    return user && impersonated(incoming, user);
  }

  /** The user of a token; undefined when it is not valid (any more). */
  tokenUser(token: string): User | undefined {
    const known = this.#options.tokens?.get(token);
    if (known) return allAuthenticated(known);
    const claims = this.#verify(token);
    if (!claims) return undefined;
    const { namespace, serviceaccount } = claims["kubernetes.io"];
    const account = this.#options.store.get(ServiceAccounts, namespace, serviceaccount.name);
    if (account?.metadata.uid !== serviceaccount.uid) return undefined;
    return allAuthenticated({
      username: claims.sub,
      uid: serviceaccount.uid,
      groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`],
      extra: { "authentication.kubernetes.io/credential-id": [`JTI=${claims.jti}`] },
    });
  }

  /** Signs a token for a service account. */
  issue(
    account: { readonly namespace: string; readonly name: string; readonly uid: string },
    audiences: readonly string[],
    lifetimeSeconds: number,
  ): { readonly token: string; readonly expirationTimestamp: string } {
    const now = Math.floor(this.#options.clock.now() / 1000);
    const claims: TokenClaims = {
      aud: audiences,
      exp: now + lifetimeSeconds,
      iat: now,
      nbf: now,
      iss: TOKEN_AUDIENCE,
      jti: this.#options.ids.uid(),
      sub: `system:serviceaccount:${account.namespace}:${account.name}`,
      "kubernetes.io": { namespace: account.namespace, serviceaccount: { name: account.name, uid: account.uid } },
    };
    const alg = this.#privateKey.asymmetricKeyType === "ec" ? "ES256" : "RS256";
    const signed = `${base64url({ alg, typ: "JWT" })}.${base64url(claims)}`;
    const signature = sign("sha256", Buffer.from(signed), { key: this.#privateKey, dsaEncoding: "ieee-p1363" });
    return {
      token: `${signed}.${signature.toString("base64url")}`,
      expirationTimestamp: new Date(claims.exp * 1000).toISOString().replace(".000Z", "Z"),
    };
  }

  #certificateUser(incoming: IncomingMessage): User | undefined {
    const socket = incoming.socket as Partial<TLSSocket>;
    const certificate = socket.encrypted === true ? socket.getPeerCertificate?.() : undefined;
    if (!certificate?.subject) return undefined;
    if (socket.authorized !== true) throw unauthorized();
    const { CN, O } = certificate.subject as { readonly CN?: string | string[]; readonly O?: string | string[] };
    const username = Array.isArray(CN) ? CN[0] : CN;
    if (username === undefined || username === "") throw unauthorized();
    const fingerprint = certificate.fingerprint256.replaceAll(":", "").toLowerCase();
    return allAuthenticated({
      username,
      groups: O === undefined ? [] : Array.isArray(O) ? O : [O],
      extra: { "authentication.kubernetes.io/credential-id": [`X509SHA256=${fingerprint}`] },
    });
  }

  #bearerUser(incoming: IncomingMessage): User | undefined {
    const header = incoming.headers.authorization;
    if (header === undefined) return undefined;
    const [, token] = /^Bearer +(\S+)$/i.exec(header) ?? [];
    const user = token === undefined ? undefined : this.tokenUser(token);
    if (!user) throw unauthorized();
    return user;
  }

  #verify(token: string): TokenClaims | undefined {
    const [head, body, signature, ...rest] = token.split(BUFFER_SEPARATOR);
    if (head === undefined || body === undefined || signature === undefined || rest.length > 0) return undefined;
    const key = { key: this.#publicKey, dsaEncoding: "ieee-p1363" } as const;
    if (!verify("sha256", Buffer.from(`${head}.${body}`), key, Buffer.from(signature, "base64url"))) return undefined;
    const claims = JSON.parse(Buffer.from(body, "base64url").toString()) as TokenClaims;
    return claims.exp * 1000 > this.#options.clock.now() && claims.aud.includes(TOKEN_AUDIENCE) ? claims : undefined;
  }
}

/** 401, upstream's only word on failed or missing credentials. */
export function unauthorized(): StatusError {
  return new StatusError(401, "Unauthorized", "Unauthorized");
}

function impersonated(incoming: IncomingMessage, user: User): User {
  const name = incoming.headers["impersonate-user"];
  if (typeof name !== "string" || name === "") return user;
  const groups = incoming.headersDistinct["impersonate-group"] ?? [];
  return allAuthenticated({ username: name, groups });
}
