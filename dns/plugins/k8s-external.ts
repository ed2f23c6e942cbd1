// k8s_external: Services by their external and load-balancer addresses, in zones of their own: `web.default.example.com.`
// Upstream: CoreDNS plugin/k8s_external and plugin/kubernetes/external.go. A transfer shows exposed namespaces only.
import { ipFamily } from "../../model/ip.ts";
import { CorefileError } from "../corefile.ts";
import type { Directive } from "../corefile.ts";
import { requery, then } from "../message.ts";
import type { Query, Reply } from "../message.ts";
import { addressOfReverse, fqdn, isWithin, labelsOf, matchZone, trimZone } from "../name.ts";
import { argumentError, fallsThrough, fallthroughZones, integerArgument, unknownProperty, zonesFrom } from "../plugin.ts";
import type { MaybeReply, PluginEnv, PluginType } from "../plugin.ts";
import { typeName } from "../record.ts";
import type { ResourceRecord } from "../record.ts";
import type { ServiceTable } from "../service-table.ts";
import type { ZoneView } from "../view.ts";
import { isKubernetesPlugin } from "./kubernetes.ts";

const [A, AAAA] = [1, 28];

interface Options {
  readonly zones: readonly string[];
  readonly apex: string;
  readonly ttl: number;
  readonly headless: boolean;
  readonly fallthrough: readonly string[] | undefined;
}
interface Lookup {
  readonly record: ResourceRecord;
  readonly name: string;
  readonly type: number;
}
interface Host {
  readonly host: string;
  readonly port: number;
  readonly owner: string;
}

export const k8sExternalPlugin: PluginType = {
  name: "k8s_external",
  setup(stanza, env) {
    const options = readStanza(stanza, env);
    return {
      name: "k8s_external",
      check() {
        if (!env.plugins().some(isKubernetesPlugin)) throw new CorefileError("kubernetes plugin not loaded", stanza.name, "k8s_external");
      },
      serve(query, next) {
        const zone = matchZone(query.name, options.zones);
        const view = env.plugins().find(isKubernetesPlugin)?.view;
        if (zone === undefined || !view) return next(query);
        const external = new ExternalZone(view, options, zone);
        const reply = external.answer(query);
        if (reply.rcode === "NXDOMAIN" && fallsThrough(options.fallthrough, query.name)) return next(query);
        return chase(query, reply, zone, env);
      },
      transfer(zone, serial) {
        const view = env.plugins().find(isKubernetesPlugin)?.view;
        if (!view || matchZone(zone, options.zones) !== zone) return undefined;
        return new ExternalZone(view, options, zone).transfer(serial);
      },
    };
  },
};

/** Adds the addresses of host names outside: each CNAME is followed by what it leads to, the targets of SRV have theirs in the additional section. */
function chase(query: Query, reply: Reply, zone: string, env: PluginEnv): MaybeReply {
  const outside = reply.answers.flatMap((record): readonly Lookup[] => {
    if (record.type === "CNAME") return [{ record, name: record.target, type: query.question.type }];
    if (record.type !== "SRV" || isWithin(record.target.toLowerCase(), zone)) return [];
    return [A, AAAA].map((type) => ({ record, name: record.target, type }));
  });
  if (outside.length === 0) return reply;
  const { rcode, authorities, aa } = reply;
  const added = (at: number, so: Reply): MaybeReply => {
    const lookup = outside[at];
    if (!lookup) return so;
    return then(env.ask(requery(query, lookup.name, lookup.type)), (found) => {
      const next = { ...so, tc: so.tc === true || found.tc === true, why: [...so.why, ...found.why] };
      if (lookup.record.type === "SRV") return added(at + 1, { ...next, additionals: [...so.additionals, ...found.answers] });
      const place = so.answers.indexOf(lookup.record) + 1;
      return added(at + 1, { ...next, answers: [...so.answers.slice(0, place), ...found.answers, ...so.answers.slice(place)] });
    });
  };
  const { answers, additionals, why } = reply;
  return added(0, { rcode, answers, authorities, additionals, aa, why });
}

class ExternalZone {
  readonly #view: ZoneView;
  readonly #options: Options;
  readonly #zone: string;

  constructor(view: ZoneView, options: Options, zone: string) {
    this.#view = view;
    this.#options = options;
    this.#zone = zone;
  }

  answer(query: Query): Reply {
    const base = trimZone(query.name, this.#zone);
    const labels = labelsOf(base);
    if (labels.length === 0) return this.#apex(query);
    if (labels.at(-1) === this.#options.apex) return this.#nameServer(query, labels);
    const type = typeName(query.question.type);
    const ip = type === "PTR" ? addressOfReverse(query.name) : undefined;
    if (ip !== undefined) return this.#pointer(query, ip);
    const found = this.#find(labels);
    if (typeof found === "string") return this.#reply("NXDOMAIN", found);
    return this.#records(query, type, found.hosts, found.from);
  }

  /** All records of the zone between two SOAs; the SOA alone when this serial is current. */
  transfer(serial: number): readonly ResourceRecord[] {
    const soa = this.#soa();
    if (serial !== 0 && serial >= this.#view.zone.serials.external) return [soa];
    const server = `ns1.${this.#options.apex}.${this.#zone}`;
    const records: ResourceRecord[] = [{ name: this.#zone, type: "NS", ttl: this.#options.ttl, target: server }, ...this.#glue(server)];
    const services = [...this.#view.zone.local.services.values()].filter(
      (service) => this.#view.selects(service) && this.#view.hidden(service.namespace) === undefined,
    );
    services.sort((a, b) => (a.key < b.key ? -1 : 1));
    for (const service of services) records.push(...this.#serviceRecords(service));
    return [soa, ...records, soa];
  }
  /** What questions for the names of one Service are answered; SRV records of external addresses weigh 100 each. */
  #serviceRecords(service: ServiceTable): readonly ResourceRecord[] {
    const owner = [service.name, service.namespace];
    const isExternal = service.externalIPs.length > 0;
    if (!isExternal && !(this.#options.headless && service.kind === "Headless")) return [];
    const slices = isExternal ? [] : this.#view.slices(this.#view.zone.local, service);
    const ports = isExternal ? service.ports : slices.flatMap((slice) => slice.ports);
    const names = new Set([
      owner.join("."),
      ...slices.flatMap((slice) => slice.endpoints.map((endpoint) => [this.#view.label(endpoint), ...owner].join("."))),
      ...ports.filter((port) => port.name !== "").map((port) => [`_${port.name}`, `_${port.protocol}`, ...owner].join(".")),
    ]);
    return [...names].flatMap((name) => {
      const found = this.#find(labelsOf(name));
      if (typeof found === "string") return [];
      const types = name.startsWith("_") ? ["SRV"] : ["A", "AAAA", "SRV"];
      const records = types.flatMap((type) => this.#recordsOf(`${name}.${this.#zone}`, type, found.hosts).answers);
      return isExternal ? records.map((record) => (record.type === "SRV" ? { ...record, weight: 100 } : record)) : records;
    });
  }

  #find(labels: readonly string[]): { readonly hosts: readonly Host[]; readonly from: string } | string {
    const [namespace = "", name] = [labels.at(-1), labels.at(-2)];
    const hidden = this.#view.hidden(namespace);
    if (hidden !== undefined) return hidden;
    if (name === undefined) return { hosts: [], from: `namespace ${namespace} exists` };
    const left = labels.slice(0, -2).map((label) => (label.startsWith("_") ? label.slice(1) : label));
    if (left.length > 2) return "the name has too many labels";
    const [port, protocol] = left.length === 2 ? left : ["", ""];
    const endpoint = left.length === 1 ? left[0] : "";
    const index = this.#view.zone.local;
    const service = this.#view.service(index, `${name}.${namespace}`);
    if (!service) return `Service ${namespace}/${name} does not exist`;
    const matches = (candidate: { readonly name: string; readonly protocol: string }): boolean =>
      (port === "" || port === candidate.name) && (protocol === "" || protocol === candidate.protocol);
    const owner = `${name}.${namespace}`;
    let hosts: Host[] = [];
    if (this.#options.headless && service.externalIPs.length === 0 && (service.kind === "Headless" || endpoint !== "")) {
      for (const slice of this.#view.slices(index, service)) {
        const ports = slice.ports.filter(matches);
        for (const each of slice.endpoints) {
          const label = this.#view.label(each);
          if (endpoint === "" || endpoint === label)
            hosts.push(...ports.map((found) => ({ host: each.ip, port: found.port, owner: `${label}.${owner}` })));
        }
      }
    } else {
      const ports = service.ports.filter(matches);
      hosts = service.externalIPs.flatMap((host) => ports.map((found) => ({ host, port: found.port, owner })));
    }
    return hosts.length > 0
      ? { hosts, from: `Service ${namespace}/${name}` }
      : `Service ${namespace}/${name} has no such external address, port or endpoint`;
  }

  #records(query: Query, type: string, hosts: readonly Host[], from: string): Reply {
    const { answers, additionals } = this.#recordsOf(query.question.name, type, hosts);
    return this.#reply("NOERROR", from, answers, additionals);
  }
  #recordsOf(
    name: string,
    type: string,
    hosts: readonly Host[],
  ): { readonly answers: readonly ResourceRecord[]; readonly additionals: readonly ResourceRecord[] } {
    const { ttl } = this.#options;
    // What is no address has the TTL of the kubernetes plugin, whose records these are.
    const inner = this.#view.options.ttl;
    const answers = new Map<string, ResourceRecord>();
    const additionals = new Map<string, ResourceRecord>();
    const weight = Math.max(1, Math.floor(100 / Math.max(1, hosts.length)));
    for (const { host, port, owner } of hosts) {
      const family = ipFamily(host);
      const address = family === "IPv6" ? "AAAA" : "A";
      if (type === "SRV" && port !== -1) {
        const target = family ? `${owner}.${this.#zone}` : fqdn(host);
        answers.set(`${target} ${port}`, { name, type: "SRV", ttl: inner, priority: 0, weight, port, target });
        if (family) additionals.set(`${target} ${host}`, { name: target, type: address, ttl, address: host });
      } else if (type === "A" || type === "AAAA") {
        if (!family) answers.set(host, { name, type: "CNAME", ttl: inner, target: fqdn(host) });
        else if (address === type) answers.set(host, { name, type, ttl, address: host });
      }
    }
    return { answers: [...answers.values()], additionals: [...additionals.values()] };
  }

  #pointer(query: Query, ip: string): Reply {
    const shown = this.#view.zone.local
      .servicesAtExternal(ip)
      .filter((service) => this.#view.options.namespaces.size === 0 || this.#view.hidden(service.namespace) === undefined);
    if (shown.length === 0) return this.#reply("NXDOMAIN", `no Service has external address ${ip}`);
    const zone = this.#options.zones[0] ?? this.#zone;
    const targets = new Set(shown.map((service) => `${service.name}.${service.namespace}.${zone}`));
    return this.#reply(
      "NOERROR",
      `external address ${ip}`,
      [...targets].map((target) => ({ name: query.question.name, type: "PTR", ttl: this.#options.ttl, target })),
    );
  }

  #apex(query: Query): Reply {
    const type = typeName(query.question.type);
    const { ttl, apex } = this.#options;
    const server = `ns1.${apex}.${this.#zone}`;
    if (type === "SOA") return this.#reply("NOERROR", `zone ${this.#zone}`, [this.#soa()]);
    if (type !== "NS") return this.#reply("NOERROR", `zone ${this.#zone}`);
    return this.#reply(
      "NOERROR",
      "this DNS server",
      [{ name: this.#zone, type: "NS", ttl, target: server }],
      this.#glue(`ns1.${apex}.${query.question.name}`),
    );
  }

  #nameServer(query: Query, labels: readonly string[]): Reply {
    if (labels.length === 1) return this.#reply("NOERROR", "an empty name of the zone");
    if (labels.length > 2 || labels[0] !== "ns1") return this.#reply("NXDOMAIN", "no such name server");
    const type = typeName(query.question.type);
    return this.#reply(
      "NOERROR",
      "this DNS server",
      this.#glue(query.question.name).filter((record) => record.type === type),
    );
  }

  #glue(name: string): readonly ResourceRecord[] {
    return this.#ownAddresses().map((address) => ({ name, type: address.includes(":") ? "AAAA" : "A", ttl: this.#options.ttl, address }));
  }

  /** External addresses of the Services in front of this server; its own when it is no endpoint. */
  #ownAddresses(): readonly string[] {
    const { serverIPs, zone } = this.#view;
    const slices = serverIPs.flatMap((ip) => zone.local.slicesAt(ip));
    if (slices.length === 0) return serverIPs;
    return slices.flatMap((slice) => {
      const service = zone.local.services.get(slice.service);
      if (!service) return [];
      return this.#options.headless && service.kind === "Headless" ? slice.endpoints.map((endpoint) => endpoint.ip) : service.externalIPs;
    });
  }

  #reply(rcode: Reply["rcode"], text: string, answers: readonly ResourceRecord[] = [], additionals: readonly ResourceRecord[] = []): Reply {
    const authorities = answers.length === 0 ? [this.#soa()] : [];
    return { rcode, answers, authorities, additionals, aa: true, zone: this.#zone, why: [{ plugin: "k8s_external", text }] };
  }

  #soa(): ResourceRecord {
    const { ttl, apex } = this.#options;
    const name = this.#zone;
    const times = { serial: this.#view.zone.serials.external, refresh: 7200, retry: 1800, expire: 86_400, minimum: ttl };
    return { name, type: "SOA", ttl, mname: `ns1.${apex}.${name}`, rname: `hostmaster.${apex}.${name}`, ...times };
  }
}

function readStanza(stanza: Directive, env: PluginEnv): Options {
  let options: Options = { zones: zonesFrom(stanza.args, env), apex: "dns", ttl: 5, headless: false, fallthrough: undefined };
  for (const line of stanza.body) {
    const [first] = line.args;
    switch (line.name.text) {
      case "apex":
        if (!first) argumentError(line);
        options = { ...options, apex: first.text.toLowerCase() };
        break;
      case "ttl":
        options = { ...options, ttl: integerArgument(first, line, 0, 3600) };
        break;
      case "headless":
        options = { ...options, headless: true };
        break;
      case "fallthrough":
        options = { ...options, fallthrough: fallthroughZones(line) };
        break;
      default:
        unknownProperty(line);
    }
  }
  if (options.zones.length === 0) throw new CorefileError("k8s_external needs a zone", stanza.name);
  return options;
}
