// The upgrade entry of the pod subresources: exec, attach, portforward and, for message clients, log.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Pod } from "../../model/kinds/core-v1.ts";
import type { KubeletStreams } from "../../model/ports.ts";
import { serveLogMessages } from "./logs.ts";
import { servePortForward } from "./port-forward.ts";
import { serveRemoteCommand } from "./remote-command.ts";
import { refuseUpgrade, upgradeKind, upgradeRequired } from "./upgrade.ts";

export interface PodStreamTarget {
  /** As stored now. */
  readonly pod: Pod;
  readonly subresource: "exec" | "attach" | "portforward" | "log";
  /** Only its query is read. */
  readonly url: URL;
}

/**
 * Serves an upgrade request (the arguments of an HTTP server's `upgrade` event) to its end. Failures before the upgrade are answered
 * with their Status; afterwards they travel in the session. Never rejects.
 */
export async function handlePodStream(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  target: PodStreamTarget,
  streams: KubeletStreams,
): Promise<void> {
  socket.on("error", () => undefined);
  const { pod, subresource, url } = target;
  const before = "bytesWritten" in socket ? socket.bytesWritten : undefined;
  try {
    const kind = upgradeKind(request);
    if (kind === undefined || (subresource === "log" && kind !== "websocket")) throw upgradeRequired();
    if (subresource === "portforward") await servePortForward(request, socket, head, kind, pod, streams);
    else if (subresource === "log") await serveLogMessages(request, socket, head, pod, url, streams);
    else await serveRemoteCommand(request, socket, head, kind, { pod, subresource, url }, streams);
  } catch (error) {
    const untouched = before !== undefined && "bytesWritten" in socket && socket.bytesWritten === before;
    if (untouched && socket.writable) refuseUpgrade(socket, error);
    else socket.destroy();
  }
}
