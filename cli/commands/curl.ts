// `loopkube curl URL`: requests through the gateway, each on a new connection, and which pod answered each.
import { Command, InvalidArgumentError, Option } from "commander";
import type { ApiClient } from "../../cluster/api-client.ts";
import { realClock } from "../../model/clock.ts";
import type { Pod } from "../../model/kinds/core-v1.ts";
import { connected, fetchStatus, nameWords, whyLine, withName } from "../connect.ts";
import { duration } from "../duration.ts";
import { Failure } from "../failure.ts";
import { type GatewayRequest, requestThroughGateway, Unreachable } from "../gateway-request.ts";
import { headerOption } from "../header-line.ts";
import { print, textTable } from "../terminal.ts";
import { unknownHostAdvice } from "../unknown-host.ts";

interface Options {
  readonly name?: string;
  readonly count?: number;
  readonly from: string;
  readonly header: readonly string[];
  readonly request: string;
  readonly data?: string;
  readonly timeout: number;
}

/** One row: an HTTP status, or why there is none. */
interface Answer {
  readonly status: string;
  readonly endpoint: string;
  readonly ms: number;
  readonly failure: string | undefined;
}

/** curl's own exit code for an HTTP error. */
const HTTP_ERROR = 22;

const whole = (text: string): number => {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError("not a whole number above 0");
  return Number(text);
};

export function curlCommand(): Command {
  return withName(new Command("curl").description("request a URL of the cluster and see which pods answer"))
    .argument("<url>", "e.g. http://shop, http://shop.default.svc:80/cart, http://127.96.0.12/")
    .option("-n, --count <requests>", "this many requests, each on a new connection, as a table", whole)
    .option("--from <source>", "pod/[namespace/]name: request as this pod", "host")
    .addOption(headerOption())
    .option("-X, --request <method>", "HTTP method", "GET")
    .option("-d, --data <body>", "request body")
    .addOption(new Option("--timeout <duration>", "give a request up after this time").argParser(duration).default(10_000, "10s"))
    .addHelpText("after", "\nExample:\n  loopkube curl -n 12 http://shop")
    .action((text: string, options: Options) =>
      connected(options, async (client, state) => {
        const status = await fetchStatus(client, state);
        const gateway = String(status["gateway"]);
        const url = readUrl(text, gateway);
        const asked: GatewayRequest = {
          gateway,
          url,
          pod: await podOf(client, options.from),
          method: options.data !== undefined && options.request === "GET" ? "POST" : options.request,
          headers: options.header,
          body: options.data,
          timeoutMs: options.timeout,
        };
        const advice = async (): Promise<readonly string[]> => {
          const ingress = String((status["ingress"] as { readonly http?: unknown } | undefined)?.http);
          return [...(await unknownHostAdvice(client, url, `loopkube curl ${nameWords(options)}`.trim(), ingress)), whyLine(url, options)];
        };
        if (options.count === undefined) await one(asked, advice);
        else await many(client, asked, options.count, advice);
      }),
    );
}

type Advise = () => Promise<readonly string[]>;

async function one(asked: GatewayRequest, advice: Advise): Promise<void> {
  try {
    const { body, status, statusText } = await requestThroughGateway(asked);
    process.stdout.write(body);
    if (status < 400) return;
    process.stderr.write(`HTTP ${statusText}\n`);
    process.exitCode = HTTP_ERROR;
  } catch (error) {
    if (error instanceof Unreachable) throw new Failure(error.message, { advice: await advice(), exitCode: HTTP_ERROR });
    throw error;
  }
}

async function many(client: ApiClient, asked: GatewayRequest, count: number, advice: Advise): Promise<void> {
  const answers: Answer[] = [];
  for (let i = 0; i < count; i++) answers.push(await attempt(asked));
  print(await answersText(client, answers));
  const failed = answers.find(({ failure }) => failure !== undefined);
  if (failed) process.stderr.write(`\n${[failed.failure, ...(await advice()).map((line) => `  ${line}`)].join("\n")}\n`);
  if (answers.every(({ status }) => !(Number(status) < 400))) process.exitCode = HTTP_ERROR;
}

async function attempt(asked: GatewayRequest): Promise<Answer> {
  const began = realClock.monotonic();
  try {
    const { status, endpoint, ms } = await requestThroughGateway(asked);
    return { status: String(status), endpoint, ms, failure: undefined };
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    return { status: "-", endpoint: "", ms: realClock.monotonic() - began, failure: error.message };
  }
}

/** Throws Failure for what is no http URL. */
function readUrl(text: string, gateway: string): URL {
  const target = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const url = URL.parse(target);
  if (url?.protocol === "http:") return withoutLocalhost(url, gateway);
  const isHttps = /^https:/i.test(target);
  const advice = isHttps ? `https goes through curl itself: curl -k -x socks5h://${gateway} ${text}` : "loopkube curl http://shop";
  throw new Failure(`"${text}" is no http URL`, { advice: [advice] });
}

/** `web.default.svc.localhost:1080` is how a browser names a Service to the gateway. */
function withoutLocalhost(url: URL, gateway: string): URL {
  if (!url.hostname.endsWith(".svc.localhost")) return url;
  if (gateway.endsWith(`:${url.port}`)) url.port = "";
  url.hostname = url.hostname.slice(0, -".localhost".length);
  return url;
}

/** `pod/[namespace/]name` → `namespace/name` of a pod that there is; undefined for the host. */
async function podOf(client: ApiClient, from: string): Promise<string | undefined> {
  if (from === "host") return undefined;
  const [, namespace = "default", name = ""] = /^(?:pods?|po)\/(?:([^/]+)\/)?([^/]+)$/.exec(from) ?? [];
  if (name === "") throw new Failure(`"${from}" names no client: use pod/NAME, pod/NAMESPACE/NAME or host`);
  await client.request("GET", `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`);
  return `${namespace}/${name}`;
}

async function answersText(client: ApiClient, answers: readonly Answer[]): Promise<string> {
  const { items } = (await client.request("GET", "/api/v1/pods")) as unknown as { items: readonly Pod[] };
  const pods = new Map(items.flatMap((pod) => (pod.status?.podIPs ?? []).map(({ ip }): [string, Pod] => [ip ?? "", pod])));
  const podAt = (answer: Answer): Pod | undefined => pods.get(answer.endpoint.replace(/:\d+$/, "").replace(/^\[|\]$/g, ""));
  const rows = answers.map((answer, index) => [
    String(index + 1),
    podAt(answer)?.metadata.name ?? (answer.endpoint || "-"),
    podAt(answer)?.spec.nodeName ?? "-",
    answer.status,
    answer.ms.toFixed(1),
  ]);
  const shares = new Map<string, number>();
  for (const [, pod = "-"] of rows) if (pod !== "-") shares.set(pod, (shares.get(pod) ?? 0) + 1);
  const summary = [...shares].sort().map(([pod, hits]) => [pod, String(hits), `${((100 * hits) / answers.length).toFixed(0)} %`]);
  const requests = textTable(["#", "POD", "NODE", "STATUS", "MS"], rows);
  return summary.length === 0 ? requests : `${requests}\n\n${textTable(["POD", "ANSWERS", "SHARE"], summary)}`;
}
