// Runs a container's postStart or preStop handler. Upstream: pkg/kubelet/lifecycle/handlers.go.
import { sleep } from "../../model/clock.ts";
import type { LifecycleHandler } from "../../model/kinds/core-v1.ts";
import { httpGet, portNumber } from "./probe.ts";
import type { ProbeTarget } from "./probe-target.ts";

/** Resolves with the failure's text, or undefined when the handler succeeded. */
export async function runHook(handler: LifecycleHandler, target: ProbeTarget, signal: AbortSignal): Promise<string | undefined> {
  try {
    if (handler.exec) {
      const { exitCode, output } = await target.exec(handler.exec.command ?? [], signal);
      return exitCode === 0 ? undefined : `command '${(handler.exec.command ?? []).join(" ")}' exited with ${exitCode}: ${output}`;
    }
    if (handler.httpGet) {
      const { scheme, host, port, path } = handler.httpGet;
      const number = portNumber(port, target.container) ?? 80;
      await httpGet(
        new URL(`${(scheme ?? "HTTP").toLowerCase()}://${host || target.podIP}:${number}/${(path ?? "").replace(/^\//, "")}`),
        handler.httpGet,
        target,
        signal,
      );
    }
    if (handler.sleep) await sleep(target.clock, handler.sleep.seconds * 1000, signal);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
