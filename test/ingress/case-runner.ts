// Runs cases over real sockets: each sets up its objects, asks, and compares status, headers, backend and what the pod saw.
import type t from "tap";
import { Ingresses, Services } from "../../model/resources.ts";
import { type Case, type CaseExpect, type CaseRequest, fill, pair, setUp } from "./case.ts";
import { explainDifferences } from "./case-explain.ts";
import { ask, type Asked, type Got } from "./client.ts";
import { createHarness, type World } from "./harness.ts";
import { askGrpc } from "./grpc-client.ts";

const only = process.env["CASE"];
const seen = new Map<string, string>();

/** `skipped`: why a case cannot apply here, by its id. */
export async function runCases(tap: typeof t, cases: readonly Case[], skipped: Readonly<Record<string, string>> = {}): Promise<void> {
  const harness = await createHarness(tap);
  for (const test of cases) {
    if (only !== undefined && !new RegExp(only).test(test.id)) continue;
    const reason = skipped[test.id];
    await tap.test(test.id, reason === undefined ? {} : { skip: reason }, async (t) => {
      await using world = await setUp(harness, test);
      for (const step of test.steps ?? [
        { ...(test.request ? { request: test.request } : {}), ...(test.expect ? { expect: test.expect } : {}) },
      ]) {
        if (step.action !== undefined) await act(step.action, test, world);
        const problems = step.request ? await check(step.request, step.expect ?? {}, world) : [];
        if (problems.length > 0) t.comment(await world.diagnostics.dump?.({}));
        t.strictSame(problems, [], test.notes ?? test.id);
      }
    });
  }
}

async function check(request: CaseRequest, expect: CaseExpect, world: World): Promise<readonly string[]> {
  const answers: Got[] = [];
  const asked = askedOf(request, world);
  const before = world.said.length;
  const count = request.count ?? 1;
  const width = request.concurrency ?? 1;
  for (let i = 0; i < count; i += width)
    answers.push(...(await Promise.all(Array.from({ length: Math.min(width, count - i) }, () => send(request, asked, world)))));
  const [first] = answers;
  const explained = first && count === 1 ? await explainDifferences(asked, { got: first, said: world.said.slice(before) }, world) : [];
  return [...answers.flatMap((answer) => differences(answer, expect, world)), ...tallies(answers, expect), ...explained];
}

function askedOf(request: CaseRequest, world: World): Asked {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers ?? {})) headers[name] = fill(value, world);
  if (request.basic_auth) headers["Authorization"] = `Basic ${Buffer.from(request.basic_auth.join(":")).toString("base64")}`;
  if (request.cookie !== undefined) headers["Cookie"] = seen.get(request.cookie) ?? "";
  const { scheme = "http", method = "GET", host, path = "/", sni } = request;
  return {
    scheme,
    method,
    host: host ?? null,
    path: path.startsWith("<") ? "/grpc.Test/Unary" : path,
    headers,
    ...(sni === undefined ? {} : { sni }),
    ...(request.client_cert === undefined ? {} : { pair: pair("authtls", "client") }),
    ...(request.body_bytes === undefined ? {} : { body: Buffer.alloc(request.body_bytes, 97) }),
  };
}

function send({ protocol, scheme }: CaseRequest, asked: Asked, world: World): Promise<Got> {
  return protocol === "grpc" ? askGrpc(world.socket(443), asked) : ask(world.socket(scheme === "https" ? 443 : 80), asked);
}

function differences(got: Got, expect: CaseExpect, world: World): readonly string[] {
  const wrong: string[] = [];
  const same = (what: string, is: unknown, should: unknown): void => {
    if (is !== should) wrong.push(`${what}: ${String(is)}, not ${String(should)}`);
  };
  if (typeof expect.status === "number") same("status", got.status, expect.status);
  else if (expect.status) same("status", `${Math.floor(got.status / 100)}xx`, expect.status.class);
  const service = one(got, "x-service") ?? "default-backend";
  if (expect.backend !== undefined) same("backend", service, expect.backend);
  if (expect.body_empty) same("body length", got.body.length, 0);
  for (const text of expect.body_contains ?? []) if (!got.body.includes(text)) wrong.push(`body lacks ${text}`);
  for (const [name, rule] of Object.entries(expect.headers ?? {})) {
    const values = got.rawHeaders.flatMap((text, i) =>
      i % 2 === 0 && text.toLowerCase() === name.toLowerCase() ? [got.rawHeaders[i + 1] ?? ""] : [],
    );
    const value = values.join("\n");
    if (rule.equals !== undefined) same(name, values[0], fill(rule.equals, world));
    if (rule.absent) same(`${name} lines`, values.length, 0);
    if (rule.present) same(`${name} is there`, values.length > 0, true);
    if (rule.count !== undefined) same(`${name} lines`, values.length, rule.count);
    for (const part of rule.contains ?? []) if (!value.includes(dated(part))) wrong.push(`${name}: ${value} lacks ${dated(part)}`);
    for (const part of rule.not_contains ?? []) if (value.includes(part)) wrong.push(`${name}: ${value} has ${part}`);
  }
  if (expect.upstream) wrong.push(...upstreamDifferences(got, expect.upstream, world));
  if (expect.tls?.issuer_cn !== undefined) same("issuer", got.certificate?.issuer.CN, expect.tls.issuer_cn);
  if (expect.tls?.dns_name_0 !== undefined) same("SAN", got.certificate?.subjectaltname?.split(", ")[0], `DNS:${expect.tls.dns_name_0}`);
  if (expect.tls?.cipher !== undefined) same("cipher", got.cipher, expect.tls.cipher);
  if (expect.grpc_status !== undefined) same("grpc-status", one(got, "grpc-status"), String(expect.grpc_status));
  const pod = one(got, "x-pod") ?? "";
  if (typeof expect.pod === "string") same("pod", pod, seen.get(expect.pod));
  else if (expect.pod && world.podIp("affinity") === seen.get(`${expect.pod.not} ip`)) wrong.push("the pod is the old one");
  if (expect.capture?.pod !== undefined) seen.set(expect.capture.pod, pod).set(`${expect.capture.pod} ip`, world.podIp("affinity"));
  if (expect.capture?.cookie !== undefined) seen.set(expect.capture.cookie, (got.headers["set-cookie"] ?? [])[0]?.split(";")[0] ?? "");
  return wrong;
}

function upstreamDifferences(got: Got, expect: NonNullable<CaseExpect["upstream"]>, world: World): readonly string[] {
  const wrong: string[] = [];
  let saw: { path: string; headers: Record<string, string> };
  try {
    const text = got.body.toString();
    saw = JSON.parse(text.slice(text.indexOf("{")));
  } catch {
    return [`the pod's answer is no echo: ${got.body.toString().slice(0, 80)}`];
  }
  const header = (name: string): string | undefined => saw.headers[name.toLowerCase()];
  if (expect.host !== undefined && (header("host") ?? header(":authority")) !== fill(expect.host, world))
    wrong.push(`pod saw Host ${header("host")}, not ${fill(expect.host, world)}`);
  if (expect.path !== undefined && saw.path !== expect.path) wrong.push(`pod saw ${saw.path}, not ${expect.path}`);
  for (const [name, value] of Object.entries(expect.headers ?? {}))
    if (header(name) !== value) wrong.push(`pod saw ${name}: ${header(name)}, not ${value}`);
  for (const name of expect.headers_absent ?? []) if (header(name) !== undefined) wrong.push(`pod saw ${name}: ${header(name)}`);
  for (const [name, pattern] of Object.entries(expect.headers_match ?? {}))
    if (!new RegExp(pattern).test(header(name) ?? "")) wrong.push(`pod saw ${name}: ${header(name)}`);
  for (const [name, start] of Object.entries(expect.headers_prefix ?? {}))
    if (header(name)?.startsWith(start) !== true) wrong.push(`pod saw ${name}: ${header(name)}`);
  return wrong;
}

function tallies(answers: readonly Got[], expect: CaseExpect): readonly string[] {
  const wrong: string[] = [];
  const tally = (of: (got: Got) => string): Map<string, number> =>
    answers.reduce((counts, got) => counts.set(of(got), (counts.get(of(got)) ?? 0) + 1), new Map<string, number>());
  if (expect.distinct_pods !== undefined && tally((got) => one(got, "x-pod") ?? "").size !== expect.distinct_pods)
    wrong.push("not so many pods");
  for (const [service, { min }] of Object.entries(expect.distribution ?? {}))
    if ((tally((got) => one(got, "x-service") ?? "").get(service) ?? 0) < min) wrong.push(`${service} had fewer than ${min}`);
  if (expect.distribution_pods)
    for (const [pod, count] of tally((got) => one(got, "x-pod") ?? ""))
      if (count !== expect.distribution_pods.each) wrong.push(`${pod} had ${count}`);
  const statuses = tally((got) => String(got.status));
  for (const [status, count] of Object.entries(expect.distribution_status ?? {}))
    if (statuses.get(status) !== count) wrong.push(`${statuses.get(status) ?? 0} of ${status}, not ${count}`);
  return wrong;
}

function one(got: Got, name: string): string | undefined {
  const value = got.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** `<now+48h as "Mon, 02-Jan-06 15:04">`: the hour is enough. */
function dated(text: string): string {
  return text.replace(/<now\+48h as [^>]+>/, () => {
    const [, day, month, year, time] = /, (\d\d) (\w{3}) \d\d(\d\d) (\d\d:)/.exec(new Date(Date.now() + 172_800_000).toUTCString()) ?? [];
    return `${new Date(Date.now() + 172_800_000).toUTCString().slice(0, 3)}, ${day}-${month}-${year} ${time}`;
  });
}

async function act(action: string, test: Case, world: World): Promise<void> {
  const prefix = "nginx.ingress.kubernetes.io/";
  const annotate = (name: string, values: Record<string, string>): Promise<unknown> =>
    world.store.mutate(
      Ingresses,
      "default",
      name,
      (draft) => void (draft.metadata.annotations = { ...draft.metadata.annotations, ...values }),
    );
  const first = test.ingresses[0]?.name ?? "";
  const scaled = /^scale (\w+)(?: from \d+)? to (\d+)/.exec(action);
  if (scaled) await world.scale(scaled[1] ?? "", Number(scaled[2]));
  else if (/^delete .*httpbun/.test(action)) await world.scale("httpbun", 0);
  else if (action === "add the class annotation") await annotate(first, { "kubernetes.io/ingress.class": "nginx" });
  else if (action.startsWith("replace ingressClassName"))
    await world.store.mutate(Ingresses, "default", first, (draft) => {
      delete draft.spec.ingressClassName;
      draft.metadata.annotations = { "kubernetes.io/ingress.class": "nginx" };
    });
  else if (action.startsWith("remove rules"))
    await world.store.mutate(Ingresses, "default", first, (draft) => {
      delete draft.spec.rules;
      draft.spec.defaultBackend = { service: { name: "echo", port: { number: 80 } } };
    });
  else if (action.startsWith("change externalName"))
    await world.store.mutate(Services, "default", "external", (draft) => void (draft.spec.externalName = "httpbun.default."));
  else if (action.startsWith("update main Ingress")) await annotate("foo", { foo: "bar" });
  else if (action.startsWith("update canary-by-header")) await annotate("foo-canary", { [`${prefix}canary-by-header`]: "CanaryByHeader2" });
  else {
    const set = /^set ([\w-]+)(?:=| to )(.*)$/.exec(action);
    if (!set) throw new Error(`unknown action ${action}`);
    await annotate(first, { [prefix + (set[1] ?? "")]: set[2] ?? "" });
  }
  await world.settle();
}
