// curl for http and https: headers, bodies, redirects, retries, time limits, -w, and curl's messages and exit codes.
// Counterpart: curl 8. Leaves out proxies, cookie jars, multipart forms, HTTP/2 and other protocols; each is refused by name.
import { posix } from "node:path";
import { sleep } from "../../model/clock.ts";
import { resolvePath, writeFile } from "./file-tree.ts";
import { CurlFailure, failureOf } from "./curl-failure.ts";
import { CurlUsage, parseCurl, type CurlOptions } from "./curl-options.ts";
import { requestHeaders, VERSION } from "./curl-request.ts";
import { progressMeter, writeOut, type TransferFigures } from "./curl-report.ts";
import { exchange, ExchangeError, hostOf, portOf, type ExchangeAnswer } from "./http-exchange.ts";
import { sinkStream, write } from "./streams.ts";
import { errnoOf, errnoText, type NamedTool, type ToolIo } from "./tool.ts";

export const curl: NamedTool = {
  name: "curl",
  async run(argv, io) {
    if (argv[1] === "--version" || argv[1] === "-V") {
      await write(io, `curl ${VERSION} (loopkube) loopkube-stand-in\nProtocols: http https\n`);
      return 0;
    }
    if (argv[1] === "--help" || argv[1] === "-h") {
      await write(
        io,
        "Usage: curl [options...] <url>\n -d, --data <data>   HTTP POST data\n -f, --fail          Fail fast with no output on HTTP errors\n -H, --header <h>    Pass custom header\n -i, --include       Include response headers in output\n -o, --output <file> Write to file\n -s, --silent        Silent mode\n -v, --verbose       Make the operation more talkative\n -w, --write-out <f> Print after completion\n",
      );
      return 0;
    }
    try {
      const options = await parseCurl(argv.slice(1), io);
      let status = 0;
      for (const [index, url] of options.urls.entries()) status = await transfer(url, index, options, io);
      return status;
    } catch (error) {
      if (!(error instanceof CurlUsage)) throw error;
      io.stderr.write(
        `curl: ${error.message}\n${error.code === 2 ? "curl: try 'curl --help' or 'curl --manual' for more information\n" : ""}`,
      );
      return error.code;
    }
  },
};

async function transfer(written: string, index: number, options: CurlOptions, io: ToolIo): Promise<number> {
  const retries = Number(options.values.get("retry") ?? 0);
  for (let attempt = 0; ; attempt++) {
    const { code, status, refused } = await attemptTransfer(written, index, options, io);
    const transient =
      code === 28 ||
      [408, 429, 500, 502, 503, 504].includes(status) ||
      (refused && options.on.has("retry-connrefused")) ||
      (code !== 0 && options.on.has("retry-all-errors"));
    if (attempt >= retries || !transient) return code;
    const delayMs = options.values.has("retry-delay")
      ? Number(options.values.get("retry-delay")) * 1000
      : Math.min(600_000, 1000 * 2 ** attempt);
    if (!options.on.has("silent"))
      io.stderr.write(
        `Warning: Transient problem: ${status >= 400 ? "HTTP error" : refused ? "connection refused" : "timeout"} Will retry in ${Math.ceil(delayMs / 1000)} seconds. ${retries - attempt} retries left.\n`,
      );
    await sleep(io.context.clock, delayMs, io.signal);
  }
}

function parseUrl(written: string, options: CurlOptions): URL {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(written)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== "http" && scheme !== "https") throw new CurlFailure(1, `Protocol "${scheme}" not supported`);
  let url: URL;
  try {
    url = new URL(scheme === undefined ? `http://${written}` : written);
  } catch {
    throw new CurlFailure(3, "URL using bad/illegal format or missing URL");
  }
  if (options.on.has("get") && options.data.length > 0)
    url.search = [url.search.slice(1), ...options.data].filter((part) => part !== "").join("&");
  return url;
}

interface Attempt {
  readonly code: number;
  readonly status: number;
  readonly refused: boolean;
}

async function attemptTransfer(written: string, index: number, options: CurlOptions, io: ToolIo): Promise<Attempt> {
  const { clock } = io.context;
  const start = clock.monotonic();
  const limit = new AbortController();
  const maxMs = options.values.has("max-time") ? Number(options.values.get("max-time")) * 1000 : 0;
  const timer = maxMs > 0 ? clock.after(maxMs, () => limit.abort(new Error("max-time"))) : undefined;
  const silent = options.on.has("silent");
  let figures: TransferFigures = {
    url: written,
    method: "GET",
    status: 0,
    httpVersion: "0",
    contentType: "",
    redirectUrl: "",
    redirects: 0,
    bodyBytes: 0,
    headerBytes: 0,
    sentBytes: 0,
    remoteIp: "",
    remotePort: 0,
    exitCode: 0,
    errorText: "",
    lookup: 0,
    connect: 0,
    tls: 0,
    firstByte: 0,
    total: 0,
  };
  let scheme = "http:";
  let refused = false;
  const name =
    options.outputs[index] ?? (options.on.has("remote-name") ? posix.basename(new URL(written, "http://x/").pathname) : undefined);
  const meter = (): void => {
    const shown = !silent && !options.on.has("no-progress-meter") && !(io.tty && name === undefined);
    if (shown) io.stderr.write(progressMeter(figures));
  };
  try {
    let url = parseUrl(written, options);
    scheme = url.protocol;
    let method =
      options.values.get("request") ??
      (options.on.has("head") ? "HEAD" : options.data.length > 0 && !options.on.has("get") ? "POST" : "GET");
    let body = options.data.length > 0 && !options.on.has("get") ? Buffer.from(options.data.join("&")) : undefined;
    for (let redirects = 0; ; redirects++) {
      figures = { ...figures, url: url.href, method, redirects };
      const answer = await ask(
        url,
        method,
        body,
        options,
        io,
        limit.signal,
        start,
        maxMs,
        redirects === 0 || options.on.has("location-trusted"),
      );
      const { message } = answer;
      const head = headText(answer);
      const location = message.headers.location;
      const status = message.statusCode ?? 0;
      figures = {
        ...figures,
        ...answer.timings,
        status,
        httpVersion: message.httpVersion,
        contentType: message.headers["content-type"] ?? "",
        headerBytes: figures.headerBytes + head.length,
        sentBytes: body?.length ?? 0,
        remoteIp: answer.ip,
        remotePort: answer.port,
        redirectUrl: location === undefined ? "" : new URL(location, url).href,
      };
      if (options.on.has("verbose")) for (const line of head.split("\r\n").slice(0, -1)) io.stderr.write(`< ${line}\n`);
      const redirected = options.on.has("location") && location !== undefined && [301, 302, 303, 307, 308].includes(status);
      if (redirected && redirects >= Number(options.values.get("max-redirs") ?? 50)) {
        answer.close();
        throw new CurlFailure(47, `Maximum (${options.values.get("max-redirs") ?? 50}) redirects followed`);
      }
      const failed = status >= 400 && (options.on.has("fail") || options.on.has("fail-with-body"));
      const out = redirected ? sinkStream(() => {}) : openOutput(name, io);
      if ((options.on.has("include") || options.on.has("head")) && !(failed && options.on.has("fail")))
        await write(io, head, redirected ? io.stdout : out);
      let bytes = 0;
      if (!failed || options.on.has("fail-with-body")) bytes = await readBody(answer, out, io, limit.signal, start, maxMs);
      answer.close();
      figures = { ...figures, bodyBytes: bytes };
      if (options.on.has("verbose")) io.stderr.write(`* Connection #0 to host ${hostOf(url)} left intact\n`);
      if (failed) throw new CurlFailure(22, `The requested URL returned error: ${status}`);
      if (!redirected || location === undefined) break;
      url = new URL(location, url);
      scheme = url.protocol;
      if (options.on.has("verbose")) io.stderr.write(`* Issue another request to this URL: '${url.href}'\n`);
      if ((status <= 303 && method === "POST") || (status === 303 && method !== "HEAD")) {
        method = options.values.get("request") ?? "GET";
        body = undefined;
      }
    }
  } catch (error) {
    if (!(error instanceof CurlFailure)) throw error;
    refused = error.code === 7;
    figures = { ...figures, exitCode: error.code, errorText: error.message };
  } finally {
    timer?.cancel();
  }
  figures = { ...figures, total: clock.monotonic() - start };
  meter();
  if (figures.exitCode !== 0 && (!silent || options.on.has("show-error")))
    io.stderr.write(`curl: (${figures.exitCode}) ${figures.errorText}\n`);
  const format = options.values.get("write-out");
  if (format !== undefined) await write(io, writeOut(format, figures, scheme));
  return { code: figures.exitCode, status: figures.status, refused };
}

async function ask(
  url: URL,
  method: string,
  body: Buffer | undefined,
  options: CurlOptions,
  io: ToolIo,
  signal: AbortSignal,
  start: number,
  maxMs: number,
  trusted: boolean,
): Promise<ExchangeAnswer> {
  const host = hostOf(url);
  const port = portOf(url);
  const verbose = (text: string): void => void (options.on.has("verbose") && io.stderr.write(text));
  const headers = requestHeaders(url, body, options, trusted);
  const pinned = options.resolve
    .map((entry) => /^\+?(.+?):(\d+):(.+)$/.exec(entry))
    .find((entry) => (entry?.[1] === host || entry?.[1] === "*") && Number(entry[2]) === port);
  const connectMs = options.values.has("connect-timeout") ? Number(options.values.get("connect-timeout")) * 1000 : undefined;
  const cacert = options.values.get("cacert");
  const ca = cacert === undefined ? undefined : io.files.read(resolvePath(io.cwd, cacert));
  if (cacert !== undefined && ca === undefined) throw new CurlFailure(77, `error setting certificate file: ${cacert}`);
  try {
    return await exchange(
      {
        url,
        method,
        headers,
        signal,
        verify: !options.on.has("insecure"),
        ...(body ? { body } : {}),
        ...(ca === undefined ? {} : { ca }),
        ...(pinned?.[3] ? { addresses: pinned[3].split(",") } : {}),
        ...(connectMs === undefined ? {} : { connectTimeoutMs: connectMs }),
        onTrying: (ip) => verbose(`*   Trying ${ip}:${port}...\n`),
        onRefused: (ip, _port, error) => verbose(`* connect to ${ip} port ${port} failed: ${errnoText(errnoOf(error))}\n`),
        onConnected: (ip) => verbose(`* Connected to ${host} (${ip}) port ${port}\n`),
        onSent: () =>
          verbose(
            `> ${method} ${url.pathname}${url.search} HTTP/1.1\n${headers.map(([name, value]) => `> ${name}: ${value}\n`).join("")}> \n`,
          ),
      },
      io,
    );
  } catch (error) {
    if (!(error instanceof ExchangeError)) throw error;
    const failure = failureOf(error, host, port, {
      elapsed: Math.round(io.context.clock.monotonic() - start),
      maxMs,
      connectMs,
      timedOut: signal.aborted,
    });
    verbose(`* ${failure.message}\n* Closing connection\n`);
    throw failure;
  }
}

function headText({ message }: ExchangeAnswer): string {
  const lines: string[] = [
    `HTTP/${message.httpVersion} ${message.statusCode ?? 0}${message.statusMessage === "" ? "" : ` ${message.statusMessage ?? ""}`}`,
  ];
  for (let i = 0; i < message.rawHeaders.length; i += 2) lines.push(`${message.rawHeaders[i] ?? ""}: ${message.rawHeaders[i + 1] ?? ""}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}

function openOutput(name: string | undefined, io: ToolIo): ToolIo["stdout"] {
  if (name === undefined || name === "-") return io.stdout;
  const path = resolvePath(io.cwd, name);
  const error = writeFile(io.files, path, "");
  if (error !== undefined) throw new CurlFailure(23, `Failure writing output to destination: ${name}: ${error}`);
  return sinkStream((chunk) => void writeFile(io.files, path, (io.files.read(path) ?? "") + chunk.toString()));
}

async function readBody(
  answer: ExchangeAnswer,
  out: ToolIo["stdout"],
  io: ToolIo,
  signal: AbortSignal,
  start: number,
  maxMs: number,
): Promise<number> {
  let bytes = 0;
  const expected = Number(answer.message.headers["content-length"] ?? NaN);
  const onStop = (): void => answer.close();
  io.signal.addEventListener("abort", onStop, { once: true });
  try {
    for await (const chunk of answer.message) {
      const data = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
      bytes += data.length;
      await write(io, data, out);
    }
  } catch (error) {
    if (io.signal.aborted) throw error;
    if (signal.aborted)
      throw new CurlFailure(
        28,
        `Operation timed out after ${Math.round(io.context.clock.monotonic() - start) || maxMs} milliseconds with ${bytes} ${Number.isNaN(expected) ? "" : `out of ${expected} `}bytes received`,
      );
    if (errnoOf(error) === "ECONNRESET" && !(error instanceof Error && error.message === "aborted"))
      throw new CurlFailure(56, "Recv failure: Connection reset by peer");
    throw new CurlFailure(
      18,
      Number.isNaN(expected)
        ? "transfer closed with outstanding read data remaining"
        : `end of response with ${expected - bytes} bytes missing`,
    );
  } finally {
    io.signal.removeEventListener("abort", onStop);
  }
  return bytes;
}
