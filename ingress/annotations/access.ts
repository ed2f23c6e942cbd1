// satisfy, and the access phase itself: source ranges, external and basic authentication, all of them or any.
// Upstream: ngx_http_core_module satisfy; nginx.tmpl leaves authentication out for no-auth-locations.
import { type Answer, page } from "../request/answer.ts";
import { askExternally } from "../request/auth-request.ts";
import type { Cidr } from "../../model/ip.ts";
import type { Exchange } from "../request/exchange.ts";
import { annotationGroup, type AnnotationReader, low, type Step } from "./annotation.ts";
import { oneOf } from "./validators.ts";
import { allowlistSourceRange } from "./allowlist-source-range.ts";
import { type BasicAuth, basicAuth, credentialsRight, unauthorized } from "./basic-auth.ts";
import { denylistSourceRange } from "./denylist-source-range.ts";
import { askDigest } from "./digest-auth.ts";
import { type ExternalAuth, externalAuth } from "./external-auth.ts";
import { cidrsOf, inAny } from "./source-range.ts";

export interface Access {
  readonly satisfy: "all" | "any";
  readonly deny: readonly Cidr[];
  /** Who says so. */
  readonly deniedBy: "denylist-source-range" | "block-cidrs";
  /** Empty: everybody. */
  readonly allow: readonly Cidr[];
  readonly basic: BasicAuth;
  readonly external: ExternalAuth;
  readonly openPrefixes: readonly string[];
}

export const access = annotationGroup<Access>({
  upstream: "Satisfy",
  annotations: { satisfy: low(oneOf(["any", "all"])) },
  parse(read: AnnotationReader) {
    const [deny, allow] = [denylistSourceRange.parse(read), allowlistSourceRange.parse(read)];
    // nginx inherits block-cidrs where a location has no ranges of its own.
    const inherits = deny.length + allow.length === 0;
    return {
      satisfy: read.choice("satisfy", ["all", "any"], "all"),
      deny: inherits ? cidrsOf(read.config.text("block-cidrs")) : deny,
      deniedBy: inherits ? "block-cidrs" : "denylist-source-range",
      allow,
      basic: basicAuth.parse(read),
      external: externalAuth.parse(read),
      openPrefixes: read.config.list("no-auth-locations", "/.well-known/acme-challenge"),
    };
  },
  steps(settings, { served }) {
    const open = settings.openPrefixes.some((prefix) => served.startsWith(prefix));
    const basic = open || settings.basic.secret === "" ? undefined : settings.basic;
    const external = open || settings.external.url === "" ? undefined : settings.external;
    const checks: Check[] = [
      ...(settings.deny.length + settings.allow.length > 0 ? [rangeCheck(settings)] : []),
      ...(external ? [{ annotation: "auth-url", run: (exchange: Exchange) => askExternally(external, exchange) }] : []),
      ...(basic && asksFor(basic) ? [basicCheck(basic)] : []),
    ];
    // The pod does not see the password, also where nobody asks for one.
    const silent: readonly Step[] = basic && !asksFor(basic) ? [{ phase: "access", annotation: "auth-type", run: withoutPassword }] : [];
    if (settings.satisfy === "any" && checks.length > 1)
      return [{ phase: "access", annotation: "satisfy", run: (exchange) => anyOf(checks, exchange) }, ...silent];
    return [...checks.map((check) => ({ phase: "access" as const, ...check })), ...silent];
  },
});

interface Check {
  readonly annotation: string;
  run(exchange: Exchange): Answer | undefined | Promise<Answer | undefined>;
}

/** The first check that passes is enough; else 401 and redirects win over 403. */
async function anyOf(checks: readonly Check[], exchange: Exchange): Promise<Answer | undefined> {
  let worst: Answer | undefined;
  for (const check of checks) {
    const answer = await check.run(exchange);
    if (!answer) return undefined;
    if (worst === undefined || worst.status === 403) worst = answer;
  }
  return worst;
}

function rangeCheck({ deny, deniedBy, allow }: Pick<Access, "deny" | "deniedBy" | "allow">): Check {
  return {
    annotation: deny.length > 0 ? deniedBy : "whitelist-source-range",
    run({ facts }) {
      if (inAny(deny, facts.clientIp)) return page(403, `${facts.clientIp} is in ${deniedBy}`);
      return allow.length === 0 || inAny(allow, facts.clientIp)
        ? undefined
        : page(403, `${facts.clientIp} is not in whitelist-source-range`);
    },
  };
}

function basicCheck(settings: BasicAuth): Check {
  return {
    annotation: "auth-type",
    async run(exchange) {
      const refused = settings.type === "digest" ? askDigest(settings, exchange) : undefined;
      if (refused) return refused;
      if (settings.type === "basic" && !(await credentialsRight(settings, exchange))) return unauthorized(settings);
      return withoutPassword(exchange);
    },
  };
}

/** nginx takes the realm `off` for a switch; its digest module an empty one, too. */
const asksFor = ({ type, realm }: BasicAuth): boolean => realm !== "off" && (type === "basic" || realm !== "");

function withoutPassword(exchange: Exchange): undefined {
  exchange.removeUpstream("Authorization");
  return undefined;
}
