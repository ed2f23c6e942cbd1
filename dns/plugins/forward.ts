// forward: asks other DNS servers, over the pod's own network: stub domains in the cluster. What is no cluster address cannot be reached.
// Upstream: CoreDNS plugin/forward.
import { Upstream } from "../forward/upstream.ts";
import { readForward } from "../forward/options.ts";
import type { ForwardOptions } from "../forward/options.ts";
import type { DecodedReply } from "../decode.ts";
import { emptyReply, failedReply, isRcode } from "../message.ts";
import type { Query, Reply } from "../message.ts";
import { isWithin } from "../name.ts";
import type { DnsPlugin, Next, PluginEnv, PluginType } from "../plugin.ts";

/** For one query, however many servers are asked. */
const DEADLINE_MS = 5000;
/** What a client takes that has not said how much. */
const MIN_UDP_BYTES = 512;

export const forwardPlugin: PluginType = {
  name: "forward",
  stanzas: "each",
  setup: (stanza, env) => new Forward(readForward(stanza, env), env),
};

class Forward implements DnsPlugin {
  readonly name = "forward";
  readonly #options: ForwardOptions;
  readonly #env: PluginEnv;
  readonly #upstreams: readonly Upstream[];
  #concurrent = 0;
  #turn = 0;

  constructor(options: ForwardOptions, env: PluginEnv) {
    this.#options = options;
    this.#env = env;
    this.#upstreams = options.servers.map((server) => new Upstream(server, options, env));
    const { metrics } = env;
    metrics.counter("coredns_forward_healthcheck_broken_total", {});
    metrics.counter("coredns_forward_max_concurrent_rejects_total", {});
  }
  close(): void {
    for (const upstream of this.#upstreams) upstream.close();
  }

  serve(query: Query, next: Next): Reply | Promise<Reply> {
    const { from, except, maxConcurrent } = this.#options;
    if (!isWithin(query.name, from) || (query.name !== from && except.some((zone) => isWithin(query.name, zone)))) return next(query);
    if (maxConcurrent > 0 && this.#concurrent >= maxConcurrent) {
      this.#env.metrics.counter("coredns_forward_max_concurrent_rejects_total", {}).value++;
      return failedReply("REFUSED", "forward", `concurrent queries exceeded maximum ${maxConcurrent}`);
    }
    this.#concurrent++;
    return this.#ask(query, next).finally(() => this.#concurrent--);
  }

  async #ask(query: Query, next: Next): Promise<Reply> {
    const { clock } = this.#env;
    const { maxAttempts, failover } = this.#options;
    const deadline = clock.monotonic() + DEADLINE_MS;
    let failure: string | undefined;
    let failures = 0;
    let failedOver = 0;
    let asked: string | undefined;
    for (const upstream of this.#candidates()) {
      if (clock.monotonic() >= deadline) break;
      asked = upstream.name;
      let reply: DecodedReply;
      try {
        reply = await upstream.ask(query);
      } catch (error) {
        failure = error instanceof Error ? error.message : String(error);
        upstream.suspect();
        if (maxAttempts > 0 && ++failures >= maxAttempts) break;
        continue;
      }
      failure = undefined;
      if (!answersTo(query, reply)) return emptyReply("FORMERR", "forward", `${upstream.name} answered another question`);
      if (failover.has(reply.rcode) && ++failedOver < this.#upstreams.length) continue;
      if (this.#passesOn(reply)) return next(query);
      return replyOf(query, reply, upstream.name);
    }
    const failed = failedReply("SERVFAIL", "forward", failure ?? "no healthy proxies");
    return asked === undefined ? failed : { ...failed, upstream: asked };
  }

  /** The servers in the policy's order, round and round, those that are down left out; when all are, one of them at random. */
  *#candidates(): Iterable<Upstream> {
    const order = this.#ordered();
    const { metrics, random } = this.#env;
    for (;;) {
      const up = order.filter((upstream) => !upstream.down);
      if (up.length > 0) {
        for (const upstream of up) if (!upstream.down) yield upstream;
        continue;
      }
      metrics.counter("coredns_forward_healthcheck_broken_total", {}).value++;
      const any = order[random.int(order.length)];
      if (this.#options.failFast || !any) return;
      yield any;
      return;
    }
  }

  #ordered(): readonly Upstream[] {
    const all = this.#upstreams;
    if (all.length === 1 || this.#options.policy === "sequential") return all;
    if (this.#options.policy === "round_robin") {
      const first = ++this.#turn % all.length;
      return [...all.slice(first, first + 1), ...all.slice(0, first), ...all.slice(first + 1)];
    }
    const left = [...all];
    return all.flatMap(() => left.splice(this.#env.random.int(left.length), 1));
  }

  /** Whether `next` or `next_on_nodata` hands the query to the forward behind this one. */
  #passesOn(reply: DecodedReply): boolean {
    const plugins = this.#env.plugins();
    if (plugins[plugins.indexOf(this) + 1]?.name !== "forward") return false;
    return this.#options.next.has(reply.rcode) || (this.#options.nextOnNodata && reply.rcode === "NOERROR" && reply.answers.length === 0);
  }
}

function answersTo({ name, question }: Query, { question: asked, flags }: DecodedReply): boolean {
  return flags.includes("qr") && asked?.name.toLowerCase() === name && asked.type === question.type && asked.class === question.class;
}

/** The server's OPT record is passed on, with its options and in the client's size. */
function replyOf(query: Query, decoded: DecodedReply, server: string): Reply {
  const { answers, authorities, additionals, flags, rcode, edns } = decoded;
  const { udpSize, do: dnssec } = query.edns ?? { udpSize: MIN_UDP_BYTES, do: false };
  const why = [{ plugin: "forward", text: `${server} said ${rcode}` }];
  const known = isRcode(rcode) ? rcode : "SERVFAIL";
  return {
    rcode: known,
    answers,
    authorities,
    additionals,
    aa: flags.includes("aa"),
    ra: flags.includes("ra"),
    tc: decoded.truncated,
    ad: flags.includes("ad"),
    ...(edns ? { edns: { ...edns, udpSize, do: dnssec || edns.do, shown: new Set(edns.options.map(({ code }) => code)) } } : {}),
    why,
    upstream: server,
  };
}
