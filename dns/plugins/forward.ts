// forward: asks other DNS servers, over the pod's own network: stub domains in the cluster. What is no cluster address cannot be reached.
// Upstream: CoreDNS plugin/forward. Left out: TLS, DoH, health probes, failover.
import { ipFamily } from "../../model/ip.ts";
import type { SocketAddress } from "../../model/ports.ts";
import { CorefileError, zonesOf } from "../corefile.ts";
import type { Directive, Token } from "../corefile.ts";
import { decodeReply } from "../decode.ts";
import { encodeQuery } from "../encode.ts";
import { emptyReply, RCODES } from "../message.ts";
import type { Query, Rcode, Reply } from "../message.ts";
import { isWithin } from "../name.ts";
import { argumentError, durationArgument, integerArgument } from "../plugin.ts";
import type { PluginEnv, PluginType } from "../plugin.ts";

const UDP_BYTES = 1232;

export const forwardPlugin: PluginType = {
  name: "forward",
  stanzas: "each",
  setup(stanza, env) {
    const [from, ...targets] = stanza.args;
    if (!from || targets.length === 0) argumentError(stanza);
    const zones = zonesOf(from.text);
    const servers = targets.flatMap((token) => upstreams(token, env));
    const { except, forceTcp, policy, readTimeoutMs, maxConcurrent } = readOptions(stanza.body);
    let concurrent = 0;
    let turn = 0;
    const order = (): readonly SocketAddress[] => {
      const start = policy === "sequential" ? 0 : policy === "round_robin" ? turn++ % servers.length : env.random.int(servers.length);
      return [...servers.slice(start), ...servers.slice(0, start)];
    };
    const ask = async (query: Query): Promise<Reply> => {
      concurrent++;
      try {
        const failures: string[] = [];
        for (const server of order()) {
          const to = `${server.ip}:${server.port}`;
          env.metrics.counter("coredns_forward_requests_total", { to }).value++;
          try {
            return await exchange(query, server, env, { tcp: forceTcp || query.transport === "tcp", timeoutMs: readTimeoutMs });
          } catch (error) {
            failures.push(`${to}: ${error instanceof Error ? error.message : String(error)}`);
          }
        }
        return emptyReply("SERVFAIL", "forward", failures.join("; "));
      } finally {
        concurrent--;
      }
    };
    return {
      name: "forward",
      serve(query, next) {
        const within = zones.some((zone) => isWithin(query.name, zone)) && !except.some((zone) => isWithin(query.name, zone));
        if (!within) return next(query);
        if (maxConcurrent > 0 && concurrent >= maxConcurrent) {
          env.metrics.counter("coredns_forward_max_concurrent_rejects_total", {}).value++;
          return emptyReply("REFUSED", "forward", `concurrent queries exceeded maximum ${maxConcurrent}`);
        }
        return ask(query);
      },
    };
  },
};

async function exchange(
  query: Query,
  server: SocketAddress,
  env: PluginEnv,
  options: { readonly tcp: boolean; readonly timeoutMs: number },
): Promise<Reply> {
  const { name, type } = query.question;
  const id = env.random.int(65_536);
  const message = encodeQuery(id, name, type, {
    udpSize: UDP_BYTES,
    recursionDesired: query.recursionDesired,
    class: query.question.class,
  });
  let bytes = await env.exchange(server, message, options);
  let decoded = decodeReply(bytes);
  if (decoded.truncated && !options.tcp) {
    bytes = await env.exchange(server, message, { ...options, tcp: true });
    decoded = decodeReply(bytes);
  }
  if (decoded.id !== id || decoded.question?.name.toLowerCase() !== query.name) throw new Error("answer to another question");
  const rcode = Object.hasOwn(RCODES, decoded.rcode) ? (decoded.rcode as Rcode) : "SERVFAIL";
  const why = [{ plugin: "forward", text: `${server.ip}:${server.port} said ${decoded.rcode}` }];
  const { answers, authorities, additionals, flags } = decoded;
  return { rcode, answers, authorities, additionals, aa: flags.includes("aa"), ra: flags.includes("ra"), tc: decoded.truncated, why };
}

function upstreams(token: Token, env: PluginEnv): readonly SocketAddress[] {
  const text = token.text.replace(/^dns:\/\//, "");
  if (/^[a-z]+:\/\//.test(text)) throw new CorefileError(`only plain DNS upstreams are supported: ${token.text}`, token);
  if (text.startsWith("/")) {
    const servers = [...(env.readFile(text) ?? "").matchAll(/^nameserver\s+(\S+)/gm)].map((match) => ({ ip: match[1] ?? "", port: 53 }));
    if (servers.length === 0) throw new CorefileError(`no nameservers in ${text}`, token);
    return servers;
  }
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text);
  const ip = ipFamily(text) ? text : (match?.[1] ?? match?.[2] ?? "");
  if (!ipFamily(ip)) throw new CorefileError(`not an IP address or file: "${token.text}"`, token);
  return [{ ip, port: ipFamily(text) ? 53 : Number(match?.[3] ?? 53) }];
}

function readOptions(lines: readonly Directive[]): {
  readonly except: readonly string[];
  readonly forceTcp: boolean;
  readonly policy: string;
  readonly readTimeoutMs: number;
  readonly maxConcurrent: number;
} {
  const options = { except: [] as string[], forceTcp: false, policy: "random", readTimeoutMs: 2000, maxConcurrent: 0 };
  for (const line of lines) {
    const [first] = line.args;
    switch (line.name.text) {
      case "except":
        options.except.push(...line.args.flatMap((token) => zonesOf(token.text)));
        break;
      case "force_tcp":
        options.forceTcp = true;
        break;
      case "policy":
        if (!first || !["random", "round_robin", "sequential"].includes(first.text))
          throw new CorefileError(`unknown policy '${first?.text ?? ""}'`, first ?? line.name);
        options.policy = first.text;
        break;
      case "read_timeout":
        options.readTimeoutMs = durationArgument(first, line);
        break;
      case "max_concurrent":
        options.maxConcurrent = integerArgument(first, line, 0, 1_000_000);
        break;
      case "prefer_udp":
      case "max_fails":
      case "max_connect_attempts":
      case "expire":
      case "max_idle_conns":
      case "health_check":
        break;
      default:
        throw new CorefileError(`unknown property '${line.name.text}'`, line.name);
    }
  }
  return options;
}
