// GET and POST /apis/loopkube.dev/v1alpha1/{status,explain,trace,dump}: what the features tell about themselves. No upstream counterpart.
// Parameters come in the query: dump?name=rules&node=…, explain?from=pod/a&to=http://web/, trace (JSON lines until the client leaves).
import { once } from "node:events";
import { badRequest, notFound, StatusError } from "../model/errors.ts";
import type { ExplainAnswer, ExplainQuestion, Peer, Protocol } from "../model/ports.ts";
import { Nodes, Pods } from "../model/resources.ts";
import type { Store } from "../store/index.ts";
import { type Answer, type ApiContext, type ApiRequest, type Handler, objectAnswer, textAnswer } from "./context.ts";

/** The path below which the extension answers. */
export const EXTENSION_GROUP_VERSION = "loopkube.dev/v1alpha1";
const DEFAULT_PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443, "dns:": 53 };

const HANDLERS: Readonly<Record<string, Handler>> = { status, dump, explain, trace };

/** The handler of a path's segments after the group-version; undefined when there is none. */
export function extensionHandler(segments: readonly string[]): Handler | undefined {
  const [name = "", ...rest] = segments;
  return rest.length === 0 && Object.hasOwn(HANDLERS, name) ? HANDLERS[name] : undefined;
}

function status(_request: ApiRequest, { diagnostics }: ApiContext): Answer {
  const sections = diagnostics.flatMap((each) => (each.status ? [[each.name, each.status()] as const] : []));
  return objectAnswer({ kind: "ClusterStatus", apiVersion: EXTENSION_GROUP_VERSION, ...Object.fromEntries(sections) });
}

function dump({ query }: ApiRequest, { diagnostics }: ApiContext): Answer {
  const { name = "", ...options } = Object.fromEntries(query);
  const dumper = diagnostics.find((each) => each.name === name && each.dump);
  if (!dumper?.dump) {
    const names = diagnostics.filter((each) => each.dump).map((each) => each.name);
    throw new StatusError(404, "NotFound", `nothing named ${JSON.stringify(name)} can be dumped; there is: ${names.join(", ")}`);
  }
  return textAnswer(dumper.dump(options));
}

async function explain({ query }: ApiRequest, { store, diagnostics }: ApiContext): Promise<Answer> {
  const to = query.get("to") ?? "";
  if (to === "") throw badRequest("the parameter to is required: a URL, host:port or name");
  let question: ExplainQuestion = {
    from: parsePeer(store, query.get("from") ?? "host"),
    to,
    ...parseDestination(to, query.get("protocol")),
  };
  const steps: (ExplainAnswer & { readonly name: string })[] = [];
  for (const each of diagnostics) {
    const answer = await each.explain?.(question);
    if (!answer) continue;
    steps.push({ name: each.name, ...answer });
    question = { ...question, ...(answer.ip === undefined ? {} : { ip: answer.ip }), ...(answer.port === undefined ? {} : { port: answer.port }) };
  }
  return objectAnswer({ kind: "Explanation", apiVersion: EXTENSION_GROUP_VERSION, from: question.from, to, steps });
}

async function trace(request: ApiRequest, context: ApiContext): Promise<Answer> {
  if (!context.trace) throw new StatusError(404, "NotFound", "this cluster keeps no trace");
  const { response, signal } = request;
  response.writeHead(200, { "Content-Type": "application/json", "Cache-Control": "no-cache, private" });
  response.flushHeaders();
  try {
    for await (const hop of context.trace(signal)) {
      if (!response.write(`${JSON.stringify(hop)}\n`)) await once(response, "drain", { signal });
      if (signal.aborted) break;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  response.end();
  return { type: "sent" };
}

/** "host", "pod/name", "pod/namespace/name" (or name.namespace), "node/name". Throws 404 when it does not exist, 400 for anything else. */
function parsePeer(store: Store, text: string): Peer {
  if (text === "host") return { kind: "host", ip: "127.0.0.1" };
  const [kind = "", ...names] = text.split("/");
  if ((kind === "pod" || kind === "pods" || kind === "po") && names.length > 0 && names.length < 3) {
    const last = names.at(-1) ?? "";
    const [name = "", dotted = "default"] = names.length === 1 ? last.split(".") : [last];
    const namespace = names.length === 2 ? (names[0] ?? "") : dotted;
    const pod = store.get(Pods, namespace, name);
    if (!pod) throw notFound(Pods, name);
    return { kind: "pod", namespace, name, ip: pod.status?.podIP ?? "", node: pod.spec.nodeName ?? "" };
  }
  if ((kind === "node" || kind === "nodes") && names.length === 1) {
    const name = names[0] ?? "";
    const node = store.get(Nodes, "", name);
    if (!node) throw notFound(Nodes, name);
    return { kind: "node", name, ip: node.status?.addresses?.find(({ type }) => type === "InternalIP")?.address ?? "" };
  }
  throw badRequest(`from=${JSON.stringify(text)} is neither host, pod/name, pod/namespace/name nor node/name`);
}

function parseDestination(to: string, protocolText: string | null): { readonly host: string; readonly port: number; readonly protocol: Protocol } {
  const protocol: Protocol = protocolText?.toUpperCase() === "UDP" ? "UDP" : "TCP";
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(to) ? to : `http://${to}`;
  if (!URL.canParse(text)) throw badRequest(`to=${JSON.stringify(to)} is no URL, host:port or name`);
  const url = new URL(text);
  const port = url.port === "" ? (DEFAULT_PORTS[url.protocol] ?? 80) : Number(url.port);
  return { host: url.hostname.replace(/^\[|\]$/g, ""), port, protocol };
}
