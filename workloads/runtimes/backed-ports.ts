// Exposes the ports of a program with sockets of its own, each once it accepts connections there.
import { sleep } from "../../model/clock.ts";
import type { Protocol, Registration } from "../../model/ports.ts";
import { isListening, type MappedPort, type PrivatePorts } from "./port-map.ts";
import type { Sandbox } from "./runtime.ts";

const POLL_MS = 25;

/** The pod ports that get a private port: the declared ones, or those that the image exposes. */
export async function mapPorts(sandbox: Sandbox, exposed: readonly number[], privatePorts: PrivatePorts): Promise<readonly MappedPort[]> {
  const declared = sandbox.ports
    .filter((port) => port.protocol !== "SCTP")
    .map((port) => ({ port: port.containerPort, protocol: port.protocol }));
  const wanted: readonly { readonly port: number; readonly protocol: Protocol }[] =
    declared.length > 0 ? declared : exposed.map((port) => ({ port, protocol: "TCP" }));
  const mapped: MappedPort[] = [];
  for (const { port, protocol } of wanted.length > 0 ? wanted : [{ port: 8080, protocol: "TCP" as const }]) {
    if (!mapped.some((other) => other.podPort === port && other.protocol === protocol)) {
      mapped.push({ podPort: port, protocol, privatePort: await privatePorts.next() });
    }
  }
  return mapped;
}

/** Exposes each port when the program listens on it; ends with the signal. Resolves when all are exposed. */
export async function exposeWhenListening(
  sandbox: Sandbox,
  ports: readonly MappedPort[],
  signal: AbortSignal,
): Promise<readonly Registration[]> {
  return (await Promise.all(ports.map((port) => exposeOne(sandbox, port, signal)))).filter((registration) => registration !== undefined);
}

async function exposeOne(
  sandbox: Sandbox,
  { podPort, protocol, privatePort }: MappedPort,
  signal: AbortSignal,
): Promise<Registration | undefined> {
  // Nobody can ask a UDP port whether a program reads from it.
  while (protocol === "TCP" && !(await isListening(privatePort))) {
    if (signal.aborted) return undefined;
    await sleep(sandbox.clock, POLL_MS, signal).catch(() => undefined);
  }
  if (signal.aborted) return undefined;
  try {
    return await sandbox.expose(podPort, protocol, { type: "socket", address: { ip: "127.0.0.1", port: privatePort } });
  } catch (error) {
    sandbox.stderr.write(`loopkube: port ${podPort} of the pod: ${error instanceof Error ? error.message : String(error)}\n`);
    return undefined;
  }
}
