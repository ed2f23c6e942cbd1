// HTTP inside the cluster for tests and tools: `fetch(url, {from})` over a connection that the fabric dials, by name or address.
import { request } from "node:http";
import type { Duplex } from "node:stream";
import type { Peer } from "../model/ports.ts";

export interface ClusterFetchInit {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
}

/** Dials host and port as some peer; names are resolved by cluster DNS. */
export type DialByName = (from: Peer, host: string, port: number) => Promise<Duplex>;

/** One request on a connection of its own. Connection failures reject with the errno error that the fabric gave. */
export async function clusterFetch(dial: DialByName, from: Peer, url: string, init: ClusterFetchInit = {}): Promise<Response> {
  const target = new URL(url);
  if (target.protocol !== "http:") throw new TypeError(`${url}: only http URLs can be fetched`);
  const socket = await dial(from, target.hostname.replace(/^\[|\]$/g, ""), Number(target.port || 80));
  return new Promise((resolve, reject) => {
    const sent = request({
      method: init.method ?? "GET",
      path: `${target.pathname}${target.search}`,
      headers: { host: target.host, connection: "close", ...init.headers },
      createConnection: () => socket,
      ...(init.signal ? { signal: init.signal } : {}),
    });
    sent.on("error", reject);
    sent.on("response", (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("error", reject);
      answer.on("end", () => {
        socket.destroy();
        const status = answer.statusCode ?? 500;
        const empty = status === 204 || status === 205 || status === 304;
        const headers = new Headers();
        for (let i = 0; i < answer.rawHeaders.length; i += 2) headers.append(answer.rawHeaders[i] ?? "", answer.rawHeaders[i + 1] ?? "");
        resolve(new Response(empty ? null : Buffer.concat(chunks), { status, statusText: answer.statusMessage ?? "", headers }));
      });
    });
    sent.end(init.body);
  });
}
