// `loopkube curl URL`: requests through the gateway, each on a new connection, and which pod answered each.
import { request, type IncomingMessage } from "node:http";
import { Command, InvalidArgumentError, Option } from "commander";
import type { ApiClient } from "../../cluster/api-client.ts";
import { realClock } from "../../model/clock.ts";
import type { Pod } from "../../model/kinds/core-v1.ts";
import { connected, fetchStatus, withName } from "../connect.ts";
import { duration } from "../duration.ts";
import { Failure } from "../failure.ts";
import { print, textTable } from "../terminal.ts";

interface Options {
  readonly name?: string;
  readonly count?: number;
  readonly from?: string;
  readonly header: readonly string[];
  readonly request: string;
  readonly data?: string;
  readonly timeout: number;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly endpoint: string;
  readonly ms: number;
}

const whole = (text: string): number => {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError("not a whole number above 0");
  return Number(text);
};

export function curlCommand(): Command {
  return withName(new Command("curl").description("request a URL of the cluster and see which pods answer"))
    .argument("<url>", "e.g. http://shop, http://shop.default.svc:80/cart, http://127.96.0.12/")
    .option("-n, --count <requests>", "this many requests, each on a new connection, as a table", whole)
    .option("--from <source>", "pod/[namespace/]name: request as this pod")
    .addOption(
      new Option("-H, --header <header>", "add a header, may be repeated")
        .argParser((header: string, all: readonly string[]) => [...all, header])
        .default([], "none"),
    )
    .option("-X, --request <method>", "HTTP method", "GET")
    .option("-d, --data <body>", "request body")
    .addOption(new Option("--timeout <duration>", "give a request up after this time").argParser(duration).default(10_000, "10s"))
    .addHelpText("after", "\nExample:\n  loopkube curl -n 12 http://shop")
    .action((url: string, options: Options) =>
      connected(options, async (client, state) => {
        const gateway = String((await fetchStatus(client, state))["gateway"]);
        const send = (): Promise<Answer> => requestOnce(gateway, url, options);
        if (options.count === undefined) {
          const answer = await send();
          process.stdout.write(answer.body);
          if (answer.status >= 400) process.exitCode = 22;
          return;
        }
        const answers: Answer[] = [];
        for (let i = 0; i < options.count; i++) answers.push(await send());
        print(await answersText(client, answers));
        const failed = answers.find(({ endpoint, status }) => endpoint === "" && status >= 400);
        if (failed) process.stderr.write(`\n${failed.body.trim()}\n`);
        if (answers.every(({ status }) => status >= 400)) process.exitCode = 22;
      }),
    );
}

function requestOnce(gateway: string, url: string, options: Options): Promise<Answer> {
  const target = /^[a-z][a-z0-9+.-]*:\/\//i.test(url) ? url : `http://${url}`;
  if (!/^http:/i.test(target) || !URL.canParse(target)) {
    const advice = /^https:/i.test(target)
      ? `https goes through curl itself: curl -k -x socks5h://${gateway} ${url}`
      : "loopkube curl http://shop";
    throw new Failure(`"${url}" is no http URL`, { advice: [advice] });
  }
  const colon = gateway.lastIndexOf(":");
  const headers: Record<string, string> = { host: new URL(target).host, connection: "close" };
  for (const header of options.header) {
    const at = header.indexOf(":");
    headers[header.slice(0, at).trim().toLowerCase()] = header.slice(at + 1).trim();
  }
  if (options.from) headers["proxy-authorization"] = `Basic ${Buffer.from(`${options.from.replace(/^pods?\//, "")}:`).toString("base64")}`;
  const began = realClock.monotonic();
  return new Promise((resolve, reject) => {
    const method = options.data !== undefined && options.request === "GET" ? "POST" : options.request;
    const sent = request(
      { host: gateway.slice(0, colon), port: Number(gateway.slice(colon + 1)), path: target, method, headers, agent: false },
      (answer) => {
        void collect(answer).then((body) => {
          const endpoint = String(answer.headers["x-loopkube-endpoint"] ?? "");
          resolve({ status: answer.statusCode ?? 0, body, endpoint, ms: realClock.monotonic() - began });
        }, reject);
      },
    );
    const timer = realClock.after(options.timeout, () => sent.destroy(new Error(`no answer within ${options.timeout / 1000} s`)));
    sent.on("close", () => timer.cancel());
    sent.on("error", (error) => reject(new Failure(`${url}: ${error.message}`, { cause: error })));
    sent.end(options.data);
  });
}

async function collect(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function answersText(client: ApiClient, answers: readonly Answer[]): Promise<string> {
  const { items } = (await client.request("GET", "/api/v1/pods")) as unknown as { items: readonly Pod[] };
  const pods = new Map(items.flatMap((pod) => (pod.status?.podIPs ?? []).map(({ ip }): [string, Pod] => [ip ?? "", pod])));
  const podOf = (answer: Answer): Pod | undefined => pods.get(answer.endpoint.replace(/:\d+$/, "").replace(/^\[|\]$/g, ""));
  const rows = answers.map((answer, index) => [
    String(index + 1),
    podOf(answer)?.metadata.name ?? (answer.endpoint || "-"),
    podOf(answer)?.spec.nodeName ?? "-",
    String(answer.status),
    answer.ms.toFixed(1),
  ]);
  const shares = new Map<string, number>();
  for (const [, pod = "-"] of rows) if (pod !== "-") shares.set(pod, (shares.get(pod) ?? 0) + 1);
  const summary = [...shares].sort().map(([pod, hits]) => [pod, String(hits), `${((100 * hits) / answers.length).toFixed(0)} %`]);
  const requests = textTable(["#", "POD", "NODE", "STATUS", "MS"], rows);
  return summary.length === 0 ? requests : `${requests}\n\n${textTable(["POD", "ANSWERS", "SHARE"], summary)}`;
}
