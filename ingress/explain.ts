// Why a request is answered as it is: the same evaluation as when it is served, with notes and without a network.
import type { IncomingHttpHeaders } from "node:http";
import type { Clock } from "../model/clock.ts";
import type { Random } from "../model/random.ts";
import { type Decision, evaluate } from "./evaluate.ts";
import type { RequestFacts, World } from "./exchange.ts";
import { hostName } from "./match.ts";
import { parseTarget } from "./request-path.ts";
import { chooseCertificate } from "./serve/certificates.ts";
import type { RoutesFeed } from "./serve/routes-feed.ts";

export interface ExplainedRequest {
  readonly method: string;
  readonly url: URL;
  /** Names in lower case. */
  readonly headers: IncomingHttpHeaders;
  readonly clientIp: string;
}

/** Lines from class to answer, and where the request goes. */
export async function explainRequest(
  feed: RoutesFeed,
  clock: Clock,
  random: Random,
  request: ExplainedRequest,
): Promise<{ readonly lines: readonly string[]; readonly decision: Decision | undefined }> {
  const { table, upstreams } = feed;
  const { url, headers } = request;
  const scheme = url.protocol === "https:" ? "https" : "http";
  const hostHeader = headers.host ?? url.host;
  const target = `${url.pathname}${url.search}`;
  const parsed = parseTarget(target);
  const lines: string[] = [];
  if (!parsed) return { lines: [`request target ${target} is malformed: 400`], decision: undefined };
  const sni = url.hostname;
  if (scheme === "https") lines.push(`listener 443, certificate: ${chooseCertificate(table, (key) => feed.secret(key), sni).why}`);
  else lines.push("listener 80");
  const host = hostName(hostHeader);
  for (const [owner, reason] of table.ignored) lines.push(`Ingress ${owner} is ignored: ${reason}`);
  const facts: RequestFacts = {
    method: request.method,
    scheme,
    target,
    parsed,
    httpVersion: "1.1",
    hostHeader,
    host,
    headers,
    peerIp: request.clientIp,
    peerPort: 0,
    clientIp: request.clientIp,
    serverPort: scheme === "https" ? 443 : 80,
    sni,
    contentLength: undefined,
  };
  const world: World = {
    clock,
    random,
    secret: (key) => feed.secret(key),
    configMap: (key) => feed.configMap(key),
    state: (_key, create) => create(),
    request: async (asked) => {
      lines.push(`would ask ${asked}; 200 is assumed`);
      return { status: 200, headers: [], body: "" };
    },
    onEnd: () => {},
  };
  const decision = await evaluate(facts, table, upstreams, world, lines);
  if (decision.type === "answer") lines.push(`answers ${decision.answer.status}: ${decision.answer.reason}`);
  else {
    const { exchange, backend, peers, balance } = decision;
    lines.push(`the pod sees ${facts.method} ${exchange.upstreamTarget}`);
    lines.push(
      `balancer ${balance.loadBalance.hashBy === "" ? balance.loadBalance.algorithm : `hash of ${balance.loadBalance.hashBy}`} among ${peers.map((peer) => peer.id).join(", ")}`,
    );
    lines.push(
      `goes to Service ${backend.namespace}/${backend.service} port ${backend.port}${exchange.location.owner === undefined ? "" : `, as Ingress ${exchange.location.owner} says`}`,
    );
  }
  return { lines, decision };
}
