// Domain names in presentation form, always fully qualified ("web.default.svc.cluster.local."), and the reverse names of addresses.
// Upstream: miekg/dns labels.go, CoreDNS plugin/pkg/dnsutil.
import { canonicalIp } from "../model/ip.ts";

/** Adds the trailing dot; "" and "." are the root. */
export function fqdn(name: string): string {
  return name.endsWith(".") && !name.endsWith("\\.") ? name : `${name}.`;
}

/** Labels from left to right; escaped dots do not separate. The root has none. */
export function labelsOf(name: string): readonly string[] {
  const bare = name.endsWith(".") ? name.slice(0, -1) : name;
  if (bare === "") return [];
  if (!bare.includes("\\")) return bare.split(".");
  const labels: string[] = [];
  let label = "";
  for (let i = 0; i < bare.length; i++) {
    const char = bare.charAt(i);
    if (char === "\\") label += char + bare.charAt(++i);
    else if (char === ".") {
      labels.push(label);
      label = "";
    } else label += char;
  }
  return [...labels, label];
}

/** True for a name that can be sent: labels of 1 to 63 octets, 255 in all. */
export function isDomainName(name: string): boolean {
  const labels = labelsOf(fqdn(name));
  return name.length <= 254 && (name === "." || labels.length > 0) && labels.every((label) => label.length > 0 && label.length <= 63);
}

/** True when lower-case `name` is `zone` or below it. */
export function isWithin(name: string, zone: string): boolean {
  if (zone === "." || name === zone) return true;
  return name.endsWith(zone) && name.charAt(name.length - zone.length - 1) === ".";
}

/** The longest of `zones` that lower-case `name` lies in. */
export function matchZone(name: string, zones: readonly string[]): string | undefined {
  let best: string | undefined;
  for (const zone of zones) if ((best === undefined || zone.length > best.length) && isWithin(name, zone)) best = zone;
  return best;
}

/** What stands left of `zone` in a name within it, without the joining dot: "web.default.svc"; "" at the apex. */
export function trimZone(name: string, zone: string): string {
  if (zone === ".") return name === "." ? "" : name.slice(0, -1);
  return name.length <= zone.length ? "" : name.slice(0, name.length - zone.length - 1);
}

/** The address of a reverse name, canonical, or undefined when it names none. */
export function addressOfReverse(name: string): string | undefined {
  if (name.endsWith(".in-addr.arpa.")) {
    const parts = name.slice(0, -".in-addr.arpa.".length).split(".");
    return parts.length === 4 ? canonicalIp(parts.reverse().join(".")) : undefined;
  }
  if (!name.endsWith(".ip6.arpa.")) return undefined;
  // Up to three labels in front of them are overlooked.
  const labels = name.slice(0, -".ip6.arpa.".length).split(".");
  const nibbles = labels.slice(-32);
  if (nibbles.length !== 32 || labels.length > 35 || nibbles.some((nibble) => !/^[0-9a-f]$/.test(nibble))) return undefined;
  return canonicalIp((nibbles.reverse().join("").match(/.{4}/g) ?? []).join(":"));
}

/** True when the name lies in one of the two reverse trees. */
export function isReverse(name: string): boolean {
  return name.endsWith(".in-addr.arpa.") || name.endsWith(".ip6.arpa.");
}

/** The reverse name of an address: "10.0.96.127.in-addr.arpa.". */
export function reverseOfAddress(ip: string): string {
  if (!ip.includes(":")) return `${ip.split(".").reverse().join(".")}.in-addr.arpa.`;
  return `${[...expandIpv6(ip)].reverse().join(".")}.ip6.arpa.`;
}

/** The 32 hexadecimal digits of an IPv6 address. */
export function expandIpv6(ip: string): string {
  const mapped = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(ip);
  const text = mapped ? `${mapped[1] ?? ""}${hex(mapped[2], mapped[3])}:${hex(mapped[4], mapped[5])}` : ip;
  const [head = "", tail] = text.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  return [...left, ...Array<string>(Math.max(0, zeros)).fill("0"), ...right].map((group) => group.padStart(4, "0")).join("");
}

function hex(high: string | undefined, low: string | undefined): string {
  return (Number(high) * 256 + Number(low)).toString(16);
}

/** Octets of a label from its presentation form, escapes resolved, as latin1 text. */
export function labelOctets(label: string): string {
  return label.includes("\\")
    ? label.replace(/\\(\d{3}|.)/g, (_, code: string) => (code.length === 3 ? String.fromCharCode(Number(code)) : code))
    : label;
}

/** Presentation form of a label's octets (latin1 text): dots, backslashes and unprintable octets are escaped. */
export function escapeLabel(octets: string): string {
  return /^[-\w*/+:]*$/.test(octets)
    ? octets
    : octets.replace(/[^!-~]|[.\\"();@$ ]/g, (char) =>
        char >= "!" && char <= "~" ? `\\${char}` : `\\${String(char.charCodeAt(0)).padStart(3, "0")}`,
      );
}
