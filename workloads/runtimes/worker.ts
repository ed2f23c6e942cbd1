// The worker runtime: a container is a worker thread of this process, for a user's code that may block.
// Its servers listen on private ports of 127.0.0.1, mapped by the same preload as a Node process's.
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import type { Image } from "../../model/ports.ts";
import { exposeWhenListening, mapPorts } from "./backed-ports.ts";
import { portVariables, type PrivatePorts } from "./port-map.ts";
import { KILLED, type ContainerExit, type Runtime } from "./runtime.ts";

type WorkerImage = Extract<Image, { readonly runtime: "worker" }>;

/** Runs modules in threads; SIGTERM arrives as the thread's `process` event. */
export function createWorkerRuntime(privatePorts: PrivatePorts): Runtime<WorkerImage> {
  return {
    async start(image, sandbox) {
      const ports = await mapPorts(sandbox, image.ports ?? [], privatePorts);
      const module = image.module.startsWith("file:") ? new URL(image.module) : pathToFileURL(image.module);
      const worker = new Worker(module, {
        argv: [...sandbox.argv],
        env: { HOSTNAME: sandbox.hostname, POD_IP: sandbox.peer.ip, ...sandbox.env, ...portVariables(ports) },
        execArgv: ["--import", new URL("./preload.mjs", import.meta.url).href],
        stdout: true,
        stderr: true,
        name: `${sandbox.peer.kind === "pod" ? `${sandbox.peer.namespace}/${sandbox.peer.name}` : sandbox.hostname}/${sandbox.container}`,
      });
      worker.stdout.on("data", (chunk: Buffer) => sandbox.stdout.write(chunk));
      worker.stderr.on("data", (chunk: Buffer) => sandbox.stderr.write(chunk));
      sandbox.signal.addEventListener("abort", () => worker.postMessage({ loopkube: "SIGTERM" }), { once: true });
      const up = new AbortController();
      const exposed = exposeWhenListening(sandbox, ports, up.signal);
      let killed = false;
      const ended = new Promise<ContainerExit>((resolve) => {
        worker.on("error", (error) => sandbox.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`));
        worker.once("exit", (exitCode) => resolve(killed ? KILLED : { exitCode }));
      });
      const exited = ended.then(async (exit) => {
        up.abort();
        for (const registration of await exposed) await registration.close();
        return exit;
      });
      const kill = (): void => {
        killed = true;
        void worker.terminate();
      };
      return { exited, kill };
    },
  };
}
