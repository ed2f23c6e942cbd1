// Ports of the Ingress controller's Service beyond http and https (tcp-services, udp-services), on 127.0.0.1 under their own number, or a
// free one where that is taken.
import type { Clock } from "../model/clock.ts";
import type { Service } from "../model/kinds/core-v1.ts";
import { keyOf } from "../model/object.ts";
import type { Component, Listening, Protocol } from "../model/ports.ts";
import { Services } from "../model/resources.ts";
import type { Fabric } from "../netsim/index.ts";
import { createController, on, type Store } from "../store/index.ts";

export interface IngressPortsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly fabric: Fabric;
  /** The controller's Service. */
  readonly namespace: string;
  readonly name: string;
}

export interface IngressPorts {
  readonly component: Component;
  /** `{"9000": "127.0.0.1:9000"}` */
  list(protocol: Protocol): Readonly<Record<string, string>>;
}

const HOST = "127.0.0.1";
/** Published from the start, on ports that are chosen. */
const OWN = new Set(["TCP 80", "TCP 443"]);

interface Published {
  readonly ip: string;
  readonly listening: Listening;
}

export function createIngressPorts({ store, clock, fabric, namespace, name }: IngressPortsOptions): IngressPorts {
  const key = `${namespace}/${name}`;
  /** By `TCP 9000`. */
  const published = new Map<string, Published>();
  const reconcile = async (): Promise<void> => {
    const wanted = wantedPorts(store.get(Services, namespace, name));
    for (const [port, { ip, listening }] of published) {
      if (wanted.get(port)?.ip === ip) continue;
      published.delete(port);
      await listening.close();
    }
    for (const [port, { ip, protocol, number }] of wanted) {
      if (published.has(port)) continue;
      const listening = await fabric.publish({ ip: HOST, port: number, tries: 1 }, { ip, port: number }, protocol);
      published.set(port, { ip, listening });
    }
  };
  return {
    component: createController({
      name: "ingress-ports",
      store,
      clock,
      watches: [on(Services, (service) => (keyOf(service) === key ? [key] : []))],
      reconcile,
    }),
    list: (protocol) =>
      Object.fromEntries(
        [...published].flatMap(([port, { listening }]) => {
          const [its = "", number = ""] = port.split(" ");
          return its === protocol ? [[number, `${listening.socket.ip}:${listening.socket.port}`]] : [];
        }),
      ),
  };
}

interface WantedPort {
  readonly ip: string;
  readonly protocol: Protocol;
  readonly number: number;
}

function wantedPorts(service: Service | undefined): ReadonlyMap<string, WantedPort> {
  const ip = service?.status?.loadBalancer?.ingress?.[0]?.ip;
  const wanted = new Map<string, WantedPort>();
  if (ip === undefined) return wanted;
  for (const { port, protocol = "TCP" } of service?.spec.ports ?? []) {
    const key = `${protocol} ${port}`;
    if (protocol !== "SCTP" && !OWN.has(key)) wanted.set(key, { ip, protocol, number: port });
  }
  return wanted;
}
