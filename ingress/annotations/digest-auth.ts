// auth-type digest: the Secret's `auth` is an htdigest file, lines of `user:realm:MD5(user:realm:password)`.
// Upstream: nginx-http-auth-digest, RFC 2617 with qop auth and MD5. Leaves out its limits of replays and of guesses.
import { createHash, timingSafeEqual } from "node:crypto";
import { type Answer, page } from "../request/answer.ts";
import { type Exchange, randomHex } from "../request/exchange.ts";
import type { BasicAuth } from "./basic-auth.ts";

/** auth_digest_timeout: how long a nonce is good for the first answer to it. */
const NONCE_MS = 60_000;

const md5 = (text: string): string => createHash("md5").update(text).digest("hex");

/** Undefined lets the request pass. */
export function askDigest(settings: BasicAuth, exchange: Exchange): Answer | undefined {
  const now = exchange.world.clock.now();
  const key = exchange.world.state("digest-auth", () => randomHex(exchange.world.random));
  const sign = (at: string): string => `${at}${md5(`${key}:${at}`).slice(0, 16)}`;
  const challenge = (why: string, stale: boolean): Answer => {
    const nonce = sign(now.toString(16).padStart(12, "0"));
    const value = `Digest algorithm="MD5", qop="auth", realm="${settings.realm}", nonce="${nonce}"${stale ? ', stale="true"' : ""}`;
    return page(401, `auth-type digest: ${why}`, [["WWW-Authenticate", value]]);
  };
  const sent = parameters(exchange.facts.headers.authorization ?? "");
  if (!sent) return challenge("no credentials", false);
  const field = (name: string): string => sent.get(name) ?? "";
  const stored = storedDigest(settings, exchange, field("username"));
  if (stored === undefined || field("realm") !== settings.realm) return challenge("no such user in the realm", false);
  if (field("uri") !== exchange.facts.target) return challenge("the digest is of another uri", false);
  const about = md5(`${exchange.facts.method}:${field("uri")}`);
  const middle = sent.has("qop") ? `${field("nonce")}:${field("nc")}:${field("cnonce")}:${field("qop")}` : field("nonce");
  const [expected, given] = [Buffer.from(md5(`${stored}:${middle}:${about}`)), Buffer.from(field("response"))];
  if (expected.length !== given.length || !timingSafeEqual(expected, given)) return challenge("wrong password", false);
  const at = field("nonce").slice(0, 12);
  const age = now - Number.parseInt(at, 16);
  if (field("nonce") !== sign(at) || !(age >= 0 && age <= NONCE_MS)) return challenge("the nonce is not ours, or too old", true);
  exchange.remoteUser = field("username");
  return undefined;
}

/** MD5(user:realm:password) of a user. */
function storedDigest(settings: BasicAuth, exchange: Exchange, user: string): string | undefined {
  const data = exchange.world.secret(settings.secret);
  if (settings.secretType === "auth-map") return data?.[user]?.toString().trim().split(":").at(-1);
  const prefix = `${user}:${settings.realm}:`;
  const line = data?.["auth"]
    ?.toString()
    .split("\n")
    .find((text) => text.startsWith(prefix));
  return line?.slice(prefix.length).trim();
}

/** Names in lower case; undefined when the header is of another scheme. */
function parameters(header: string): ReadonlyMap<string, string> | undefined {
  const rest = /^Digest +(.*)$/is.exec(header)?.[1];
  if (rest === undefined) return undefined;
  const found = rest.matchAll(/([a-z]+) *= *(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/gi);
  return new Map([...found].map(([, name = "", quoted, bare]) => [name.toLowerCase(), quoted?.replace(/\\(.)/g, "$1") ?? bare ?? ""]));
}
