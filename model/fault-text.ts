// Faults as people type and read them: `--from app=client --to svc/web latency=50ms refuse`. Both ways, for the command and for tables.
// The values of settings are read where faults are made; here they are text.
import type { FaultDns, FaultPeer, FaultSettings, FaultSpec } from "./kinds/loopkube-v1alpha1.ts";
import type { LabelSelector } from "./kinds/meta-v1.ts";
import type { Draft } from "./object.ts";

const TEXT_SETTINGS = ["latency", "jitter", "rate", "reset", "slowClose", "loss", "duplicate", "reorder"] as const;
const FLAG_SETTINGS = ["refuse", "partition"] as const;
const ALL_SETTINGS = [
  "latency",
  "jitter",
  "rate",
  "reset",
  "refuse",
  "first",
  "partition",
  "slowClose",
  "loss",
  "duplicate",
  "reorder",
  "dns",
] as const;
const DIRECTIONS = { both: "Both", forward: "Forward", back: "Back" } as const;

const PEER_HELP = "use pod/[NAMESPACE/]NAME, svc/[NAMESPACE/]NAME, ns/NAME, node/NAME, host, an address block, or labels such as app=web";

const isOneOf = <T extends string>(all: readonly T[], text: string): text is T => all.some((each) => each === text);

/**
 * An end of a flow: words that must all hold (`ns/shop app=web`), or `any`. Throws RangeError with what can be written.
 */
export function parseFaultPeer(text: string): FaultPeer | undefined {
  const words = text.trim().split(/\s+/);
  if (words.length === 1 && (words[0] === "any" || words[0] === "*")) return undefined;
  const peer: Draft<FaultPeer> = {};
  for (const word of words) {
    const part = parsePeerWord(word);
    if (!part) throw new RangeError(`"${text.trim()}" selects nothing: ${PEER_HELP}`);
    Object.assign(peer, part);
  }
  return peer;
}

function parsePeerWord(word: string): FaultPeer | undefined {
  if (word === "host") return { host: true };
  const [kind = "", ...names] = word.split("/");
  const [first = "", second] = names;
  const named = names.length > 0 && names.every((name) => /^[a-z0-9][-a-z0-9.]*$/.test(name));
  if (named && names.length <= 2 && isOneOf(["pod", "pods", "po"], kind))
    return { namespace: second ? first : "default", pod: second ?? first };
  if (named && names.length <= 2 && isOneOf(["svc", "service", "services"], kind)) {
    return { namespace: second ? first : "default", service: second ?? first };
  }
  if (named && names.length === 1 && isOneOf(["ns", "namespace", "namespaces"], kind)) return { namespace: first };
  if (named && names.length === 1 && isOneOf(["node", "nodes", "no"], kind)) return { node: first };
  if (/^[\d.]+(\/\d+)?$/.test(word) || /^[0-9a-fA-F:]*:[0-9a-fA-F:.]*(\/\d+)?$/.test(word)) {
    return { cidr: word.includes("/") ? word : `${word}/${word.includes(":") ? 128 : 32}` };
  }
  const podSelector = parseLabels(word);
  return podSelector && { podSelector };
}

function parseLabels(word: string): LabelSelector | undefined {
  const matchLabels: Record<string, string> = {};
  const matchExpressions: { key: string; operator: string; values?: string[] }[] = [];
  for (const term of word.split(",")) {
    const match = /^(?:!([-A-Za-z0-9_./]+)|([-A-Za-z0-9_./]+)(==|=|!=)([-A-Za-z0-9_.]*))$/.exec(term);
    if (!match) return undefined;
    const [, absent, key = "", operator, value = ""] = match;
    if (absent !== undefined) matchExpressions.push({ key: absent, operator: "DoesNotExist" });
    else if (operator === "!=") matchExpressions.push({ key, operator: "NotIn", values: [value] });
    else matchLabels[key] = value;
  }
  return {
    ...(Object.keys(matchLabels).length > 0 ? { matchLabels } : {}),
    ...(matchExpressions.length > 0 ? { matchExpressions } : {}),
  };
}

/** `latency=50ms`, `refuse`, `first=3`, `dns=SERVFAIL,10%`, `direction=forward`. Throws RangeError that names the word. */
export function parseFaultSettings(words: readonly string[]): FaultSettings & Pick<FaultSpec, "direction"> {
  const settings: Draft<FaultSettings & Pick<FaultSpec, "direction">> = {};
  for (const word of words) {
    const [name = "", value] = word.split(/=(.*)/s);
    const key = name === "slow-close" || name === "slowclose" ? "slowClose" : name;
    if (isOneOf(TEXT_SETTINGS, key)) settings[key] = valueOf(word, value);
    else if (isOneOf(FLAG_SETTINGS, key)) settings[key] = flagOf(word, value);
    else if (key === "first") settings.first = countOf(word, value);
    else if (key === "dns") settings.dns = parseDns(valueOf(word, value));
    else if (key === "direction") settings.direction = directionOf(word, value);
    else
      throw new RangeError(`"${word}" is no fault: there are ${ALL_SETTINGS.join(", ").replace("slowClose", "slow-close")}, and direction`);
  }
  return settings;
}

function valueOf(word: string, value: string | undefined): string {
  if (value === undefined || value === "") throw new RangeError(`"${word}" needs a value: ${word.replace(/=$/, "")}=…`);
  return value;
}

function flagOf(word: string, value: string | undefined): boolean {
  if (value === undefined || value === "true") return true;
  if (value === "false") return false;
  throw new RangeError(`"${word}" takes no value`);
}

function countOf(word: string, value: string | undefined): number {
  const text = valueOf(word, value);
  if (!/^\d{1,9}$/.test(text)) throw new RangeError(`"${word}" needs a whole number: first=3`);
  return Number(text);
}

function directionOf(word: string, value: string | undefined): NonNullable<FaultSpec["direction"]> {
  const text = value?.toLowerCase() ?? "";
  if (text === "both" || text === "forward" || text === "back") return DIRECTIONS[text];
  throw new RangeError(`"${word}": the direction is both, forward or back`);
}

/** `SERVFAIL,200ms,10%,example.com` in any order. */
function parseDns(text: string): FaultDns {
  const dns: Draft<FaultDns> = {};
  for (const part of text.split(",")) {
    if (part.endsWith("%")) dns.share = part;
    else if (/^[A-Z]+$/.test(part)) dns.rcode = part;
    else if (/^[\d.]+(us|µs|ms|s|m|h)/.test(part)) dns.delay = part;
    else dns.name = part;
  }
  return dns;
}

/** An end as one can type it, as far as it has words: `pod/shop/web-1`, `app=web ns/shop`, `any`. */
export function faultPeerText(peer: FaultPeer | undefined): string {
  const { podSelector, namespace, pod, node, host, service, cidr } = peer ?? {};
  const words: string[] = [];
  const prefix = namespace === undefined ? "" : `${namespace}/`;
  if (pod !== undefined) words.push(`pod/${prefix}${pod}`);
  if (service !== undefined) words.push(`svc/${prefix}${service}`);
  if (namespace !== undefined && pod === undefined && service === undefined) words.push(`ns/${namespace}`);
  if (node !== undefined) words.push(`node/${node}`);
  if (host !== undefined) words.push(host ? "host" : "not-host");
  if (cidr !== undefined) words.push(cidr);
  if (podSelector) words.push(labelsText(podSelector));
  return words.length === 0 ? "any" : words.join(" ");
}

function labelsText(selector: LabelSelector): string {
  const terms = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    if (operator === "NotIn" && values.length === 1) terms.push(`${key}!=${values[0]}`);
    else if (operator === "DoesNotExist") terms.push(`!${key}`);
    else if (operator === "Exists") terms.push(key);
    else terms.push(`${key} ${operator === "NotIn" ? "notin" : "in"} (${values.join(",")})`);
  }
  return terms.length === 0 ? "(all pods)" : terms.join(",");
}

/** The settings as one can type them: `latency=50ms refuse dns=SERVFAIL,10%`. */
export function faultSettingsText(spec: FaultSpec): string {
  const words = ALL_SETTINGS.flatMap((name): string[] => {
    const value = spec[name];
    if (value === undefined || value === false) return [];
    if (value === true) return [name];
    return [`${name}=${typeof value === "object" ? [value.rcode, value.delay, value.share, value.name].filter(Boolean).join(",") : value}`];
  });
  if (spec.direction !== undefined && spec.direction !== "Both") words.push(`direction=${spec.direction.toLowerCase()}`);
  return words.join(" ");
}
