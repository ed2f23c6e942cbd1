// exec and attach: runs the container's side of a session and reports its end as the client expects.
// Upstream: kubelet pkg/cri/streaming/remotecommand (exec.go, attach.go).
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { StatusError } from "../../model/errors.ts";
import type { Pod } from "../../model/kinds/core-v1.ts";
import type { ExecStreams, KubeletStreams } from "../../model/ports.ts";
import {
  type CommandChannels,
  type CommandStatus,
  discard,
  spdyCommandChannels,
  wantedStreams,
  webSocketCommandChannels,
} from "./command-channels.ts";
import { chooseContainer, notRunningMessage, requireNode } from "./container-choice.ts";
import { refuseUpgradeWithText, type UpgradeKind } from "./upgrade.ts";

export interface RemoteCommandRequest {
  readonly pod: Pod;
  readonly subresource: "exec" | "attach";
  readonly url: URL;
}

/** Serves one session to its end. Throws StatusError before the upgrade. */
export async function serveRemoteCommand(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  kind: UpgradeKind,
  { pod, subresource, url }: RemoteCommandRequest,
  streams: KubeletStreams,
): Promise<void> {
  const container = chooseContainer(pod, url.searchParams.get("container") ?? "");
  requireNode(pod);
  const wanted = wantedStreams(url);
  const command = url.searchParams.getAll("command");
  const notRunning = notRunningMessage(pod, container);
  if (notRunning !== undefined) return refuseUpgradeWithText(socket, 500, notRunning);

  const open = kind === "websocket" ? webSocketCommandChannels : spdyCommandChannels;
  const channels = await open(request, socket, head, wanted);
  const session = execStreams(channels, wanted.tty);
  const run = async (): Promise<CommandStatus> => {
    if (subresource === "exec") return exitStatus(await streams.exec(pod, container, command, session), command);
    await streams.attach(pod, container, session);
    return SUCCESS;
  };
  await channels.finish(await run().catch(failureStatus));
}

function execStreams(channels: CommandChannels, tty: boolean): ExecStreams {
  const stdout = channels.stdout ?? discard();
  const stderr = channels.stderr ?? (tty ? stdout : discard());
  const { resize, signal } = channels;
  return { ...(channels.stdin ? { stdin: channels.stdin } : {}), stdout, stderr, tty, resize, signal };
}

const SUCCESS: CommandStatus = { metadata: {}, status: "Success" };

function exitStatus(code: number, command: readonly string[]): CommandStatus {
  if (code === 0) return SUCCESS;
  return {
    metadata: {},
    status: "Failure",
    message: `command terminated with non-zero exit code: error executing command [${command.join(" ")}], exit code ${code}`,
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: String(code) }] },
  };
}

function failureStatus(error: unknown): CommandStatus {
  if (error instanceof StatusError) {
    const { kind: _kind, apiVersion: _apiVersion, ...status } = error.status;
    return status;
  }
  const text = error instanceof Error ? error.message : String(error);
  return {
    metadata: {},
    status: "Failure",
    message: `Internal error occurred: ${text}`,
    reason: "InternalError",
    details: { causes: [{ message: text }] },
    code: 500,
  };
}
