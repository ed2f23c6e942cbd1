// auth-type, auth-secret, auth-secret-type, auth-realm: a user name and password from a Secret; without the Secret, 503.
// Upstream: internal/ingress/annotations/auth; ngx_http_auth_basic_module. What a digest is compared with: digest-auth.ts.
import { page } from "../request/answer.ts";
import { verifyPassword } from "../password.ts";
import type { Exchange } from "../request/exchange.ts";
import { annotationGroup, LocationDenied, low, medium, noObject } from "./annotation.ts";
import { BASIC, BASIC_WITH_BLANKS, matching } from "./validators.ts";

export interface BasicAuth {
  readonly type: "basic" | "digest";
  /** `namespace/name`; "" when not asked for. */
  readonly secret: string;
  readonly secretType: "auth-file" | "auth-map";
  readonly realm: string;
}

const OFF: BasicAuth = { type: "basic", secret: "", secretType: "auth-file", realm: "" };

export const basicAuth = annotationGroup<BasicAuth>({
  upstream: "BasicDigestAuth",
  annotations: {
    "auth-type": low(matching(/basic|digest/), "drop"),
    "auth-secret": medium(BASIC, "deny"),
    "auth-secret-type": low(matching(/auth-file|auth-map/), "drop"),
    "auth-realm": medium(BASIC_WITH_BLANKS, "drop"),
  },
  parse(read) {
    const type = read.text("auth-type");
    if (type === undefined) return OFF;
    const secretType = read.text("auth-secret-type") ?? "auth-file";
    const name = read.text("auth-secret");
    if (name === undefined) throw new LocationDenied("error reading secret name from annotation: ingress rule without annotations");
    const parts = name.split("/");
    if (parts.length > 2)
      throw new LocationDenied(`error reading secret name from annotation: unexpected key format: ${JSON.stringify(name)}`);
    const [key = "", given = ""] = parts.reverse();
    const namespace = given === "" ? read.namespace : given;
    if (namespace !== read.namespace && !read.config.flag("allow-cross-namespace-resources", false))
      throw new LocationDenied("cross namespace usage of secrets is not allowed");
    return {
      type: type === "basic" ? "basic" : "digest",
      secret: `${namespace}/${key}`,
      secretType: secretType === "auth-map" ? "auth-map" : "auth-file",
      realm: read.text("auth-realm") ?? "",
    };
  },
  denial: ({ secret, secretType }) =>
    secret === ""
      ? undefined
      : {
          annotation: "auth-secret",
          why(objects) {
            const data = objects.secret(secret);
            if (!data) return `unexpected error reading secret ${secret}: ${noObject(secret)}`;
            return secretType === "auth-map" || data["auth"]
              ? undefined
              : `the secret ${secret.split("/")[1]} does not contain a key with value auth`;
          },
        },
});

/** Undefined when there is no such Secret, else the stored form of a user's password. */
export function storedPassword(settings: BasicAuth, exchange: Exchange, user: string): { readonly stored: string | undefined } | undefined {
  const data = exchange.world.secret(settings.secret);
  if (!data) return undefined;
  if (settings.secretType === "auth-map") return { stored: data[user]?.toString() };
  const file = data["auth"];
  if (!file) return undefined;
  const line = file
    .toString()
    .split("\n")
    .find((text) => text.startsWith(`${user}:`));
  return {
    stored: line
      ?.slice(user.length + 1)
      .split(":")[0]
      ?.trim(),
  };
}

/** True when the request's credentials are right. */
export async function credentialsRight(settings: BasicAuth, exchange: Exchange): Promise<boolean> {
  const sent = /^Basic +([A-Za-z0-9+/=_-]+)$/i.exec(exchange.facts.headers.authorization ?? "");
  const text = sent?.[1] === undefined ? "" : Buffer.from(sent[1], "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 0) return false;
  const user = text.slice(0, colon);
  const stored = storedPassword(settings, exchange, user)?.stored;
  if (stored === undefined) return false;
  const password = text.slice(colon + 1);
  // Slow on purpose, so what was right once stays right while the stored form does.
  const known = exchange.world.state("basic-auth", () => new Map<string, string>());
  const key = `${stored}\n${password}`;
  if (known.has(key)) {
    exchange.remoteUser = user;
    return true;
  }
  const right = await verifyPassword(password, stored);
  if (!right) return false;
  if (known.size > 1000) known.clear();
  known.set(key, user);
  exchange.remoteUser = user;
  return true;
}

export const unauthorized = (settings: BasicAuth): ReturnType<typeof page> =>
  page(401, "auth-type basic: no or wrong credentials", [["WWW-Authenticate", `Basic realm="${settings.realm}"`]]);
