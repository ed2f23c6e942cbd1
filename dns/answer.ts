// Evaluate: a view of the zone and a question give the reply, with its reasons. Pure.
// Upstream: CoreDNS plugin/backend_lookup.go and plugin/kubernetes/handler.go. A CNAME that leads out of the zone is left for the plugin to chase.
import { ipFamily } from "../model/ip.ts";
import { find } from "./find.ts";
import type { Found } from "./find.ts";
import { bareCode } from "./message.ts";
import type { Rcode, Reply } from "./message.ts";
import { addressOfReverse, fqdn, isWithin, matchZone, trimZone } from "./name.ts";
import { TYPE_CODES, typeName } from "./record.ts";
import type { ResourceRecord } from "./record.ts";
import type { ZoneView } from "./view.ts";

/** Version of the DNS schema that TXT dns-version tells. */
export const SCHEMA_VERSION = "1.1.0";
const VERSION_TTL = 28_800;
const NONE: readonly ResourceRecord[] = [];
/** CNAMEs before the last that one answer may chain. */
const MAX_CNAMES = 10;

/** The reply, and the name outside the zone that a client would have to ask next. */
export interface Answer {
  readonly reply: Reply;
  /** Name error: the next plugin may be asked instead. */
  readonly missing: boolean;
  readonly external?: { readonly target: string; readonly type: number };
}

type Records =
  | {
      readonly ok: true;
      readonly answers: readonly ResourceRecord[];
      readonly additionals?: readonly ResourceRecord[];
      readonly from: string;
      readonly external?: string;
    }
  | { readonly ok: false; readonly from: string };

/** Answers a question of one of the view's zones; undefined when the name lies in none. AXFR and IXFR are REFUSED here. */
export function answer(view: ZoneView, name: string, type: number, lower = name.toLowerCase()): Answer | undefined {
  const matched = matchZone(lower, view.options.zones);
  if (matched === undefined) return undefined;
  const zone = matched === "." ? "." : name.slice(name.length - matched.length);
  if (type === TYPE_CODES["AXFR"] || type === TYPE_CODES["IXFR"]) {
    return { missing: false, reply: bareCode("REFUSED", "kubernetes", "transfers need the transfer plugin") };
  }
  const records = recordsOf(view, name, lower, type, zone, matched);
  if (!records.ok) {
    const rcode = view.zone.synced ? "NXDOMAIN" : "SERVFAIL";
    const why = view.zone.synced ? records.from : `not synced with the API server yet (${records.from})`;
    return { missing: true, reply: { ...bare(rcode, matched, why), authorities: [soaRecord(view, zone)] } };
  }
  const { answers, additionals = NONE, from, external } = records;
  if (answers.length === 0) {
    return {
      missing: false,
      reply: { ...bare("NOERROR", matched, `${from}: no ${typeName(type)} record`), authorities: [soaRecord(view, zone)] },
    };
  }
  return {
    missing: false,
    reply: {
      rcode: "NOERROR",
      answers,
      authorities: NONE,
      additionals,
      aa: true,
      zone: matched,
      why: [{ plugin: "kubernetes", text: from }],
    },
    ...(external === undefined ? {} : { external: { target: external, type } }),
  };
}

function bare(rcode: Rcode, zone: string, text: string): Reply {
  return { rcode, answers: NONE, authorities: NONE, additionals: NONE, aa: true, zone, why: [{ plugin: "kubernetes", text }] };
}

/** The SOA of a zone, in the spelling given. */
export function soaRecord(view: ZoneView, zone: string): ResourceRecord {
  const { ttl } = view.options;
  const [mname, rname] = [join("ns.dns", zone), join("hostmaster", zone)];
  return {
    name: zone,
    type: "SOA",
    ttl: Math.min(ttl, 300),
    mname,
    rname,
    serial: view.zone.serials.of(view.options, view.isMulticluster(zone)),
    refresh: 7200,
    retry: 1800,
    expire: 86_400,
    minimum: ttl,
  };
}

function join(left: string, zone: string): string {
  return zone === "." ? `${left}.` : `${left}.${zone}`;
}

function recordsOf(view: ZoneView, name: string, lower: string, type: number, zone: string, matched: string): Records {
  switch (typeName(type)) {
    case "A":
    case "AAAA":
      return addressRecords(view, name, lower, type === 1 ? "A" : "AAAA", matched, []);
    case "SRV":
      return srvRecords(view, name, lower, zone, matched);
    case "TXT":
      return txtRecords(view, name, lower, matched);
    case "CNAME": {
      const found = hostsOf(view, lower, matched, "CNAME");
      if (!found.ok) return found;
      const first = found.hosts[0];
      const cname = first && first.family === undefined ? [cnameRecord(name, first, view.options.ttl)] : [];
      return { ok: true, answers: cname, from: found.from };
    }
    case "PTR":
      return ptrRecords(view, name, lower, matched);
    case "SOA":
      return { ok: true, answers: lower === matched ? [soaRecord(view, zone)] : [], from: `zone ${matched}` };
    case "NS":
      // Upstream compares the name in lower case with the zone as it was asked.
      if (lower === matched && name === lower) return nsRecords(view, name, zone);
      break;
  }
  const found = hostsOf(view, lower, matched, "A");
  return found.ok ? { ok: true, answers: [], from: found.from } : found;
}

type Hosts = { readonly ok: true; readonly hosts: readonly Found[]; readonly from: string } | { readonly ok: false; readonly from: string };

function hostsOf(view: ZoneView, lower: string, zone: string, type: string): Hosts {
  if (lower.startsWith("ns.dns.") && lower === join("ns.dns", zone)) {
    const hosts =
      type === "A" || type === "AAAA"
        ? view.nameServers(zone).map(({ ip }) => ({ host: ip, family: ipFamily(ip), port: 0, owner: "ns.dns" }))
        : [];
    return { ok: true, hosts, from: "this DNS server" };
  }
  const found = find(view, lower, zone);
  return found.type === "missing" ? { ok: false, from: found.from } : { ok: true, hosts: found.hosts, from: found.from };
}

/** `zone` in lower case. */
function addressRecords(
  view: ZoneView,
  name: string,
  lower: string,
  type: "A" | "AAAA",
  zone: string,
  previous: readonly ResourceRecord[],
): Records {
  const { ttl } = view.options;
  const found = hostsOf(view, lower, zone, type);
  if (!found.ok) return found;
  const answers: ResourceRecord[] = [];
  const seen = found.hosts.length > 1 ? new Set<string>() : undefined;
  const family = type === "A" ? "IPv4" : "IPv6";
  let { from } = found;
  let external: string | undefined;
  for (const host of found.hosts) {
    if (host.family === family && !seen?.has(host.host)) {
      seen?.add(host.host);
      answers.push({ name, type, ttl, address: host.host });
    }
    if (host.family !== undefined) continue;
    const cname = cnameRecord(name, host, ttl);
    const target = cname.target.toLowerCase();
    const loops = target === lower || previous.some((record) => record.type === "CNAME" && record.target.toLowerCase() === target);
    if (loops || previous.length > MAX_CNAMES) {
      from = `${from}: ${loops ? "CNAME loop" : "CNAME chain too long"} at ${cname.target}`;
      continue;
    }
    if (!isWithin(target, zone)) {
      answers.push(cname);
      external = cname.target;
      continue;
    }
    const next = addressRecords(view, cname.target, target, type, zone, [...previous, cname]);
    from = `${from} → ${next.from}`;
    if (!next.ok || next.answers.length === 0) continue;
    answers.push(cname, ...next.answers);
    external = next.external;
  }
  return external === undefined ? { ok: true, answers, from } : { ok: true, answers, from, external };
}

function cnameRecord(name: string, host: Found, ttl: number): ResourceRecord & { readonly type: "CNAME" | "PTR" | "NS" } {
  return { name, type: "CNAME", ttl, target: fqdn(host.host) };
}

function srvRecords(view: ZoneView, name: string, lower: string, zone: string, matched: string): Records {
  const found = hostsOf(view, lower, matched, "SRV");
  if (!found.ok) return found;
  const { ttl } = view.options;
  const hosts = found.hosts.filter((host) => host.family !== undefined);
  const weight = Math.max(1, Math.floor(100 / Math.max(1, hosts.length)));
  const answers: ResourceRecord[] = [];
  const additionals: ResourceRecord[] = [];
  const seen = new Set<string>();
  const isNew = (key: string): boolean => !seen.has(key) && seen.add(key).has(key);
  for (const { host, family, port, owner } of hosts) {
    if (port === -1) continue;
    const target = join(owner, zone);
    if (isNew(`${target} ${port}`)) answers.push({ name, type: "SRV", ttl, priority: 0, weight, port, target });
    if (isNew(`${target} ${host}`)) additionals.push({ name: target, type: family === "IPv6" ? "AAAA" : "A", ttl, address: host });
  }
  return { ok: true, answers, additionals, from: found.from };
}

function txtRecords(view: ZoneView, name: string, lower: string, zone: string): Records {
  if (trimZone(lower, zone) === "dns-version") {
    return {
      ok: true,
      answers: [{ name, type: "TXT", ttl: VERSION_TTL, strings: [SCHEMA_VERSION] }],
      from: "the version of the DNS schema",
    };
  }
  const found = find(view, lower, zone);
  if (found.type === "missing") return { ok: false, from: found.from };
  const zonal = view.options.zonal && trimZone(lower, zone).includes("._zone.");
  return found.hosts.length > 0 || zonal ? { ok: true, answers: [], from: found.from } : { ok: false, from: found.from };
}

function ptrRecords(view: ZoneView, name: string, lower: string, zone: string): Records {
  const ip = addressOfReverse(lower);
  if (ip === undefined) {
    const found = find(view, lower, zone);
    return found.type === "missing" ? { ok: false, from: found.from } : { ok: true, answers: [], from: found.from };
  }
  const { ttl, namespaces } = view.options;
  const shown = (namespace: string): boolean => namespaces.size === 0 || view.hidden(namespace) === undefined;
  const ptr = (target: string): ResourceRecord => ({ name, type: "PTR", ttl, target: `${target}.svc.${view.primaryZone}` });
  const { local } = view.zone;
  const service = local.servicesAt(ip).find((candidate) => shown(candidate.namespace) && view.selects(candidate));
  if (service)
    return { ok: true, answers: [ptr(`${service.name}.${service.namespace}`)], from: `Service ${service.key} has ClusterIP ${ip}` };
  const targets = new Set<string>();
  for (const slice of view.options.noEndpoints ? [] : local.slicesAt(ip)) {
    if (!shown(slice.namespace) || !view.selects(slice)) continue;
    const owner = `${slice.service.slice(slice.namespace.length + 1)}.${slice.namespace}`;
    for (const endpoint of slice.endpoints) if (endpoint.ip === ip) targets.add(`${view.label(endpoint)}.${owner}`);
  }
  if (targets.size === 0) return { ok: false, from: `no ClusterIP and no ready endpoint has address ${ip}` };
  return { ok: true, answers: [...targets].map(ptr), from: `endpoints with address ${ip}` };
}

function nsRecords(view: ZoneView, name: string, zone: string): Records {
  const { ttl } = view.options;
  const servers = view.nameServers(zone);
  const answers = [...new Set(servers.map((server) => server.name))].map((target): ResourceRecord => ({ name, type: "NS", ttl, target }));
  const additionals = servers.map((server): ResourceRecord => ({
    name: server.name,
    type: server.ip.includes(":") ? "AAAA" : "A",
    ttl,
    address: server.ip,
  }));
  return { ok: true, answers, additionals, from: "this DNS server" };
}
