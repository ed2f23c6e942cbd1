// Cases down to the bytes: what a client sends and gets, what pods get, and the lines of the access log.
// Header lines are compared sorted, without those that always differ and those that every pod gets.
import { readdirSync, readFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { SocketAddress } from "../../model/ports.ts";
import { until } from "./raw.ts";

export interface WireCase {
  readonly id: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly config?: Readonly<Record<string, string>>;
  /** What pods of a Service answer, one after another and the last one again; "" is silence, and END at the end closes. Default: ok. */
  readonly pods?: Readonly<Record<string, readonly string[]>>;
  /** In turn; `until`: so much must have come by then; `end`: no more is sent. */
  readonly sends: readonly (string | { readonly until: string } | "END")[];
  /** Until the connection closes. */
  readonly client: string;
  /** Requests that pods got whole, with their bodies, by Service. */
  readonly got: Readonly<Record<string, readonly string[]>>;
  readonly log: readonly string[];
  readonly notes?: string;
}

export const WIRE_LOG = '"$request" $status $body_bytes_sent $upstream_addr $upstream_response_length $upstream_status';
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

export function readWireCases(): readonly WireCase[] {
  const folder = new URL("cases/", import.meta.url);
  const names = readdirSync(folder).filter((name) => name.startsWith("wire-"));
  return names.flatMap(
    (name) => (JSON.parse(readFileSync(new URL(name, folder), "utf8")) as { readonly cases: readonly WireCase[] }).cases,
  );
}

/** A pod that answers each whole request with the next of its answers. */
export function wirePod(answers: readonly string[] = [OK], got: string[]): Server {
  let asked = 0;
  return createServer((socket: Socket) => {
    let text = "";
    let raw = false;
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      for (let end = raw ? text.length : wholeRequest(text); end > 0; end = wholeRequest(text)) {
        got.push(text.slice(0, end));
        text = text.slice(end);
        if (raw) return;
        const answer = answers[Math.min(asked++, answers.length - 1)] ?? "";
        raw = answer.startsWith("HTTP/1.1 101");
        socket.write(answer.replace(/END$/, ""), "latin1");
        if (answer.endsWith("END")) socket.end();
      }
    });
  });
}

/** Where the first request ends, 0 when it is not whole. */
function wholeRequest(text: string): number {
  const body = text.indexOf("\r\n\r\n") + 4;
  if (body < 4) return 0;
  const head = text.slice(0, body);
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) return text.length >= body + length ? body + length : 0;
  const last = /(?:^|\r\n)0\r\n(?:[^\r]+\r\n)*\r\n/.exec(text.slice(body));
  return last ? body + last.index + last[0].length : 0;
}

/** What comes back until the connection closes. */
export async function wireTalk({ ip, port }: SocketAddress, sends: WireCase["sends"]): Promise<string> {
  const socket = connect(port, ip);
  let text = "";
  let closed = false;
  socket.on("error", () => {});
  socket.on("data", (chunk) => (text += chunk.toString("latin1")));
  const close = new Promise<void>((resolve) => socket.once("close", () => ((closed = true), resolve())));
  for (const step of sends) {
    if (step === "END") socket.end();
    else if (typeof step === "string") await new Promise((resolve) => socket.write(step, "latin1", resolve));
    else await until(() => closed || text.includes(step.until));
  }
  await close;
  return text;
}

/** Differ by nature; or are sent to every pod, and tested elsewhere. */
const LEFT_OUT =
  /^(?:date: .*|server: .*|x-real-ip: 127.*|x-forwarded-(?:for: 127.*|host: h\.example|port: 80|(?:proto|scheme): http)|x-scheme: http|x-request-id: r)$/i;

/** Heads with sorted lines, names in lower case. */
export function wireText(text: string): string {
  return text
    .replaceAll(/x{50,}/g, ({ length }) => `<${length}x>`)
    .split(/(?=\bHTTP\/1\.1 \d{3} )|(?<=\r\n\r\n)/)
    .map((part) => {
      const [first = "", ...lines] = part.split("\r\n");
      if (!/HTTP\/1\.[01](?: |$)/.test(first)) return part;
      const named = lines.map((line) => line.replace(/^[^:]+:/, (name) => name.toLowerCase())).filter((line) => !LEFT_OUT.test(line));
      return [first, ...named.filter((line) => line !== "").sort(), "", ""].join("\n");
    })
    .join("")
    .replaceAll("\r\n", "\n");
}

export const wireLog = (text: string): readonly string[] =>
  text
    .split("\n")
    .filter((line) => line.startsWith('"'))
    .map((line) => line.replaceAll(/127[\d.]+:\d+/g, "POD"));
