// pods/{name}/proxy and services/{name}/proxy: HTTP through the API server. Upstream: kubernetes pkg/registry/core/{pod,service}/rest.
// A Service's requests go to its ready endpoints in turn. Links in answers are not rewritten.
import { type IncomingMessage, request as httpRequest } from "node:http";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { badRequest, notFound, StatusError } from "../../model/errors.ts";
import type { SocketAddress } from "../../model/ports.ts";
import { EndpointSlices, Pods, type ResourceType, Services } from "../../model/resources.ts";
import type { Answer, ApiContext, ApiRequest } from "../context.ts";
import { noSuchResource, type Target } from "../target.ts";

/** `[scheme:]name[:port]`, as the name of a proxied object. */
interface ProxyName {
  readonly scheme: string;
  readonly name: string;
  readonly port: string;
}

const HOP_HEADERS = new Set([
  "connection",
  "keep-alive",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "authorization",
]);

function parseProxyName(text: string): ProxyName {
  const parts = text.split(":");
  if (parts.length === 1) return { scheme: "", name: text, port: "" };
  if (parts.length === 2) return { scheme: "", name: parts[0] ?? "", port: parts[1] ?? "" };
  const [scheme = "", name = "", port = ""] = parts;
  if (parts.length > 3 || !["", "http", "https"].includes(scheme))
    throw badRequest(`invalid pod or service request ${JSON.stringify(text)}`);
  return { scheme, name, port };
}

function unavailable(message: string): StatusError {
  return new StatusError(503, "ServiceUnavailable", message);
}

function podAddress({ store }: ApiContext, namespace: string, { name, port }: ProxyName): SocketAddress {
  const pod = store.get(Pods, namespace, name);
  if (!pod) throw notFound(Pods, name);
  const ports = pod.spec.containers.flatMap((container) => container.ports ?? []);
  const chosen = port === "" ? ports[0]?.containerPort : (ports.find((each) => each.name === port)?.containerPort ?? Number(port));
  const ip = pod.status?.podIP;
  if (!ip) throw unavailable("address not allowed");
  if (!isPort(chosen ?? 80)) throw badRequest(`invalid port ${JSON.stringify(port)}`);
  return { ip, port: chosen ?? 80 };
}

const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port < 65536;
let turn = 0;

function serviceAddress({ store }: ApiContext, namespace: string, { name, port }: ProxyName): SocketAddress {
  const service = store.get(Services, namespace, name);
  if (!service) throw notFound(Services, name);
  const ports = service.spec.ports ?? [];
  const wanted = port === "" && ports.length === 1 ? ports[0] : ports.find((each) => each.name === port || String(each.port) === port);
  if (!wanted) throw unavailable(`no service port ${JSON.stringify(port)} found for service ${JSON.stringify(name)}`);
  const slices = store
    .list(EndpointSlices, { namespace })
    .filter(({ metadata }) => metadata.labels?.["kubernetes.io/service-name"] === name);
  const addresses = slices.flatMap(({ endpoints = [], ports: slicePorts = [] }) => {
    const target = slicePorts.find((each) => (each.name ?? "") === (wanted.name ?? ""))?.port;
    if (target === undefined) return [];
    return endpoints
      .filter(({ conditions }) => conditions?.ready !== false)
      .flatMap((each) => each.addresses.map((ip) => ({ ip, port: target })));
  });
  turn += 1;
  const chosen = addresses[turn % Math.max(1, addresses.length)];
  if (!chosen) throw unavailable(`no endpoints available for service ${JSON.stringify(name)}`);
  return chosen;
}

/** Connects to the pod or to an endpoint of the Service that a name means. Throws 400, 404 or 503. */
async function dialProxied(
  context: ApiContext,
  { type, namespace, name }: { readonly type: ResourceType; readonly namespace: string; readonly name: string },
  signal: AbortSignal,
): Promise<{ readonly address: SocketAddress; readonly socket: Duplex }> {
  const proxied = parseProxyName(name);
  const locate = type.resource === "pods" ? podAddress : type.resource === "services" ? serviceAddress : undefined;
  if (!locate) throw noSuchResource();
  const address = locate(context, namespace, proxied);
  if (proxied.scheme === "https") throw unavailable("https backends are not reachable through the API server's proxy");
  if (!context.dial) throw unavailable("the API server has no way to the cluster network");
  const socket = await context.dial(address, signal).catch((error: unknown) => {
    throw unavailable(`error trying to reach service: ${error instanceof Error ? error.message : String(error)}`);
  });
  return { address, socket };
}

/** Passes an upgrade request on and joins the two connections: what the backend answers is the answer. Throws before that only. */
export async function proxyUpgrade(
  incoming: IncomingMessage,
  client: Duplex,
  head: Buffer,
  url: URL,
  target: Target,
  context: ApiContext,
): Promise<void> {
  const gone = new AbortController();
  client.once("close", () => gone.abort());
  const { type, namespace, name = "", rest } = target;
  const { address, socket } = await dialProxied(context, { type, namespace, name }, gone.signal);
  const kept = forwardedHeaders(incoming.rawHeaders);
  const headers = [...kept, "Host", `${address.ip}:${address.port}`, "Connection", "Upgrade", "Upgrade", incoming.headers.upgrade ?? ""];
  const lines = headers.flatMap((field, i) => (i % 2 === 0 ? [`${field}: ${headers[i + 1] ?? ""}`] : []));
  socket.write(`${incoming.method ?? "GET"} ${rest === "" ? "/" : rest}${url.search} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
  socket.write(head);
  await Promise.allSettled([pipeline(client, socket), pipeline(socket, client)]);
}

export async function proxyRequest(
  request: ApiRequest,
  context: ApiContext,
  { type, namespace, name = "", rest }: Target,
): Promise<Answer> {
  if (rest === "" && (request.method === "GET" || request.method === "HEAD")) {
    const location = `${request.url.pathname}/${request.url.search}`;
    return { type: "text", code: 301, body: "", contentType: "text/plain; charset=utf-8", headers: { Location: location } };
  }
  const { address, socket } = await dialProxied(context, { type, namespace, name }, request.signal);
  const answer = await forward(request, socket, address, rest);
  request.response.writeHead(answer.statusCode ?? 502, forwardedHeaders(answer.rawHeaders));
  await pipeline(answer, request.response).catch(() => socket.destroy());
  return { type: "sent" };
}

function forward(request: ApiRequest, socket: Duplex, address: SocketAddress, path: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = forwardedHeaders(request.incoming.rawHeaders);
    const outgoing = httpRequest({
      method: request.method,
      path: `${path === "" ? "/" : path}${request.url.search}`,
      headers: [...headers, "Host", `${address.ip}:${address.port}`, "X-Forwarded-Uri", request.url.pathname],
      createConnection: () => socket,
      setHost: false,
      signal: request.signal,
    });
    outgoing.once("response", resolve);
    outgoing.once("error", (error) => reject(unavailable(`error trying to reach service: ${error.message}`)));
    request.incoming.pipe(outgoing);
  });
}

/** Raw name and value pairs without those that end at this hop. */
function forwardedHeaders(raw: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const [name = "", value = ""] = [raw[i], raw[i + 1]];
    if (!HOP_HEADERS.has(name.toLowerCase()) && name.toLowerCase() !== "host") kept.push(name, value);
  }
  return kept;
}
