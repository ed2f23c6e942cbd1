// A small cluster for DNS tests: a store, a fabric on a cluster index of its own, and coredns pods run by hand.
import { Writable } from "node:stream";
import type { Test } from "tap";
import { createDns, createResolver } from "../../dns/index.ts";
import type { Dns } from "../../dns/index.ts";
import { createIds } from "../../model/ids.ts";
import { realClock } from "../../model/clock.ts";
import type { Clock } from "../../model/clock.ts";
import type { KubeObject } from "../../model/object.ts";
import type { ContainerContext, Peer, Resolve } from "../../model/ports.ts";
import { seededRandom } from "../../model/random.ts";
import { BUILT_IN_RESOURCES, resourceOfKind } from "../../model/resources.ts";
import { claimClusterIndex, createAddressPlan, createFabric } from "../../netsim/index.ts";
import type { Fabric } from "../../netsim/index.ts";
import { createStore } from "../../store/index.ts";
import type { Store } from "../../store/index.ts";

export interface DnsCluster {
  readonly store: Store;
  readonly fabric: Fabric;
  readonly dns: Dns;
  readonly resolve: Resolve;
  /** Address of the n-th node's k-th pod. */
  podIp(k: number): string;
  put(...objects: readonly KubeObject[]): Promise<void>;
  /** Runs a coredns pod at this address; resolves when it serves. `log` collects its output. */
  runCoredns(ip: string): Promise<{ readonly log: readonly string[]; stop(): Promise<number> }>;
}

export async function dnsCluster(t: Test, options: { clock?: Clock; delayMs?: number } = {}): Promise<DnsCluster> {
  const clock = options.clock ?? realClock;
  const random = seededRandom("dns-cluster");
  const claim = await claimClusterIndex();
  const plan = createAddressPlan({ kind: "direct", index: claim.index });
  const fabric = createFabric({ clock: realClock, random: random.fork("fabric"), plan });
  await fabric.start();
  const store = await createStore({ clock, ids: createIds(random.fork("ids")) });
  const dns = createDns({ store, clock, random, delayMs: options.delayMs ?? 0 });
  const stops: (() => Promise<number>)[] = [];
  t.teardown(async () => {
    for (const stop of stops) await stop();
    await store.close();
    await fabric.stop();
    await claim.release();
  });
  const resolve = createResolver({ network: fabric, clock, random: random.fork("resolver") });
  return {
    store,
    fabric,
    dns,
    resolve,
    podIp: (k) => plan.podCidrOf(0).at(k),
    async put(...objects) {
      for (const object of objects) {
        const type = resourceOfKind(BUILT_IN_RESOURCES, object.apiVersion, object.kind);
        if (type) await store.create(type, object);
      }
    },
    async runCoredns(ip) {
      const peer: Peer = { kind: "pod", namespace: "kube-system", name: `coredns-${ip}`, ip, node: "loopkube-control-plane" };
      const log: string[] = [];
      const ready = Promise.withResolvers<void>();
      const stdout = new Writable({
        write(chunk, _encoding, done) {
          log.push(String(chunk));
          if (String(chunk).includes("CoreDNS-")) ready.resolve();
          done();
        },
      });
      const abort = new AbortController();
      const context = {
        pod: {
          apiVersion: "v1",
          kind: "Pod",
          metadata: { name: peer.name, namespace: "kube-system" },
          spec: { containers: [] },
          status: { podIPs: [{ ip }] },
        },
        container: "coredns",
        peer,
        hostname: peer.name,
        argv: [],
        env: {},
        ports: [],
        files: { read: () => undefined, write: () => undefined, generate: () => undefined, remove: () => false, list: () => [] },
        listen: (port, server) => fabric.expose({ ip, port }, "TCP", { type: "server", server }, peer),
        listenUdp: (port, handler) => fabric.expose({ ip, port }, "UDP", { type: "datagram", handler }, peer),
        dial: (host, port, dial) => fabric.dial(peer, { ip: host, port }, dial),
        openDatagram: (onMessage) => fabric.openDatagram(peer, onMessage),
        lookup: () => Promise.reject(new Error("not here")),
        resolve,
        resolvConf: { nameservers: [], searches: [], options: [] },
        stdout,
        stderr: stdout,
        clock,
        random: random.fork(ip),
        signal: abort.signal,
      } satisfies ContainerContext;
      const exit = dns.image.program(context);
      await Promise.race([ready.promise, exit]);
      const stop = (): Promise<number> => {
        abort.abort();
        return exit;
      };
      stops.push(stop);
      return { log, stop };
    },
  };
}
