// What a Corefile says: server blocks of directives, with the place of every token, so that an error names file, line and column.
// Upstream: coredns/caddy caddyfile, CoreDNS core/dnsserver address.go. The text is read by corefile-parser.ts.
import { Cidr, isCidr } from "../model/ip.ts";
import { fqdn, isDomainName, reverseOfAddress } from "./name.ts";

export interface Token {
  readonly text: string;
  /** "Corefile", or the name of an imported file as it was written. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** One line of a block, with the block that may follow it. */
export interface Directive {
  readonly name: Token;
  readonly args: readonly Token[];
  readonly body: readonly Directive[];
}

export interface ServerBlock {
  /** Lower-case zones. */
  readonly zones: readonly string[];
  readonly port: number;
  /** What `bind` names; "" is everything. */
  readonly hosts: readonly string[];
  readonly directives: readonly Directive[];
}

/** The listeners of each zone and port, while blocks are read: "" is the one of every address. */
export type Served = Map<string, string[]>;

/** Where something stands. */
export type Place = Pick<Token, "file" | "line" | "column">;

/** An error in a Corefile, at a place. */
export class CorefileError extends Error {
  readonly #text: string;
  readonly #at: Place;
  constructor(text: string, at: Place, plugin?: string) {
    super(`${plugin === undefined ? "" : `plugin/${plugin}: `}${at.file}:${at.line}:${at.column} - Error during parsing: ${text}`);
    this.name = "CorefileError";
    this.#text = text;
    this.#at = at;
  }
  get line(): number {
    return this.#at.line;
  }
  get column(): number {
    return this.#at.column;
  }
  /** The same error, found by a plugin in its stanza. */
  of(plugin: string): CorefileError {
    return new CorefileError(this.#text, this.#at, plugin);
  }
}

/** The text is not even blocks of directives. */
export class CorefileSyntaxError extends CorefileError {}

/** The Corefile of a new cluster: kubeadm's without forward and the fall-through to it, so that no question leaves the machine. */
export function defaultCorefile(zone: string): string {
  return `.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes ${zone} in-addr.arpa ip6.arpa {
       pods insecure
       ttl 30
    }
    prometheus :9153
    cache 30
    loop
    reload
    loadbalance
}
`;
}

/** The server blocks that keys and directives make: one for each port. `served` is what the blocks before serve. */
export function serverBlocks(keys: readonly Token[], directives: readonly Directive[], served: Served): readonly ServerBlock[] {
  const hosts = hostsOf(directives);
  const byPort = new Map<number, string[]>();
  for (const key of keys.flatMap((token) =>
    token.text
      .split(",")
      .filter((text) => text !== "")
      .map((text) => ({ ...token, text })),
  )) {
    const { zones, port } = parseKey(key);
    for (const zone of zones) {
      for (const host of hosts) claim(`dns://${zone}:${port}`, host, served, key);
    }
    const known = byPort.get(port);
    if (known) known.push(...zones);
    else byPort.set(port, [...zones]);
  }
  return [...byPort].map(([port, zones]) => ({ zones, port, hosts, directives }));
}

/** The addresses of all `bind` lines without their exceptions. */
function hostsOf(directives: readonly Directive[]): readonly string[] {
  const addresses = (tokens: readonly Token[]): readonly string[] =>
    tokens.flatMap(({ text }) => (text === "lo" ? ["127.0.0.1", "::1"] : [text]));
  const binds = directives.filter(({ name }) => name.text === "bind");
  const hosts = binds.flatMap(({ args, body }) => {
    const except = addresses(body.flatMap((line) => line.args));
    return addresses(args).filter((host) => !except.includes(host));
  });
  return binds.length === 0 ? [""] : hosts;
}

/** A zone is served once at an address, and at single addresses or at every one. */
function claim(address: string, host: string, served: Served, key: Token): void {
  const listening = served.get(address) ?? [];
  const told = (each: string): string => (each === "" ? address : `${address} on ${each}`);
  if (listening.includes(host)) throw new CorefileError(`cannot serve ${told(host)} - it is already defined`, key);
  const overlap = host === "" ? listening.at(-1) : listening.find((each) => each === "");
  if (overlap !== undefined)
    throw new CorefileError(`cannot serve ${told(host)} - zone overlap listener capacity with ${told(overlap)}`, key);
  served.set(address, [...listening, host]);
}

function parseKey(key: Token): { readonly zones: readonly string[]; readonly port: number } {
  const scheme = /^([a-z0-9]+):\/\//.exec(key.text);
  if (scheme && scheme[1] !== "dns") throw new CorefileError(`transport "${scheme[1]}" is not served: only dns`, key);
  const rest = key.text.slice(scheme?.[0].length ?? 0);
  const colon = /^(.*):(\d+)$/.exec(rest);
  const port = colon ? Number(colon[2]) : 53;
  if (rest.endsWith(":")) throw new CorefileError(`expecting data after last colon: "${rest}"`, key);
  if (port < 1 || port > 65_535) throw new CorefileError(`invalid port in "${key.text}"`, key);
  const zones = zonesOf(colon?.[1] || (colon ? "." : rest));
  if (!zones.every(isDomainName)) throw new CorefileError(`zone is not a valid domain name: ${rest}`, key);
  return { zones, port };
}

/** The lower-case zones that a word of the Corefile names: a name, or the reverse zones of an address block. */
export function zonesOf(text: string): readonly string[] {
  if (!isCidr(text)) return [fqdn(text.toLowerCase())];
  const block = new Cidr(text);
  const unit = block.family === "IPv4" ? 8 : 4;
  const bits = Math.ceil(block.prefixLength / unit) * unit;
  const labels = (block.family === "IPv4" ? 32 : 128) / unit;
  return Array.from({ length: 2 ** (bits - block.prefixLength) }, (_, index) =>
    reverseOfAddress(block.subnet(index, bits).at(0))
      .split(".")
      .slice(labels - bits / unit)
      .join("."),
  );
}
