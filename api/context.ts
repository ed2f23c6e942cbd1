// What every handler of the API server gets: the server's dependencies, and one request with who sent it.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock } from "../model/clock.ts";
import type { Ids } from "../model/ids.ts";
import type { Diagnostics, DnsStep, FlowRecord, Hop, KubeletStreams, Peer, SocketAddress } from "../model/ports.ts";
import type { Store } from "../store/index.ts";
import type { Authenticator, User } from "./authentication.ts";
import type { RequestMetrics } from "./metrics.ts";
import type { VersionInfo } from "./version.ts";

export type DigAs = (from: Peer, name: string, type: string, search: boolean) => Promise<readonly DnsStep[]>;

export type FlowsOf = (signal: AbortSignal, follow: boolean) => AsyncIterable<readonly FlowRecord[]>;

/** The parts that the composition root supplies. */
export interface ApiContext {
  readonly store: Store;
  readonly streams: KubeletStreams;
  readonly diagnostics: readonly Diagnostics[];
  readonly clock: Clock;
  readonly ids: Ids;
  readonly version: VersionInfo;
  readonly authenticator: Authenticator;
  readonly metrics: RequestMetrics;
  /** Connects to a cluster address as the API server does; absent: proxy subresources answer 503. */
  readonly dial: ((to: SocketAddress, signal: AbortSignal) => Promise<Duplex>) | undefined;
  /** Asks cluster DNS as a peer does, with its search path; absent: `dig` answers 404. */
  readonly dig: DigAs | undefined;
  /** The live trace of flows; absent: `trace` answers 404. */
  readonly trace: ((signal: AbortSignal, follow: boolean) => AsyncIterable<Hop>) | undefined;
  /** Every flow: first those alive, then (when followed) batches as they come; absent: `flows` answers 404. */
  readonly flows: FlowsOf | undefined;
}

/** One authenticated request. */
export interface ApiRequest {
  readonly method: string;
  readonly url: URL;
  readonly query: URLSearchParams;
  readonly user: User;
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
  /** Texts for `Warning: 299` headers, filled while the request is handled. */
  readonly warnings: string[];
  /** Aborts when the client has gone or the server stops. */
  readonly signal: AbortSignal;
}

/** What a handler answers. "sent" means that it has written the response itself. */
export type Answer =
  | { readonly type: "object"; readonly code: number; readonly body: object; readonly contentType?: string }
  /** A long list: `head` is the object without its items. */
  | { readonly type: "list"; readonly head: Readonly<Record<string, unknown>>; readonly items: readonly object[] }
  | {
      readonly type: "text";
      readonly code: number;
      readonly body: string | Buffer;
      readonly contentType: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  | { readonly type: "sent" };

export type Handler = (request: ApiRequest, context: ApiContext) => Answer | Promise<Answer>;

/** A 200 (or `code`) answer with one object. */
export function objectAnswer(body: object, code = 200): Answer {
  return { type: "object", code, body };
}

/** A plain text answer. */
export function textAnswer(body: string, code = 200, headers: Readonly<Record<string, string>> = {}): Answer {
  return { type: "text", code, body, contentType: "text/plain; charset=utf-8", headers };
}
