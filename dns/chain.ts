// A Corefile made live: for each server block the chain of its plugins, and the choice of block for a name.
// Upstream: CoreDNS core/dnsserver (config, server.ServeDNS).
import { createHash } from "node:crypto";
import { realClock } from "../model/clock.ts";
import { seededRandom } from "../model/random.ts";
import { CorefileError } from "./corefile.ts";
import { parseCorefile } from "./corefile-parser.ts";
import type { CorefileFiles, ParseOptions } from "./corefile-parser.ts";
import type { ServerBlock } from "./corefile.ts";
import { emptyReply, failedReply, then } from "./message.ts";
import type { Edns, Query, Reply } from "./message.ts";
import { Metrics } from "./metrics.ts";
import { isReverse, isWithin } from "./name.ts";
import type { DnsPlugin, MaybeReply, Next, PluginEnv } from "./plugin.ts";
import { isReached } from "./plugins/bind.ts";
import { bufsizeOf, lameduckOf } from "./plugins/endpoints.ts";
import { PLUGINS } from "./plugins/index.ts";
import { Zone } from "./zone.ts";

const DS = 43;
/** Queries that plugins may ask of their own server, one inside the other. */
const MAX_NESTED = 10;
/** What is shown to those who ask with a version that is not served. */
const BARE_EDNS: Edns = { udpSize: 0, version: 0, do: false, options: [] };

export interface Chain {
  /** Ports to listen on, from the keys of the server blocks. */
  readonly ports: readonly number[];
  /** What is said when it goes live: each zone with its port. */
  readonly banner: string;
  /** Tells one configuration from another: SHA512 of what was read. */
  readonly hash: string;
  readonly plugins: readonly DnsPlugin[];
  /** Largest UDP answer. */
  readonly bufsize: number;
  readonly lameduckMs: number;
  serve(query: Query, port?: number): MaybeReply;
  /** The block that takes a question for this lower-case name. */
  siteOf(name: string, type: number, port: number): Site | undefined;
  /** Calls back with what plugins have asked of their own server: each counts as a question of a client's. */
  observe(nested: Nested): void;
  /** The name in metrics of what listens on this port. */
  serverAt(port: number): string;
  close(): void;
}

export type Nested = (query: Query, reply: Reply, port: number) => void;

/** Plugins for whose sake questions of other classes than IN are let in. */
const OPENS_CLASSES: ReadonlySet<string> = new Set(["chaos", "forward"]);

type Env = Omit<PluginEnv, "blockZones" | "port" | "server" | "debug" | "plugins" | "ask">;

/** One zone of a server block. */
export interface Site {
  readonly zone: string;
  readonly port: number;
  /** "dns://:53". */
  readonly server: string;
  readonly serve: Next;
  /** The plugins that a question passes, in order; a block without any refuses all. */
  readonly handlers: readonly string[];
}

/** Sets a Corefile up; throws CorefileError, with nothing left running. */
export function createChain(corefile: string, env: Env, options: ParseOptions = {}): Chain {
  const blocks = parseCorefile(corefile, options);
  const plugins: DnsPlugin[] = [];
  const sites: Site[] = [];
  const anyClass = new Set(
    blocks.flatMap(({ port, directives }) => (directives.some(({ name }) => OPENS_CLASSES.has(name.text)) ? port : [])),
  );
  const debug = blocks.some(({ directives }) => directives.some(({ name }) => name.text === "debug"));
  let depth = 0;
  let nested: Nested = () => undefined;

  const siteOf = (name: string, type: number, port: number): Site | undefined => {
    // The longest zone; but a zone's DS records are its parent's, so for them the shortest above the root.
    const rank = (zone: string): number => (type === DS && zone !== "." ? 300 - zone.length : zone.length);
    let best: Site | undefined;
    for (const site of sites) {
      if (site.port === port && isWithin(name, site.zone) && (!best || rank(site.zone) > rank(best.zone))) best = site;
    }
    return best;
  };

  const serve = (query: Query, port = 53): MaybeReply => {
    if (query.question.class !== 1 && !anyClass.has(port)) return refused("only class IN is served");
    if (query.edns && query.edns.version !== 0)
      return { ...emptyReply("BADVERS", "server", `EDNS version ${query.edns.version}`), edns: BARE_EDNS };
    return siteOf(query.name, query.question.type, port)?.serve(query) ?? refused("no server block is responsible for the name");
  };
  const ask = (query: Query, port: number): MaybeReply => {
    if (depth >= MAX_NESTED) return emptyReply("SERVFAIL", "server", "too many CNAMEs");
    depth++;
    try {
      return then(serve(query, port), (reply) => {
        nested(query, reply, port);
        return reply;
      });
    } finally {
      depth--;
    }
  };

  try {
    for (const block of blocks) {
      const server = serverOf(block, env.serverIPs);
      const own = setupBlock(block, { ...env, ask: (query) => ask(query, block.port), debug, server: server ?? `dns://:${block.port}` });
      plugins.push(...own);
      if (server === undefined) continue;
      const [serve, handlers] = [link(own), own.filter((plugin) => plugin.serve).map((plugin) => plugin.name)];
      for (const zone of block.zones) sites.push({ zone, port: block.port, server, serve, handlers });
    }
    env.metrics.clear("coredns_plugin_enabled");
    for (const plugin of plugins) plugin.started?.();
  } catch (error) {
    for (const plugin of plugins) plugin.close?.();
    throw error;
  }
  return {
    ports: [...new Set(sites.map((site) => site.port))],
    banner: bannerOf(blocks),
    hash: createHash("sha512").update(JSON.stringify(blocks)).digest("hex"),
    plugins,
    bufsize: bufsizeOf(plugins),
    lameduckMs: lameduckOf(plugins),
    serve,
    siteOf,
    observe: (listener) => void (nested = listener),
    serverAt: (port) => sites.find((site) => site.port === port)?.server ?? `dns://:${port}`,
    close: () => plugins.forEach((plugin) => plugin.close?.()),
  };
}

/** The block's name in metrics; undefined when it listens where nobody comes. */
function serverOf({ hosts, port }: ServerBlock, serverIPs: readonly string[]): string | undefined {
  const host = hosts.find((each) => isReached(each, serverIPs));
  return host === undefined ? undefined : `dns://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Zones in order, listener by listener; those that are no host names get a warning. */
function bannerOf(blocks: readonly ServerBlock[]): string {
  const listeners = new Set(blocks.flatMap(({ port, hosts }) => hosts.map((host) => `${port}${host === "" ? "" : ` on ${host}`}`)));
  const lines = [...listeners].flatMap((listener) => {
    const [port, host = ""] = listener.split(" on ");
    const there = blocks.filter((block) => String(block.port) === port && block.hosts.includes(host));
    return [...new Set(there.flatMap((block) => block.zones))].sort().map((zone) => {
      const isHostName = zone === "." || isReverse(`.${zone}`) || /^(?:[a-z](?:[a-z0-9-]*[a-z0-9])?\.)+$/i.test(zone);
      return `${isHostName ? "" : `Warning: Domain "${zone}" does not follow RFC1035 preferred syntax\n`}${zone}:${listener}\n`;
    });
  });
  return lines.join("");
}

function setupBlock(block: ServerBlock, env: Omit<PluginEnv, "blockZones" | "port" | "plugins">): readonly DnsPlugin[] {
  const own: DnsPlugin[] = [];
  const complete: PluginEnv = { ...env, blockZones: block.zones, port: block.port, plugins: () => own };
  for (const directive of block.directives) {
    if (!PLUGINS.some((type) => type.name === directive.name.text))
      throw new CorefileError(`Unknown directive '${directive.name.text}'`, directive.name);
  }
  for (const type of PLUGINS) {
    const stanzas = block.directives.filter((directive) => directive.name.text === type.name);
    const [first, second] = stanzas;
    if (!first) continue;
    if (second && (type.stanzas ?? "once") === "once")
      throw new CorefileError("this plugin can only be used once per Server Block", second.name, type.name);
    try {
      for (const stanza of type.stanzas === "each" ? stanzas : [first]) own.push(type.setup(stanza, complete, stanzas));
    } catch (error) {
      for (const plugin of own) plugin.close?.();
      throw error instanceof CorefileError ? error.of(type.name) : error;
    }
  }
  try {
    for (const plugin of own) plugin.check?.();
  } catch (error) {
    for (const plugin of own) plugin.close?.();
    throw error;
  }
  return own;
}

/** What the server says by itself. */
function refused(text: string): Reply {
  return { ...emptyReply("REFUSED", "server", text), outside: true };
}

/** The plugins' serve functions, each with the rest of the chain behind it; at the end nobody answers. */
function link(plugins: readonly DnsPlugin[]): Next {
  const last = plugins.findLast((plugin) => plugin.serve);
  if (!last) return () => refused("the server block has no plugin that answers");
  const end: Next = ({ question: { name } }) =>
    failedReply(
      "SERVFAIL",
      "server",
      `plugin/${last.name}: no next plugin found`,
      `no plugin answers ${name}: forward is not configured for it`,
    );
  return plugins.reduceRight<Next>((next, plugin) => (plugin.serve ? (query) => plugin.serve?.(query, next) ?? next(query) : next), end);
}

/** What the coredns pods are probed at, and what becomes of them without. */
const PROBES = [
  { path: "/ready", port: 8181, without: "the coredns pods do not become ready, so nobody answers at the Service kube-dns" },
  { path: "/health", port: 8080, without: "the coredns pods are restarted after two minutes" },
] as const;

/**
 * Sets a Corefile up for trial, over an empty zone; throws CorefileError. Variables and the files that plugins read are taken to be there.
 * Returns what a user should know of one that can be set up.
 */
export function checkCorefile(corefile: string, files?: CorefileFiles): readonly string[] {
  const env: Env = {
    zone: new Zone(0),
    clock: realClock,
    random: seededRandom(0),
    serverIPs: [],
    hostname: "localhost",
    metrics: new Metrics(),
    connect: () => Promise.reject(new Error("a trial asks nobody")),
    readFile: (path) => (path.includes("/") ? "nameserver 127.0.0.1\n" : undefined),
    log: () => undefined,
    fatal: () => undefined,
  };
  const chain = createChain(corefile, env, files ? { files } : {});
  chain.close();
  return PROBES.filter(({ path, port }) => !chain.plugins.some(({ page }) => page?.path === path && page.port === port)).map(
    ({ path, port, without }) => `no plugin ${path.slice(1)} answers at :${port}: ${without}`,
  );
}
