// GET /apis/loopkube.dev/v1alpha1/{status,explain,request,trace,flows,dump,dig}: what the features tell about themselves. No upstream counterpart.
// Parameters come in the query: dump?name=rules&node=…, explain?from=pod/a&to=http://web/, explain?from=pod/a&dnsName=web&dnsType=SRV, request?method=POST&url=…&header=Name: value&authStatus=401&podStatus=503 (or id=…),
// trace (JSON lines: the recent hops; with follow=true also those to come),
// flows (JSON lines: every flow alive, an empty line, and with follow=true each flow to come).
import { badRequest, StatusError } from "../model/errors.ts";
import type { ExplainAnswer, ExplainQuestion, RequestQuestion } from "../model/ports.ts";
import { type Answer, type ApiContext, type ApiRequest, type Handler, objectAnswer, textAnswer } from "./context.ts";
import { parseDestination } from "./destination.ts";
import { parsePeer } from "./peers.ts";
import { written } from "./written.ts";

/** The path below which the extension answers. */
export const EXTENSION_GROUP_VERSION = "loopkube.dev/v1alpha1";

const HANDLERS: Readonly<Record<string, Handler>> = { status, dump, explain, request, trace, flows, dig };

/** The handler of a path's segments after the group-version; undefined when there is none. */
export function extensionHandler(segments: readonly string[]): Handler | undefined {
  const [name = "", ...rest] = segments;
  return rest.length === 0 && Object.hasOwn(HANDLERS, name) ? HANDLERS[name] : undefined;
}

function status(_request: ApiRequest, { diagnostics }: ApiContext): Answer {
  const sections = diagnostics.flatMap((each) => (each.status ? [[each.name, each.status()] as const] : []));
  return objectAnswer({ kind: "ClusterStatus", apiVersion: EXTENSION_GROUP_VERSION, ...Object.fromEntries(sections) });
}

async function dump({ query }: ApiRequest, { diagnostics }: ApiContext): Promise<Answer> {
  const { name = "", ...options } = Object.fromEntries(query);
  const dumper = diagnostics.find((each) => each.name === name && each.dump);
  if (!dumper?.dump) {
    const names = diagnostics.filter((each) => each.dump).map((each) => each.name);
    throw new StatusError(404, "NotFound", `nothing named ${JSON.stringify(name)} can be dumped; there is: ${names.join(", ")}`);
  }
  return textAnswer(await dumper.dump(options));
}

async function explain({ query }: ApiRequest, { store, diagnostics }: ApiContext): Promise<Answer> {
  const name = query.get("dnsName");
  if (name !== null) return explainDns(name, query, store, diagnostics);
  const to = query.get("to") ?? "";
  if (to === "") throw badRequest("the parameter to is required: a URL, host:port or name");
  let question: ExplainQuestion = {
    from: parsePeer(store, query.get("from") ?? "host"),
    to,
    ...parseDestination(store, to),
  };
  const steps: (ExplainAnswer & { readonly name: string })[] = [];
  for (const each of diagnostics) {
    const answer = await each.explain?.(question);
    if (!answer) continue;
    steps.push({ name: each.name, ...answer });
    if (answer.ends) break;
    const { ip = question.ip, port = question.port, balance = question.balance } = answer;
    question = { ...question, port, ...(ip === undefined ? {} : { ip }), ...(balance === undefined ? {} : { balance }) };
  }
  return objectAnswer({ kind: "Explanation", apiVersion: EXTENSION_GROUP_VERSION, from: question.from, to, steps });
}

async function explainDns(
  name: string,
  query: URLSearchParams,
  store: ApiContext["store"],
  diagnostics: ApiContext["diagnostics"],
): Promise<Answer> {
  const type = (query.get("dnsType") ?? "A").toUpperCase();
  if (!/^[!-~]{1,253}$/.test(name)) throw badRequest(`${JSON.stringify(name)} is no domain name`);
  if (!/^(TYPE\d{1,5}|[A-Z][A-Z0-9]{0,9})$/.test(type)) throw badRequest(`${JSON.stringify(type)} is no record type`);
  const question = { from: parsePeer(store, query.get("from") ?? "host"), name, type };
  for (const each of diagnostics) {
    const steps = await each.explainDns?.(question);
    if (steps) return objectAnswer({ kind: "DnsExplanation", apiVersion: EXTENSION_GROUP_VERSION, from: question.from, name, type, steps });
  }
  throw new StatusError(404, "NotFound", "this cluster has no DNS");
}

async function request({ query }: ApiRequest, { store, diagnostics }: ApiContext): Promise<Answer> {
  const id = query.get("id");
  const question = id === null ? askedRequest(store, query) : ({ type: "traced", id } as const);
  for (const each of diagnostics) {
    const steps = await each.explainRequest?.(question);
    if (steps) return objectAnswer({ kind: "RequestExplanation", apiVersion: EXTENSION_GROUP_VERSION, steps });
  }
  throw new StatusError(
    404,
    "NotFound",
    id === null ? "this cluster has no Ingress controller" : `no traced request is named ${JSON.stringify(id)}`,
  );
}

function askedRequest(store: ApiContext["store"], query: URLSearchParams): RequestQuestion {
  const url = query.get("url") ?? "";
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) throw badRequest(`${JSON.stringify(url)} is no http or https URL`);
  const method = query.get("method") ?? "GET";
  if (!/^[A-Za-z]+$/.test(method)) throw badRequest(`${JSON.stringify(method)} is no HTTP method`);
  const headers = query.getAll("header").map((line): readonly [string, string] => {
    const found = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):\s*(.*)$/s.exec(line);
    if (!found) throw badRequest(`${JSON.stringify(line)} is no header: write 'Name: value'`);
    return [found[1] ?? "", found[2] ?? ""];
  });
  const assumed = { authStatus: assumedStatus(query, "authStatus"), podStatus: assumedStatus(query, "podStatus") };
  return { type: "asked", from: parsePeer(store, query.get("from") ?? "host"), method, url, headers, ...assumed };
}

function assumedStatus(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text !== null && !/^[1-5]\d\d$/.test(text)) throw badRequest(`${JSON.stringify(text)} is no HTTP status`);
  return text === null ? undefined : Number(text);
}

async function trace(request: ApiRequest, context: ApiContext): Promise<Answer> {
  if (!context.trace) throw new StatusError(404, "NotFound", "this cluster keeps no trace");
  const { response, signal } = request;
  response.writeHead(200, { "Content-Type": "application/json", "Cache-Control": "no-cache, private" });
  response.flushHeaders();
  try {
    for await (const hop of context.trace(signal, request.query.get("follow") === "true")) {
      await written(response, `${JSON.stringify(hop)}\n`, signal);
      if (signal.aborted) break;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  response.end();
  return { type: "sent" };
}

async function flows({ response, signal, query }: ApiRequest, context: ApiContext): Promise<Answer> {
  if (!context.flows) throw new StatusError(404, "NotFound", "this cluster keeps no flows");
  response.writeHead(200, { "Content-Type": "application/json", "Cache-Control": "no-cache, private" });
  let alive = true;
  try {
    for await (const batch of context.flows(signal, query.get("follow") === "true")) {
      const lines = batch.map((record) => `${JSON.stringify(record)}\n`).join("");
      await written(response, alive ? `${lines}\n` : lines, signal);
      alive = false;
      if (signal.aborted) break;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  response.end();
  return { type: "sent" };
}

async function dig({ query }: ApiRequest, { store, dig: ask }: ApiContext): Promise<Answer> {
  if (!ask) throw new StatusError(404, "NotFound", "this cluster has no resolver");
  const name = query.get("dnsName") ?? "";
  if (name === "") throw badRequest("which name should be resolved? the parameter dnsName is empty");
  const from = parsePeer(store, query.get("from") ?? "host");
  const steps = await ask(from, name, query.get("type") ?? "A", query.get("search") !== "false");
  return objectAnswer({ kind: "DnsSteps", apiVersion: EXTENSION_GROUP_VERSION, steps });
}
