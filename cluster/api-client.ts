// A small client of our own API server: what the command line and the library speak. Errors are the server's Status messages.
import { Agent, request as httpsRequest } from "node:https";
import type { IncomingMessage } from "node:http";
import { parse } from "yaml";
import { type Status, StatusError } from "../model/errors.ts";
import type { JsonObject } from "../model/object.ts";
import type { Kubeconfig } from "./kubeconfig.ts";

export interface ApiClient extends Disposable {
  readonly server: string;
  /** The decoded JSON answer; a Status failure is thrown as StatusError, no answer as Error with the server's address. */
  request(method: string, path: string, body?: unknown, contentType?: string): Promise<JsonObject>;
  /** The answer as text. */
  text(path: string): Promise<string>;
  /** A streamed answer, line by line. */
  lines(path: string, signal?: AbortSignal): AsyncIterable<string>;
}

interface Credentials {
  readonly server: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Opens a client for the current context of a kubeconfig. */
export function createApiClient(kubeconfig: string | Kubeconfig): ApiClient {
  const credentials = credentialsOf(typeof kubeconfig === "string" ? (parse(kubeconfig) as Kubeconfig) : kubeconfig);
  const agent = new Agent({ keepAlive: true, ca: credentials.ca, cert: credentials.cert, key: credentials.key });
  const open = (
    method: string,
    path: string,
    body: string | undefined,
    contentType: string,
    signal?: AbortSignal,
  ): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const headers = {
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": contentType, "content-length": Buffer.byteLength(body) }),
      };
      const request = httpsRequest(new URL(path, credentials.server), { method, agent, headers, ...(signal ? { signal } : {}) }, resolve);
      request.on("error", (error) =>
        reject(new Error(`no answer from the API server at ${credentials.server}: ${error.message}`, { cause: error })),
      );
      request.end(body);
    });
  return {
    server: credentials.server,
    async request(method, path, body, contentType = "application/json") {
      const answer = await open(method, path, body === undefined ? undefined : JSON.stringify(body), contentType);
      const text = await textOf(answer);
      if ((answer.statusCode ?? 500) >= 400) throw failureOf(answer, text);
      return JSON.parse(text) as JsonObject;
    },
    async text(path) {
      const answer = await open("GET", path, undefined, "");
      const text = await textOf(answer);
      if ((answer.statusCode ?? 500) >= 400) throw failureOf(answer, text);
      return text;
    },
    async *lines(path, signal) {
      const answer = await open("GET", path, undefined, "", signal);
      if ((answer.statusCode ?? 500) >= 400) throw failureOf(answer, await textOf(answer));
      let rest = "";
      answer.setEncoding("utf8");
      for await (const chunk of answer as AsyncIterable<string>) {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop() ?? "";
        yield* lines;
      }
      if (rest !== "") yield rest;
    },
    [Symbol.dispose]: () => agent.destroy(),
  };
}

function credentialsOf(config: Kubeconfig): Credentials {
  const context = config.contexts.find(({ name }) => name === config["current-context"])?.context;
  const cluster = config.clusters.find(({ name }) => name === context?.["cluster"])?.cluster;
  const user = config.users.find(({ name }) => name === context?.["user"])?.user;
  const decode = (text = ""): string => Buffer.from(text, "base64").toString();
  return {
    server: cluster?.["server"] ?? "",
    ca: decode(cluster?.["certificate-authority-data"]),
    cert: decode(user?.["client-certificate-data"]),
    key: decode(user?.["client-key-data"]),
  };
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function failureOf(answer: IncomingMessage, text: string): Error {
  try {
    const status = JSON.parse(text) as Status;
    if (status.kind === "Status")
      return new StatusError(status.code ?? 500, status.reason ?? "InternalError", status.message ?? text, status.details);
  } catch {
    // Not a Status: the text itself is all there is to say.
  }
  return new Error(`${answer.statusCode} ${text.trim()}`);
}
