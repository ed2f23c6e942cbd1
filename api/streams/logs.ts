// The log subresource: a container's output as plain text, also over a WebSocket for clients that want messages.
// Upstream: pkg/registry/core/pod/rest/log.go, pkg/apis/core/validation (ValidatePodLogOptions), wsstream/stream.go.
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerResponse } from "node:http2";
import type { Duplex } from "node:stream";
import { WebSocket } from "ws";
import { type FieldError, fieldErrorText, StatusError } from "../../model/errors.ts";
import type { Pod } from "../../model/kinds/core-v1.ts";
import type { KubeletStreams, LogOptions } from "../../model/ports.ts";
import { nextTurn } from "../../model/clock.ts";
import { chooseContainer } from "./container-choice.ts";
import { flagParameter, integerParameter } from "./query.ts";
import { headerValues, negotiate } from "./upgrade.ts";
import { acceptWebSocket } from "./websocket-channels.ts";

const MESSAGE_PROTOCOLS = ["binary.k8s.io", "base64.binary.k8s.io"];
/** A log that fails does so at once; only after these turns of the event loop is a silent one answered with 200. */
const TURNS_TO_FAIL = 5;

/** Answers a log request; with `follow`, until the container ends or the client goes. Rejects with StatusError before the first byte. */
export async function serveLogs(
  response: ServerResponse | Http2ServerResponse,
  pod: Pod,
  url: URL,
  streams: KubeletStreams,
): Promise<void> {
  const gone = new AbortController();
  const onClose = (): void => gone.abort(new Error("the client has gone"));
  response.once("close", onClose);
  // Http2ServerResponse and ServerResponse share these members, but their overloads do not unite.
  const out = response as ServerResponse;
  out.on("error", () => undefined);
  try {
    const chunks = await openLog(pod, url, streams, gone.signal);
    out.writeHead(200, { "content-type": "text/plain" });
    out.flushHeaders();
    for await (const chunk of chunks) {
      if (!out.write(chunk)) await once(out, "drain", { signal: gone.signal });
    }
    out.end();
  } catch (error) {
    if (!out.headersSent && !gone.signal.aborted) throw error;
    out.destroy();
  } finally {
    response.off("close", onClose);
    gone.abort(new Error("the log has ended"));
  }
}

/** The same over a WebSocket: each piece of the log is one message. Rejects with StatusError before the upgrade. */
export async function serveLogMessages(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  pod: Pod,
  url: URL,
  streams: KubeletStreams,
): Promise<void> {
  const protocol = negotiate(headerValues(request, "sec-websocket-protocol"), MESSAGE_PROTOCOLS, "");
  const gone = new AbortController();
  socket.once("close", () => gone.abort(new Error("the client has gone")));
  const chunks = await openLog(pod, url, streams, gone.signal);
  const webSocket = await acceptWebSocket(request, socket, head, protocol);
  webSocket.resume();
  try {
    for await (const chunk of chunks) {
      const bytes = Buffer.from(chunk);
      const message = protocol.startsWith("base64.") ? bytes.toString("base64") : bytes;
      await new Promise<void>((resolve) => webSocket.send(message, () => resolve()));
      if (webSocket.readyState !== WebSocket.OPEN) return;
    }
  } catch (error) {
    if (!gone.signal.aborted) webSocket.close(1011, error instanceof Error ? error.message.slice(0, 120) : "");
  } finally {
    webSocket.close(1000);
    gone.abort(new Error("the log has ended"));
  }
}

/** Checks the request, starts reading, and lets a failure that comes at once be thrown here. */
async function openLog(pod: Pod, url: URL, streams: KubeletStreams, signal: AbortSignal): Promise<AsyncIterable<string>> {
  const container = chooseContainer(pod, url.searchParams.get("container") ?? "");
  const options = logOptions(pod, url, signal);
  if (!pod.spec?.nodeName) return emptyLog();
  const iterator = streams.logs(pod, container, options)[Symbol.asyncIterator]();
  const first = iterator.next();
  let settled = false;
  const settle = (): void => void (settled = true);
  first.then(settle, settle);
  for (let turn = 0; turn < TURNS_TO_FAIL && !settled; turn++) await nextTurn();
  if (settled) await first;
  return {
    async *[Symbol.asyncIterator]() {
      try {
        for (let result = await first; !result.done; result = await iterator.next()) yield result.value;
      } finally {
        await iterator.return?.();
      }
    },
  };
}

async function* emptyLog(): AsyncGenerator<string> {}

/** Reads and checks the query. Throws 400 BadRequest or 422 Invalid. */
export function logOptions(pod: Pod, url: URL, signal: AbortSignal): LogOptions {
  const tailLines = integerParameter(url, "tailLines");
  const limitBytes = integerParameter(url, "limitBytes");
  const sinceSeconds = integerParameter(url, "sinceSeconds");
  const sinceTime = url.searchParams.get("sinceTime") ?? undefined;
  const errors: FieldError[] = [];
  if (tailLines !== undefined && tailLines < 0) {
    errors.push({ type: "Invalid", field: "tailLines", value: tailLines, detail: "must be greater than or equal to 0" });
  }
  if (limitBytes !== undefined && limitBytes < 1) {
    errors.push({ type: "Invalid", field: "limitBytes", value: limitBytes, detail: "must be greater than 0" });
  }
  if (sinceSeconds !== undefined && sinceTime !== undefined) {
    errors.push({ type: "Forbidden", field: "", detail: "at most one of `sinceTime` or `sinceSeconds` may be specified" });
  } else if (sinceSeconds !== undefined && sinceSeconds < 1) {
    errors.push({ type: "Invalid", field: "sinceSeconds", value: sinceSeconds, detail: "must be greater than 0" });
  }
  if (sinceTime !== undefined && Number.isNaN(Date.parse(sinceTime))) {
    errors.push({ type: "Invalid", field: "sinceTime", value: sinceTime, detail: "must be an RFC 3339 time" });
  }
  if (errors.length > 0) throw invalidOptions(pod, errors);
  return {
    follow: flagParameter(url, "follow"),
    previous: flagParameter(url, "previous"),
    timestamps: flagParameter(url, "timestamps"),
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(sinceSeconds === undefined ? {} : { sinceSeconds }),
    ...(sinceTime === undefined ? {} : { sinceTime }),
    signal,
  };
}

/** PodLogOptions is no resource of the table, so its 422 is made here. */
function invalidOptions(pod: Pod, errors: readonly FieldError[]): StatusError {
  const texts = errors.map(fieldErrorText);
  const body = texts.length === 1 ? (texts[0] ?? "") : `[${texts.join(", ")}]`;
  const { name } = pod.metadata;
  const causes = errors.map((error) => ({
    reason: `FieldValue${error.type}`,
    message: fieldErrorText(error).slice(error.field.length + 2),
    field: error.field,
  }));
  return new StatusError(422, "Invalid", `PodLogOptions ${JSON.stringify(name)} is invalid: ${body}`, {
    name,
    kind: "PodLogOptions",
    causes,
  });
}
