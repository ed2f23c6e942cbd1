// Private ports for programs that bind sockets of their own: which of the pod's ports is found where on 127.0.0.1.
// Ports come from a per-cluster counter below the ephemeral range, so that no outgoing connection of the machine takes them meanwhile.
import { request } from "node:http";
import type { Protocol } from "../../model/ports.ts";

/** Below Linux's (32768) and the IANA (49152) ephemeral ranges. */
const LAST_PORT = 32_767;

export interface PrivatePorts {
  /** The next port that nothing listens on. */
  next(): Promise<number>;
}

/** A counter of ports from `first` on; it starts over at the range's end. */
export function createPrivatePorts(first = 20_000): PrivatePorts {
  let port = first - 1;
  return {
    async next() {
      for (let tries = 0; tries < LAST_PORT - first; tries++) {
        port = port >= LAST_PORT ? first : port + 1;
        if (!(await isListening(port))) return port;
      }
      throw Object.assign(new Error(`no free port between ${first} and ${LAST_PORT}`), { code: "EADDRNOTAVAIL" });
    },
  };
}

/** One of the pod's ports and where the program really listens. */
export interface MappedPort {
  readonly podPort: number;
  readonly protocol: Protocol;
  readonly privatePort: number;
}

/** True when something accepts connections at 127.0.0.1:port. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const attempt = request({ host: "127.0.0.1", port, agent: false });
    const settle = (listening: boolean): void => {
      resolve(listening);
      attempt.destroy();
    };
    attempt.on("socket", (socket) => socket.once("connect", () => settle(true)));
    attempt.on("error", () => settle(false));
  });
}

/** The variables that tell a program (and the preload of a Node program) its ports. */
export function portVariables(ports: readonly MappedPort[]): Readonly<Record<string, string>> {
  const [first] = ports;
  return {
    ...(first ? { PORT: String(first.privatePort) } : {}),
    LOOPKUBE_PORTS: ports.map(({ podPort, privatePort }) => `${podPort}=${privatePort}`).join(","),
  };
}
