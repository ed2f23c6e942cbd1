// hosts: names from an /etc/hosts file of the pod and from lines in the stanza.
// Upstream: CoreDNS plugin/hosts. The file is looked at again when a query comes after the reload time.
import { canonicalIp } from "../../model/ip.ts";
import { CorefileError } from "../corefile.ts";
import type { Directive } from "../corefile.ts";
import { bareCode, emptyReply } from "../message.ts";
import type { Query, Reply } from "../message.ts";
import { addressOfReverse, fqdn, matchZone } from "../name.ts";
import { argumentError, durationArgument, fallsThrough, fallthroughZones, zonesFrom } from "../plugin.ts";
import type { DnsPlugin, MaybeReply, Next, PluginEnv, PluginType } from "../plugin.ts";
import type { ResourceRecord } from "../record.ts";

const [A, PTR, AAAA] = [1, 12, 28];
const FAMILIES = [4, 6] as const;
type Family = (typeof FAMILIES)[number];

export const hostsPlugin: PluginType = {
  name: "hosts",
  setup: (stanza, env) => new Hosts(readStanza(stanza, env), env),
};

interface Options {
  readonly file: string;
  /** The Corefile names it. */
  readonly named: boolean;
  readonly zones: readonly string[];
  readonly lines: readonly string[];
  readonly ttl: number;
  readonly reverse: boolean;
  readonly reloadMs: number;
  readonly fallthrough: readonly string[] | undefined;
  readonly fallthroughUnsupported: boolean;
}

class Hosts implements DnsPlugin {
  readonly name = "hosts";
  readonly #options: Options;
  readonly #env: PluginEnv;
  readonly #inline: HostTable;
  #table: HostTable;
  #text: string;
  #readAtMs: number;

  constructor(options: Options, env: PluginEnv) {
    this.#options = options;
    this.#env = env;
    const text = env.readFile(options.file);
    if (text === undefined && options.named) env.log(`[WARNING] plugin/hosts: File does not exist: ${options.file}`);
    this.#text = text ?? "";
    this.#readAtMs = env.clock.now();
    this.#inline = new HostTable(options.lines, options);
    this.#table = new HostTable(this.#text.split("\n"), options);
    this.#count();
  }

  serve(query: Query, next: Next): MaybeReply {
    const { zones, ttl, fallthrough, fallthroughUnsupported } = this.#options;
    const { type } = query.question;
    if (type !== PTR && matchZone(query.name, zones) === undefined) return next(query);
    this.#reload();
    const { name } = query;
    if (type === PTR) {
      const ip = addressOfReverse(name);
      const names = ip === undefined ? [] : this.#both((table) => table.namesOf(ip));
      if (names.length === 0) return next(query);
      return this.#found(names.map((target) => ({ name, type: "PTR", ttl, target })));
    }
    const isForward = type === A || type === AAAA;
    if (!isForward && fallthroughUnsupported && fallsThrough(fallthrough, name)) return next(query);
    const addresses = FAMILIES.flatMap((family) => this.#both((table) => table.addressesOf(name, family)));
    if (addresses.length === 0) {
      if (fallsThrough(fallthrough, name)) return next(query);
      // There is no SOA to deny a name with.
      return bareCode("SERVFAIL", "hosts", "no entry");
    }
    const wanted = isForward ? addresses.filter((address) => address.includes(":") === (type === AAAA)) : [];
    return this.#found(wanted.map((address) => ({ name, type: type === AAAA ? "AAAA" : "A", ttl, address })));
  }

  #found(answers: readonly ResourceRecord[]): Reply {
    const text = answers.length > 0 ? `entry in ${this.#options.file} or the Corefile` : "the name has an entry, but not of this type";
    return { ...emptyReply("NOERROR", "hosts", text), aa: true, answers };
  }
  #both(look: (table: HostTable) => readonly string[]): readonly string[] {
    return [...look(this.#table), ...look(this.#inline)];
  }
  #reload(): void {
    const { file, reloadMs } = this.#options;
    const now = this.#env.clock.now();
    if (reloadMs === 0 || now - this.#readAtMs < reloadMs) return;
    this.#readAtMs = now;
    const text = this.#env.readFile(file);
    // What has been read stays when the file goes.
    if (text === undefined || text === this.#text) return;
    this.#text = text;
    this.#table = new HostTable(text.split("\n"), this.#options);
    this.#count();
  }
  #count(): void {
    const entries = this.#env.metrics.counter("coredns_hosts_entries", { hostsfile: this.#options.file });
    entries.value = this.#table.size + this.#inline.size;
    if (this.#env.debug) this.#env.log(`[DEBUG] plugin/hosts: Parsed hosts file into ${this.#table.size} entries`);
    this.#env.metrics.counter("coredns_hosts_reload_timestamp_seconds", {}).value = this.#env.clock.now() / 1000;
  }
}

/** The entries of one source that lie in the plugin's zones. */
class HostTable {
  readonly #byName: Readonly<Record<Family, Map<string, string[]>>> = { 4: new Map(), 6: new Map() };
  readonly #byAddress = new Map<string, string[]>();
  size = 0;

  constructor(lines: readonly string[], { zones, reverse }: Options) {
    for (const line of lines) {
      const [ip = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
      // The zone of an IPv6 address says nothing in an answer.
      const address = canonicalIp(ip.replace(/%.*/, ""));
      if (address === undefined) continue;
      for (const name of names.map((text) => fqdn(text.toLowerCase()))) {
        if (matchZone(name, zones) === undefined) continue;
        this.#add(this.#byName[address.includes(":") ? 6 : 4], name, address);
        if (reverse && !name.startsWith("*.")) this.#add(this.#byAddress, address, name);
      }
    }
  }
  #add(map: Map<string, string[]>, key: string, value: string): void {
    const known = map.get(key);
    if (known) known.push(value);
    else map.set(key, [value]);
    this.size++;
  }
  /** Of the name itself, else of the wildcard beside it, each family for itself. */
  addressesOf(name: string, family: Family): readonly string[] {
    const names = this.#byName[family];
    return names.get(name) ?? names.get(`*${name.slice(name.indexOf("."))}`) ?? [];
  }
  namesOf(address: string): readonly string[] {
    return this.#byAddress.get(address) ?? [];
  }
}

function readReload(line: Directive): number {
  const [token] = line.args;
  let ms = 0;
  try {
    ms = durationArgument(token, line);
  } catch {
    throw new CorefileError(`invalid duration for reload '${token?.text}'`, token ?? line.name);
  }
  if (ms < 0) throw new CorefileError(`invalid negative duration for reload '${token?.text}'`, token ?? line.name);
  return ms;
}

/** Lines that are no option are entries, up to `fallthrough`. */
function readStanza(stanza: Directive, env: PluginEnv): Options {
  const lines: string[] = [];
  let options: Options = {
    file: stanza.args[0]?.text ?? "/etc/hosts",
    named: stanza.args.length > 0,
    zones: zonesFrom(stanza.args.slice(1), env),
    lines,
    ttl: 3600,
    reverse: true,
    reloadMs: 5000,
    fallthrough: undefined,
    fallthroughUnsupported: false,
  };
  for (const line of stanza.body) {
    const [first] = line.args;
    switch (line.name.text) {
      case "ttl": {
        const ttl = /^[+-]?\d+$/.test(first?.text ?? "") ? Number(first?.text) : NaN;
        if (!first) throw new CorefileError("ttl needs a time in second", line.name);
        if (Number.isNaN(ttl)) throw new CorefileError("ttl needs a number of second", first);
        if (ttl < 1 || ttl > 65_535) throw new CorefileError("ttl provided is invalid", first);
        options = { ...options, ttl };
        break;
      }
      case "no_reverse":
        options = { ...options, reverse: false };
        break;
      case "reload":
        if (line.args.length !== 1) throw new CorefileError("reload needs a duration (zero seconds to disable)", line.name);
        options = { ...options, reloadMs: readReload(line) };
        break;
      case "fallthrough":
        options = { ...options, fallthrough: fallthroughZones(line) };
        break;
      case "fallthrough_unsupported":
        if (first) argumentError(line);
        options = { ...options, fallthroughUnsupported: true };
        break;
      default:
        if (options.fallthrough) throw new CorefileError(`unknown property '${line.name.text}'`, line.name);
        lines.push([line.name, ...line.args].map((token) => token.text).join(" "));
    }
  }
  if (options.fallthroughUnsupported && !options.fallthrough)
    throw new CorefileError("fallthrough_unsupported requires fallthrough", stanza.name);
  return options;
}
