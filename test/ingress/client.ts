// A client of the controller on real sockets that follows nothing and normalises nothing.
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { PeerCertificate, TLSSocket } from "node:tls";
import type { SocketAddress } from "../../model/ports.ts";

export interface Asked {
  readonly scheme?: string;
  readonly method?: string;
  readonly host?: string | null;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
  readonly sni?: string;
  readonly pair?: { readonly key: string; readonly cert: string };
}

export interface Got {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  readonly certificate: PeerCertificate | undefined;
  /** IANA name of the cipher suite. */
  readonly cipher?: string;
}

/** One request on a connection of its own. */
export function ask(
  at: SocketAddress,
  { scheme = "http", method = "GET", host, path = "/", headers = {}, body, sni, pair }: Asked,
): Promise<Got> {
  return new Promise((resolve, reject) => {
    const common = {
      host: at.ip,
      port: at.port,
      method,
      path,
      headers: { ...(host === null || host === undefined ? {} : { Host: host }), ...headers },
      agent: false as const,
    };
    const sent =
      scheme === "https" ? httpsRequest({ ...common, rejectUnauthorized: false, servername: sni ?? "", ...pair }) : httpRequest(common);
    sent.on("error", reject);
    sent.on("response", (answer) => {
      const chunks: Buffer[] = [];
      const socket: unknown = answer.socket;
      const certificate = scheme === "https" ? (socket as TLSSocket).getPeerCertificate() : undefined;
      const cipher = scheme === "https" ? (socket as TLSSocket).getCipher().standardName : undefined;
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("error", reject);
      answer.on("end", () =>
        resolve({
          status: answer.statusCode ?? 0,
          headers: answer.headers,
          rawHeaders: answer.rawHeaders,
          body: Buffer.concat(chunks),
          certificate,
          ...(cipher === undefined ? {} : { cipher }),
        }),
      );
    });
    sent.end(body);
  });
}
