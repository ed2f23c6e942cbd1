// From the URL that a user types to where its connections are opened, and which Service chooses for them.
// A cluster address is dialled as it stands where the system allows it; the gateway serves pods, headless names and mapped plans.
import type { ApiClient } from "../cluster/index.ts";
import { canonicalIp } from "../model/ip.ts";
import type { BalanceAnswer, DnsStep, ExplainAnswer, SocketAddress } from "../model/ports.ts";
import { directTransport, gatewayTransport, type Transport } from "./load/transport.ts";

/** What the cluster's status tells that matters here. */
export interface ClusterFacts {
  /** `127.0.0.1:1080` */
  readonly gateway: string;
  readonly addressPlan: string;
  /** The Ingress's port of this machine, `127.0.0.1:8080`. */
  readonly ingress: string;
}

export interface Target {
  readonly url: URL;
  readonly transport: Transport;
  /** The socket address or authority that connections go to, for people. */
  readonly dialled: string;
  /** The Service's choice as it stood when asked; undefined when no Service has an endpoint there. */
  balance(): Promise<BalanceAnswer | undefined>;
}

/** A URL that cannot be loaded; the message says why. */
export class TargetError extends Error {}

const EXTENSION = "/apis/loopkube.dev/v1alpha1";

export interface TargetOptions {
  /** `pod/[namespace/]name`; without it connections come from the host. */
  readonly from?: string | undefined;
  /** The Host header, where it is not the URL's. */
  readonly hostHeader?: string | undefined;
}

/** Throws TargetError. */
export async function resolveTarget(
  client: ApiClient,
  facts: ClusterFacts,
  text: string,
  { from, hostHeader }: TargetOptions = {},
): Promise<Target> {
  const url = parseUrl(text, parseAddress(facts.gateway)?.port ?? 0);
  const port = Number(url.port || 80);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const ips = await addressesOf(client, host, from);
  const [ip = ""] = ips;
  const byAddress = `http://${ip.includes(":") ? `[${ip}]` : ip}:${port}/`;
  const ask = async (to: string): Promise<readonly ExplainAnswer[]> => {
    const query = new URLSearchParams({ to, ...(from === undefined ? {} : { from }) });
    return (await client.request("GET", `${EXTENSION}/explain?${query}`))["steps"] as unknown as readonly ExplainAnswer[];
  };
  const steps = await ask(byAddress);
  const isIngress =
    `${ip}:${port}` === facts.ingress || steps.some(({ balance: found, title }) => found?.per === "request" || title.startsWith("Ingress"));
  const asked = isIngress ? `http://${hostHeader ?? url.host}${url.pathname}${url.search}` : byAddress;
  const balance = async (): Promise<BalanceAnswer | undefined> =>
    (await ask(asked)).map((step) => step.balance).find((found) => found && (found.per === "request") === isIngress);
  const socket = steps.find((step) => step.socket !== undefined)?.socket;
  const isHostPort = ip === "127.0.0.1" || ip === "::1";
  const to = isHostPort || socket === undefined ? { ip, port } : parseAddress(socket);
  if (from === undefined && to && ips.length === 1 && (facts.addressPlan === "direct" || isHostPort)) {
    return { url, transport: directTransport(to), dialled: `${to.ip}:${to.port}`, balance };
  }
  const gateway = parseAddress(facts.gateway);
  if (!gateway) throw new TargetError("the cluster has no gateway");
  const pod = from?.replace(/^(pods?|po)\//, "");
  const user = pod === undefined ? {} : { pod: pod.includes("/") ? pod : `default/${pod}` };
  return { url, transport: gatewayTransport({ gateway, host, port, ...user }), dialled: `${facts.gateway} for ${host}:${port}`, balance };
}

/** `web`, `http://web/x`, `http://web.default.svc.localhost:1080/` (the gateway's port is not the Service's). */
function parseUrl(text: string, gatewayPort: number): URL {
  const full = /^[a-z]+:\/\//.test(text) ? text : `http://${text}`;
  const url = URL.parse(full);
  if (!url || url.protocol !== "http:") throw new TargetError(`"${text}" is no http URL`);
  if (url.hostname.endsWith(".svc.localhost")) {
    url.hostname = url.hostname.slice(0, -".localhost".length);
    if (Number(url.port) === gatewayPort) url.port = "";
  }
  return url;
}

/** Addresses that cluster DNS gives to `from`, with its search path; literals and localhost as they are. */
async function addressesOf(client: ApiClient, host: string, from: string | undefined): Promise<readonly string[]> {
  const literal = canonicalIp(host);
  if (literal !== undefined) return [literal];
  if (host === "localhost" || host.endsWith(".localhost")) return ["127.0.0.1"];
  const query = new URLSearchParams({ dnsName: host, ...(from === undefined ? {} : { from }) });
  const steps = (await client.request("GET", `${EXTENSION}/dig?${query}`))["steps"] as unknown as readonly DnsStep[];
  const last = steps.at(-1);
  const ips = (last?.answers ?? []).filter((record) => record.type === "A" || record.type === "AAAA").map((record) => record.data);
  if (ips.length === 0)
    throw new TargetError(`${host}: ${last?.rcode === "NOERROR" ? "no address" : (last?.rcode ?? "no answer")} in the cluster's DNS`);
  return ips;
}

/** `127.0.0.1:80` or `[::1]:80`. */
export function parseAddress(text: string): SocketAddress | undefined {
  const match = /^\[?([^\]]+?)\]?:(\d+)$/.exec(text);
  return match ? { ip: match[1] ?? "", port: Number(match[2]) } : undefined;
}
