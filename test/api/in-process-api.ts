// An API server of one test: an own store, plain HTTP with a token or HTTPS with a client certificate, on a free port of 127.0.0.1.
import type { Test } from "tap";
import type { AddressInfo } from "node:net";
import { type Api, apiAdmission, type ApiOptions, createApi } from "../../api/index.ts";
import { realClock } from "../../model/clock.ts";
import type { Namespace } from "../../model/kinds/core-v1.ts";
import { createIds } from "../../model/ids.ts";
import type { KubeletStreams } from "../../model/ports.ts";
import { seededRandom } from "../../model/random.ts";
import { Namespaces } from "../../model/resources.ts";
import { createStore, type Store } from "../../store/index.ts";
import { workloadAdmission } from "../../workloads/index.ts";

export const TOKEN = "secret";

export interface InProcessApi {
  readonly api: Api;
  readonly store: Store;
  /** "http://127.0.0.1:port" or "https://…". */
  readonly url: string;
  readonly port: number;
  /** A request with the admin's token; the body is sent as JSON unless it is text. */
  call(method: string, path: string, options?: CallOptions): Promise<Reply>;
}

export interface CallOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; undefined when it is none. */
  readonly json: Json;
}

/** A JSON answer that a test picks apart: every member may be asked for. */
export interface Json {
  readonly [key: string]: Json;
}

/** Streams of a kubelet that has one log line for every container and whose only program is echo. */
const streams: KubeletStreams = {
  async *logs(pod, container) {
    yield `${pod.metadata.name}/${container}\n`;
  },
  exec(_pod, _container, command, { stdout }) {
    stdout.write(`${command.slice(1).join(" ")}\n`);
    return Promise.resolve(command[0] === "echo" ? 0 : 127);
  },
  attach: () => Promise.reject(new Error("no attach here")),
  portForward: () => Promise.reject(new Error("no port-forward here")),
};

export interface InProcessOptions extends Partial<ApiOptions> {
  readonly logLimit?: number;
}

export async function startApi(t: Test, options: InProcessOptions = {}): Promise<InProcessApi> {
  const clock = options.clock ?? realClock;
  const ids = options.ids ?? createIds(seededRandom("api"));
  const store = await createStore({ clock, ids, ...(options.logLimit === undefined ? {} : { logLimit: options.logLimit }) });
  const { first, last } = apiAdmission();
  store.admit(...first, ...workloadAdmission({ clock, random: seededRandom("pods") }), ...last);
  for (const name of ["default", "kube-system"]) await store.create(Namespaces, namespace(name));
  const tokens = new Map([[TOKEN, { username: "admin", groups: ["system:masters"] }]]);
  const api = createApi({ store, streams, diagnostics: [], clock, ids, tokens, ...options });
  await api.start();
  await new Promise<void>((resolve) => void api.server.listen(0, "127.0.0.1", resolve));
  const { port } = api.server.address() as AddressInfo;
  const url = `${options.tls ? "https" : "http"}://127.0.0.1:${port}`;
  t.teardown(async () => {
    await api.stop();
    await store.close();
  });
  return { api, store, url, port, call: (method, path, how) => call(url, method, path, how) };
}

/** A namespace to create. */
export function namespace(name: string): Namespace {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name }, spec: {} };
}

async function call(url: string, method: string, path: string, { body, headers = {}, signal }: CallOptions = {}): Promise<Reply> {
  const sent = body === undefined ? undefined : typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${TOKEN}`, ...(sent === undefined ? {} : { "content-type": "application/json" }), ...headers },
    ...(sent === undefined ? {} : { body: sent as string }),
    ...(signal ? { signal } : {}),
  });
  const text = await response.text();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: response.status, headers: response.headers, text, json: json as Json };
}
