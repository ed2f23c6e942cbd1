// Our own engine on node:http, for what http-proxy cannot carry: requests that arrive over HTTP/2.
import { type ClientRequest, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Clock } from "../../model/clock.ts";
import { Attempt } from "./attempt.ts";
import type { Forward, ForwardClient, ForwardRequest, ForwardResponse } from "./forward.ts";
import { type DialPeer, PeerAgent, TlsPools } from "./peer-agent.ts";

export interface NodeEngine extends Forward {
  close(): void;
}

export function createNodeEngine(clock: Clock, dial: DialPeer): NodeEngine {
  const plain = new PeerAgent(dial);
  const secure = new TlsPools(dial);
  return {
    name: "node:http",
    send(client: ForwardClient, request: ForwardRequest): Promise<ForwardResponse> {
      const attempt = new Attempt(clock, request);
      if (client.signal.aborted) attempt.abort();
      else client.signal.onAbort(attempt.abort);
      const { peer, method, target, headers, body, tls } = request;
      let made: ClientRequest;
      try {
        const options = { host: peer.host, port: peer.port, method, path: target, headers };
        made = tls
          ? httpsRequest({ ...options, agent: secure.of(tls), rejectUnauthorized: tls.rejectUnauthorized })
          : httpRequest({ ...options, agent: plain });
      } catch (error) {
        attempt.fail(error);
        return attempt.result;
      }
      attempt.watch(made);
      if (body.type === "none") made.end();
      else if (body.type === "bytes") made.end(body.bytes);
      else body.stream.pipe(made);
      return attempt.result;
    },
    close() {
      plain.destroy();
      secure.destroy();
    },
  };
}
