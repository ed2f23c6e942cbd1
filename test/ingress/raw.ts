// Bytes straight to a listener, and what comes back until it closes or says nothing more.
import { connect } from "node:net";
import type { Ingress } from "../../model/kinds/networking-v1.ts";
import type { SocketAddress } from "../../model/ports.ts";
import { Ingresses } from "../../model/resources.ts";
import type { World } from "./harness.ts";

/** Sends `bytes` and reads until the other end closes, or `enough` is in the answer. */
export function raw(at: SocketAddress, bytes: string | Buffer, enough?: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(at.port, at.ip);
    let text = "";
    socket.on("error", (error: NodeJS.ErrnoException) =>
      error.code === "ECONNRESET" || error.code === "EPIPE" ? resolve(text) : reject(error),
    );
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (enough?.test(text) === true) socket.destroy();
    });
    socket.on("close", () => resolve(text));
    socket.write(bytes);
  });
}

/** An Ingress of one host and one Prefix path. */
export function ingress(
  name: string,
  host: string,
  service: string,
  annotations: Readonly<Record<string, string>> = {},
  path = "/",
  pathType = "Prefix",
): Ingress {
  const named = Object.fromEntries(Object.entries(annotations).map(([key, value]) => [`nginx.ingress.kubernetes.io/${key}`, value]));
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: { namespace: "default", name, annotations: named },
    spec: {
      ingressClassName: "nginx",
      rules: [{ host, http: { paths: [{ path, pathType, backend: { service: { name: service, port: { number: 80 } } } }] } }],
    },
  };
}

export async function addIngress(world: World, ...objects: readonly Ingress[]): Promise<void> {
  for (const object of objects) await world.create(Ingresses, object);
  await world.settle();
}

/** Resolves when `condition` holds. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
