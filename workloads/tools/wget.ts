// wget in busybox's flavour: -q -O -S -T -U --header --post-data --spider --no-check-certificate, redirects, and its messages.
// Leaves out FTP, resuming and recursion.
import { posix } from "node:path";
import { sleep } from "../../model/clock.ts";
import { resolvePath, writeFile } from "./file-tree.ts";
import { parseGetopt } from "./flags.ts";
import { exchange, ExchangeError, hostOf, portOf, type ExchangeAnswer } from "./http-exchange.ts";
import { sinkStream, write } from "./streams.ts";
import { errnoOf, errnoText, fail, type ToolIo } from "./tool.ts";
import { toolWithUsage } from "./usage.ts";

class WgetFailure extends Error {}

const LONG = {
  quiet: "q",
  "output-document": "O:",
  "server-response": "S",
  timeout: "T:",
  header: "h:",
  "post-data": "d:",
  spider: "s",
  "no-check-certificate": "k",
  "user-agent": "U:",
  tries: "t:",
  continue: "c",
};

export const wget = toolWithUsage(
  "wget",
  "[-qS] [-O FILE] [-T SEC] [--header STR] [--post-data STR] [--spider] [-U AGENT] URL...",
  async (argv, io) => {
    const words = argv.slice(1).flatMap((word) => (/^-[a-zA-Z]{2,}$/.test(word) ? word.replace("nv", "q") : [word]));
    const flags = parseGetopt(words, "qO:ST:U:ct:P:Y:o:", LONG);
    const seconds = flags.get("T");
    if (seconds !== undefined && !/^\d+(\.\d+)?$/.test(seconds)) return fail(io, `wget: invalid number '${seconds}'`);
    if (flags.rest.length === 0) return fail(io, "BusyBox wget: missing URL\nUsage: wget [-q] [-O FILE] URL...");
    const quiet = flags.has("q");
    const say = (text: string): void => void (quiet || io.stderr.write(`${text}\n`));
    for (const written of flags.rest) {
      try {
        let url = parse(written);
        let answer: ExchangeAnswer;
        for (let hops = 0; ; hops++) {
          answer = await ask(
            url,
            io,
            flags.get("T"),
            {
              headers: flags.values.get("h") ?? [],
              agent: flags.get("U") ?? "Wget",
              verify: !flags.has("k"),
              ...(flags.has("d") ? { post: flags.get("d") ?? "" } : {}),
            },
            say,
          );
          const status = answer.message.statusCode ?? 0;
          const statusLine = `HTTP/${answer.message.httpVersion} ${status} ${answer.message.statusMessage ?? ""}`;
          if (flags.has("S")) {
            io.stderr.write(`  ${statusLine}\n`);
            for (let i = 0; i < answer.message.rawHeaders.length; i += 2)
              io.stderr.write(`  ${answer.message.rawHeaders[i] ?? ""}: ${answer.message.rawHeaders[i + 1] ?? ""}\n`);
          }
          const { location } = answer.message.headers;
          if ([301, 302, 303, 307, 308].includes(status) && location !== undefined) {
            answer.close();
            if (hops >= 5) throw new WgetFailure("too many redirections");
            url = new URL(location, url);
            continue;
          }
          if (status >= 300) {
            answer.close();
            throw new WgetFailure(`server returned error: ${statusLine}`);
          }
          break;
        }
        if (flags.has("s")) {
          answer.close();
          say("remote file exists");
          continue;
        }
        await save(answer, flags.get("O") ?? (posix.basename(url.pathname) || "index.html"), io, say);
      } catch (error) {
        if (!(error instanceof WgetFailure)) throw error;
        return fail(io, `wget: ${error.message}`);
      }
    }
    return 0;
  },
);

function parse(written: string): URL {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(written)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== "http" && scheme !== "https") throw new WgetFailure(`not an http or ftp url: ${written}`);
  try {
    return new URL(scheme === undefined ? `http://${written}` : written);
  } catch {
    throw new WgetFailure(`bad address '${written}'`);
  }
}

async function ask(
  url: URL,
  io: ToolIo,
  timeout: string | undefined,
  options: { headers: readonly string[]; agent: string; verify: boolean; post?: string },
  say: (text: string) => void,
): Promise<ExchangeAnswer> {
  const limit = new AbortController();
  const stop = new AbortController();
  const body = options.post === undefined ? undefined : Buffer.from(options.post);
  const headers: [string, string][] = [
    ["Host", url.host],
    ["User-Agent", options.agent],
  ];
  for (const line of options.headers) {
    const at = line.indexOf(":");
    if (at > 0) headers.push([line.slice(0, at), line.slice(at + 1).trim()]);
  }
  if (body) headers.push(["Content-Type", "application/x-www-form-urlencoded"], ["Content-Length", String(body.length)]);
  headers.push(["Connection", "close"]);
  if (timeout !== undefined)
    void sleep(io.context.clock, Number(timeout) * 1000, stop.signal).then(
      () => limit.abort(new Error("download timed out")),
      () => {},
    );
  const host = hostOf(url);
  try {
    return await exchange(
      {
        url,
        method: body ? "POST" : "GET",
        headers,
        verify: options.verify,
        signal: limit.signal,
        ...(body ? { body } : {}),
        onTrying: (ip, port) => say(`Connecting to ${host === ip ? `${host}:${port}` : `${host} (${ip}:${port})`}`),
      },
      io,
    );
  } catch (error) {
    if (!(error instanceof ExchangeError)) throw error;
    if (limit.signal.aborted) throw new WgetFailure("download timed out");
    if (error.step === "lookup")
      throw new WgetFailure(`bad address '${portOf(url) === 80 || url.port === "" ? host : `${host}:${url.port}`}'`);
    if (error.step === "connect") {
      const ips = await io.context.lookup(host).catch(() => [host]);
      throw new WgetFailure(`can't connect to remote host (${ips.at(-1) ?? host}): ${errnoText(errnoOf(error.cause))}`);
    }
    if (error.step === "tls") throw new WgetFailure(`TLS error from peer: ${error.message.split("\n")[0] ?? ""}`);
    throw new WgetFailure(
      error.message === "socket hang up" ? "error getting response" : `error getting response: ${errnoText(errnoOf(error.cause))}`,
    );
  } finally {
    stop.abort(new Error("answered"));
  }
}

async function save(answer: ExchangeAnswer, name: string, io: ToolIo, say: (text: string) => void): Promise<void> {
  const path = resolvePath(io.cwd, name);
  const toStdout = name === "-" || path === "/dev/stdout";
  const error = toStdout ? undefined : writeFile(io.files, path, "");
  if (error !== undefined) throw new WgetFailure(`can't open '${name}': ${error}`);
  const out = toStdout ? io.stdout : sinkStream((chunk) => void writeFile(io.files, path, (io.files.read(path) ?? "") + chunk.toString()));
  say(toStdout ? "writing to stdout" : `saving to '${name}'`);
  const onStop = (): void => answer.close();
  io.signal.addEventListener("abort", onStop, { once: true });
  let bytes = 0;
  try {
    for await (const chunk of answer.message) {
      const data = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
      bytes += data.length;
      await write(io, data, out);
    }
  } catch (failure) {
    if (io.signal.aborted) throw failure;
    throw new WgetFailure("connection closed prematurely");
  } finally {
    io.signal.removeEventListener("abort", onStop);
    answer.close();
  }
  say(
    `${(toStdout ? "-" : name).padEnd(20)} 100% |${"*".repeat(32)}| ${String(bytes).padStart(5)}  0:00:00 ETA\n${toStdout ? "written to stdout" : `'${name}' saved`}`,
  );
}
