// What a handler of an inline pod sees of a request and its answer: the part of Node's IncomingMessage and ServerResponse that both
// kinds of connection have, those with this folder's exchange and those with Node's.
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";

export interface HttpRequest extends AsyncIterable<unknown> {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly httpVersion: string;
  /** By name in lower case, joined as Node joins them. */
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: string[];
  readonly socket: { readonly remoteAddress?: string | undefined; readonly remotePort?: number | undefined };
  /** Reads the body without looking at it. */
  resume(): unknown;
  /** The body has been read to its end. */
  once(event: "end", listener: () => void): unknown;
}

export type HeaderValue = number | string | readonly string[];

export interface HttpResponse {
  statusCode: number;
  readonly headersSent: boolean;
  readonly writableEnded: boolean;
  readonly destroyed: boolean;
  /** Whether the connection may carry another request after this one. */
  shouldKeepAlive: boolean;
  setHeader(name: string, value: HeaderValue): void;
  /** "connection": none is sent, and it is kept as `shouldKeepAlive` says. */
  removeHeader(name: string): void;
  /** `headers`: names and values in turn, or by name. */
  writeHead(status: number, headers?: HeaderList): void;
  writeHead(status: number, reason: string, headers?: HeaderList): void;
  /** False: wait for 'drain'. */
  write(chunk: string | Uint8Array): boolean;
  end(chunk?: string | Uint8Array): void;
  /** Cuts the connection. */
  destroy(): void;
  /** 'close': over, by its end or the connection's; 'finish': all is with the kernel. */
  on(event: "close" | "drain" | "finish", listener: () => void): unknown;
  once(event: "close" | "drain" | "finish", listener: () => void): unknown;
}

export type HeaderList = string[] | OutgoingHttpHeaders;

export type Handler = (request: HttpRequest, response: HttpResponse) => void | Promise<void>;

/** Writes all of `source`, as fast as the client takes it, and ends the answer. */
export async function answerFrom(source: AsyncIterable<unknown>, response: HttpResponse): Promise<void> {
  for await (const chunk of source) {
    const room = response.write(Buffer.isBuffer(chunk) ? chunk : String(chunk));
    if (response.destroyed) return;
    if (!room) await roomIn(response);
  }
  response.end();
}

function roomIn(response: HttpResponse): Promise<void> {
  return new Promise((resolve) => {
    response.once("drain", resolve);
    response.once("close", resolve);
  });
}
