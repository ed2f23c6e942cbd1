// affinity, session-cookie-*: a cookie that brings a client back to the same pod.
// Upstream: internal/ingress/annotations/sessionaffinity; lua/balancer/sticky*.lua. A value is `<key>|<hash of the upstream's name>`.
import { createHash } from "node:crypto";
import type { Exchange } from "../request/exchange.ts";
import type { Peer } from "../routes/upstreams.ts";
import { cookie, headerText } from "../request/variables.ts";
import { annotationGroup, low, medium } from "./annotation.ts";
import { BASIC, BOOL, matching, oneOf, URL_CHARS } from "./validators.ts";

export interface Affinity {
  readonly enabled: boolean;
  /** "": none given, which is balanced. */
  readonly mode: "balanced" | "persistent" | "";
  readonly canaryBehavior: "sticky" | "legacy";
  readonly name: string;
  readonly path: string;
  readonly domain: string;
  readonly sameSite: string;
  readonly conditionalSameSiteNone: boolean;
  readonly expiresSeconds: number | undefined;
  readonly maxAgeSeconds: number | undefined;
  /** undefined: on https only. */
  readonly secure: boolean;
  readonly changeOnFailure: boolean;
}

const SECONDS = matching(/^0|-?[1-9]\d*$/);

export const affinity = annotationGroup<Affinity>({
  upstream: "SessionAffinity",
  annotations: {
    affinity: low(oneOf(["cookie"])),
    "affinity-mode": medium(oneOf(["balanced", "persistent"])),
    "affinity-canary-behavior": low(oneOf(["sticky", "legacy"])),
    "session-cookie-name": medium(BASIC),
    "session-cookie-path": medium(URL_CHARS),
    "session-cookie-domain": medium(BASIC),
    "session-cookie-samesite": low(oneOf(["none", "lax", "strict"], "any case")),
    "session-cookie-conditional-samesite-none": low(BOOL),
    "session-cookie-expires": medium(SECONDS),
    "session-cookie-max-age": medium(SECONDS),
    "session-cookie-secure": low(BOOL),
    "session-cookie-change-on-failure": low(BOOL),
  },
  parse(read) {
    const seconds = (name: string): number | undefined => (read.text(name) === undefined ? undefined : read.number(name, 0));
    return {
      enabled: read.text("affinity") === "cookie",
      mode: read.choice<Affinity["mode"]>("affinity-mode", ["balanced", "persistent"], ""),
      canaryBehavior: read.choice("affinity-canary-behavior", ["sticky", "legacy"], "sticky"),
      name: read.text("session-cookie-name") ?? "INGRESSCOOKIE",
      path: read.text("session-cookie-path") ?? "",
      domain: read.text("session-cookie-domain") ?? "",
      sameSite: read.text("session-cookie-samesite") ?? "",
      conditionalSameSiteNone: read.flag("session-cookie-conditional-samesite-none", false),
      expiresSeconds: seconds("session-cookie-expires"),
      maxAgeSeconds: seconds("session-cookie-max-age"),
      secure: read.flag("session-cookie-secure", false),
      changeOnFailure: read.flag("session-cookie-change-on-failure", false),
    };
  },
});

const md5 = (text: string): string => createHash("md5").update(text).digest("hex");
/** What a cookie of mode persistent names a pod by. */
const nodeKey = (upstream: string, peer: Peer): string => md5(upstream + peer.id);
const upstreamHash = (upstream: string): string => md5(md5(upstream) + upstream);

/** The affinity of the location's upstream, whichever Ingress asked for it. */
export function stickiness({ location, table }: Exchange): Affinity | undefined {
  return location.backend && table.policies.get(location.backend.upstream)?.affinity;
}

/** Only locations of Ingresses that ask for it set the cookie, under a name that is written there, or with `*` for its first label. */
export function setsCookie({ facts, location, table, server }: Exchange): boolean {
  const policy = location.backend && table.policies.get(location.backend.upstream);
  if (!policy) return false;
  const name = server === table.fallback ? server.host : facts.host;
  // A host that is written itself is not looked for with `*`.
  const paths = policy.cookieLocations.get(name) ?? policy.cookieLocations.get(name.replace(/^[^.]+\./, "*."));
  return paths?.has(location.path) ?? false;
}

/** The client's cookie, split; undefined without one. */
export function stickyCookie(settings: Affinity, exchange: Exchange): { readonly key: string; readonly backend: string } | undefined {
  const value = cookie(headerText(exchange, "cookie"), settings.name);
  const [key, backend = ""] = value?.split("|").filter((part) => part !== "") ?? [];
  return key === undefined ? undefined : { key, backend };
}

/** True when the cookie was given out for this upstream. */
export const belongsTo = (backend: string, upstream: string): boolean => backend === upstreamHash(upstream);

/** Whom the client's cookie leads to. A key of another upstream is as good as any. */
export function stuckPeer(settings: Affinity, exchange: Exchange, upstream: string, peers: readonly Peer[]): Peer | undefined {
  const key = stickyCookie(settings, exchange)?.key;
  if (key === undefined) return undefined;
  return settings.mode === "persistent" ? peers.find((peer) => nodeKey(upstream, peer) === key) : rendezvous(key, peers);
}

/** The peer of a cookie, or a new one with its cookie set; undefined when all that there are have failed. */
export function stickyPeer(
  settings: Affinity,
  exchange: Exchange,
  upstream: string,
  peers: readonly Peer[],
  tried: ReadonlySet<string>,
): Peer | undefined {
  const found = stuckPeer(settings, exchange, upstream, peers);
  // Without session-cookie-change-on-failure a client's pod is asked again, although it has just failed.
  if (found && !(settings.changeOnFailure && tried.has(found.id))) return found;
  const { random, clock } = exchange.world;
  const open = peers.filter((peer) => !tried.has(peer.id));
  const draw = (): string => `${(clock.now() / 1000).toFixed(3)}.${1 + random.int(9999)}.${random.int(1_000_000)}`;
  const fresh = settings.mode === "persistent" ? undefined : keyOf(open, peers, draw);
  const picked = settings.mode === "persistent" ? open[random.int(open.length)] : fresh?.peer;
  if (!picked) return undefined;
  if (setsCookie(exchange)) setCookie(settings, exchange, `${fresh?.key ?? nodeKey(upstream, picked)}|${upstreamHash(upstream)}`);
  return picked;
}

/** A key that leads to one of `open` among all peers, as it has to when it comes back; none after 20 draws. */
function keyOf(
  open: readonly Peer[],
  peers: readonly Peer[],
  draw: () => string,
): { readonly key: string; readonly peer: Peer } | undefined {
  for (let tries = 0; open.length > 0 && tries < 20; tries++) {
    const key = draw();
    const peer = rendezvous(key, peers);
    if (peer && open.includes(peer)) return { key, peer };
  }
  return undefined;
}

/** The highest hash of key and peer: a change of peers moves only those keys that must. */
function rendezvous(key: string, peers: readonly Peer[]): Peer | undefined {
  let best: Peer | undefined;
  let bestHash = "";
  for (const peer of peers) {
    const hash = md5(`${key} ${peer.id}`);
    if (best && hash <= bestHash) continue;
    best = peer;
    bestHash = hash;
  }
  return best;
}

function setCookie(settings: Affinity, exchange: Exchange, value: string): void {
  const parts = [`${settings.name}=${value}`];
  if (settings.expiresSeconds !== undefined)
    parts.push(`Expires=${cookieDate(exchange.world.clock.now() + settings.expiresSeconds * 1000)}`);
  if (settings.maxAgeSeconds !== undefined) parts.push(`Max-Age=${settings.maxAgeSeconds}`);
  if (settings.domain !== "") parts.push(`Domain=${settings.domain}`);
  parts.push(`Path=${settings.path === "" ? exchange.location.path : settings.path}`);
  const https = exchange.facts.scheme === "https" || settings.secure;
  if (https) parts.push("Secure");
  parts.push("HttpOnly");
  const agent = headerText(exchange, "user-agent");
  const refusesNone = settings.conditionalSameSiteNone && refusesSameSiteNone(agent);
  // lua-resty-cookie leaves out what is written in other letters.
  const known = ["None", "Lax", "Strict"].includes(settings.sameSite);
  if (known && !(settings.sameSite === "None" && refusesNone)) parts.push(`SameSite=${settings.sameSite}`);
  exchange.addedHeaders.push(["Set-Cookie", parts.join("; ")]);
}

/** Browsers that drop a cookie with SameSite=None: lua/util/same_site.lua. */
function refusesSameSiteNone(agent: string): boolean {
  if (/Chrome\/[456]|CPU iPhone OS 12|iPad; CPU OS 12/.test(agent)) return true;
  const has = (text: string): boolean => agent.includes(text);
  return has("Macintosh") && has("Intel Mac OS X 10_14") && has("Safari") && !has("Chrome");
}

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** ngx.cookie_time: `Fri, 20-Nov-26 12:00:00 GMT`. */
function cookieDate(ms: number): string {
  const date = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${DAYS[date.getUTCDay()]}, ${two(date.getUTCDate())}-${MONTHS[date.getUTCMonth()]}-${two(date.getUTCFullYear() % 100)}`;
  return `${day} ${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} GMT`;
}
