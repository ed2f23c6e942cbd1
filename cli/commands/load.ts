// `loopkube load URL`: load on real sockets, and which pods got it, beside what the Service's algorithm should give.
import { Command, InvalidArgumentError, Option } from "commander";
import type { ApiClient } from "../../cluster/index.ts";
import type { LoadReport, PodOf, Target } from "../../lab/index.ts";
import { realClock } from "../../model/clock.ts";
import type { Pod } from "../../model/kinds/core-v1.ts";
import { connected, fetchStatus, nameWords, whyLine, withName } from "../connect.ts";
import { duration } from "../duration.ts";
import { Failure } from "../failure.ts";
import { headerOption } from "../header-line.ts";
import { print, textTable } from "../terminal.ts";
import { unknownHostAdvice } from "../unknown-host.ts";

interface Options {
  readonly name?: string;
  readonly connections: number;
  readonly requests?: number;
  readonly for?: number;
  readonly rps?: number;
  readonly keepalive: boolean;
  readonly timeout: number;
  readonly from?: string;
  readonly request: string;
  readonly header: readonly string[];
  readonly output?: string;
}

type Lab = typeof import("../../lab/index.ts");

const DEFAULT_REQUESTS = 200;
const MAX_CLIENTS = 10_000;

const whole = (text: string): number => {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("not a whole number above 0");
  return Number(text);
};
const clients = (text: string): number => {
  if (!/^[1-9]\d*$/.test(text) || Number(text) > MAX_CLIENTS) throw new InvalidArgumentError(`not a whole number from 1 to ${MAX_CLIENTS}`);
  return Number(text);
};
const rate = (text: string): number => {
  const value = Number(text);
  if (!(value > 0 && value <= 1_000_000)) throw new InvalidArgumentError("not a number of requests per second");
  return value;
};
export function loadCommand(): Command {
  return withName(
    new Command("load").description("send load to a URL of the cluster: which pods get it, how fast, and whether that is fair"),
  )
    .argument("<url>", "e.g. http://shop, http://127.96.0.12/, http://127.18.0.2:30080, http://127.0.0.1:8080")
    .option("-c, --connections <n>", "clients, each with one connection and one request at a time", clients, 10)
    .option("-n, --requests <n>", `end after so many requests (default ${DEFAULT_REQUESTS}, or as --for says)`, whole)
    .option("--for <duration>", "end after this time: 500ms, 10s, 2m", duration)
    .option("--rps <rate>", "requests per second at fixed times, however slow the answers are; latency counts from then", rate)
    .option("--keepalive", "keep each client's connection open", true)
    .option("--no-keepalive", "a new connection for each request")
    .addOption(new Option("--timeout <duration>", "give a request up after this time").argParser(duration).default(10_000, "10s"))
    .option("--from <source>", "pod/[namespace/]name: connect as this pod, through the gateway")
    .option("-X, --request <method>", "HTTP method", "GET")
    .addOption(headerOption())
    .addOption(new Option("-o, --output <format>", "print the whole report").choices(["json"]))
    .addHelpText("after", "\nExample:\n  loopkube load http://shop -n 300 --no-keepalive\n  loopkube load http://shop --rps 50 --for 10s")
    .action((url: string, options: Options) =>
      connected(options, async (client, state) => load(client, await fetchStatus(client, state), url, options)),
    );
}

async function load(client: ApiClient, status: Readonly<Record<string, unknown>>, text: string, options: Options): Promise<void> {
  const lab = await import("../../lab/index.ts");
  const target = await targetOf(lab, client, status, text, options);
  const abort = new AbortController();
  const interrupt = new AbortController();
  const onInterrupt = (): void => interrupt.abort();
  process.once("SIGINT", onInterrupt);
  try {
    const flows = target.transport.via === "direct" ? await lab.followFlows(client, abort.signal) : undefined;
    const before = await target.balance();
    const live = process.stderr.isTTY && !process.env["CI"] && options.output === undefined;
    const result = await lab.runLoad({
      transport: target.transport,
      connections: options.connections,
      keepAlive: options.keepalive,
      ...(options.requests === undefined && options.for === undefined ? { requests: DEFAULT_REQUESTS } : {}),
      ...(options.requests === undefined ? {} : { requests: options.requests }),
      ...(options.for === undefined ? {} : { forMs: options.for }),
      ...(options.rps === undefined ? {} : { requestsPerSecond: options.rps }),
      timeoutMs: options.timeout,
      method: options.request,
      path: `${target.url.pathname}${target.url.search}`,
      headers: headersOf(target.url, options.header),
      clock: realClock,
      ...(flows ? { flows } : {}),
      signal: interrupt.signal,
      ...(live ? { onProgress: (tally, elapsedMs) => void process.stderr.write(`\r ${lab.progressText(tally, elapsedMs)}   `) } : {}),
    });
    if (live) process.stderr.write("\r\x1b[K");
    const report = lab.reportOf({
      url: target.url.href,
      from: options.from ?? "host",
      via: target.transport.via,
      dialled: target.dialled,
      clients: options.connections,
      keepAlive: options.keepalive,
      requestsPerSecond: options.rps,
      result,
      before,
      after: await target.balance(),
      podOf: await podsByIp(client),
    });
    printReport(lab, report, options.output);
    if (result.tally.answered > 0) return;
    if (options.output === undefined) process.stderr.write(`${whyLine(target.url, options)}\n`);
    process.exitCode = 1;
  } finally {
    process.off("SIGINT", onInterrupt);
    abort.abort();
  }
}

async function targetOf(
  lab: Lab,
  client: ApiClient,
  status: Readonly<Record<string, unknown>>,
  text: string,
  options: Options,
): Promise<Target> {
  const facts = {
    gateway: String(status["gateway"]),
    addressPlan: String(status["addressPlan"]),
    ingress: String((status["ingress"] as { readonly http?: unknown } | undefined)?.http),
  };
  const hostHeader = headersOf(new URL("http://none"), options.header)["host"];
  try {
    return await lab.resolveTarget(client, facts, text, { from: options.from, hostHeader: hostHeader === "none" ? undefined : hostHeader });
  } catch (error) {
    if (error instanceof lab.TargetError)
      throw new Failure(error.message, { cause: error, advice: await hostAdvice(client, facts.ingress, text, options) });
    throw error;
  }
}

async function hostAdvice(client: ApiClient, ingress: string, text: string, options: Options): Promise<readonly string[]> {
  const url = URL.parse(text.includes("://") ? text : `http://${text}`);
  if (url?.protocol !== "http:") return [];
  return [...(await unknownHostAdvice(client, url, `loopkube load ${nameWords(options)}`.trim(), ingress)), whyLine(url, options)];
}

function headersOf(url: URL, lines: readonly string[]): Readonly<Record<string, string>> {
  const headers: Record<string, string> = { host: url.host, "user-agent": "loopkube-load", accept: "*/*", "x-loopkube-endpoint": "tell" };
  for (const line of lines) headers[line.slice(0, line.indexOf(":")).toLowerCase()] = line.slice(line.indexOf(":") + 1).trim();
  return headers;
}

async function podsByIp(client: ApiClient): Promise<(ip: string) => PodOf | undefined> {
  const { items } = (await client.request("GET", "/api/v1/pods")) as unknown as { readonly items: readonly Pod[] };
  const pods = new Map(
    items.flatMap((pod) => {
      const named = { pod: `${pod.metadata.namespace}/${pod.metadata.name}`, node: pod.spec.nodeName ?? "" };
      return (pod.status?.podIPs ?? []).map(({ ip }): [string, PodOf] => [ip ?? "", named]);
    }),
  );
  return (ip) => (ip === "" ? undefined : pods.get(ip));
}

function printReport(lab: Lab, report: LoadReport, output: string | undefined): void {
  if (output === "json") return print(JSON.stringify(report, undefined, 2));
  const { header: titles, rows, lines } = lab.reportText(report);
  print(`${rows.length === 0 ? "" : `${textTable(titles, rows)}\n\n`}${lines.join("\n")}`);
}
