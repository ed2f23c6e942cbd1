// A cluster's number among those that run on this machine, claimed by a listener that dies with the process.
import { createServer, type Server } from "node:net";
import { errnoOf } from "./errno.ts";
import { fallbackPort } from "./address-plan.ts";

export interface ClusterIndexClaim extends AsyncDisposable {
  /** 0…63. */
  readonly index: number;
  /** Idempotent; resolves when the index is free again. */
  release(): Promise<void>;
}

const KUBELET_PORT = 10250;
const COUNT = 64;

/** Claims the first free index by holding 127.(18+index).0.1:10250; rejects when all are taken. */
export async function claimClusterIndex(options: { readonly first?: number } = {}): Promise<ClusterIndexClaim> {
  const port = await portToHold();
  for (let index = options.first ?? 0; index < COUNT; index++) {
    const server = await hold(`127.${18 + index}.0.1`, port, `127.0.0.1`, 2 * port + index);
    if (!server) continue;
    let released: Promise<void> | undefined;
    const release = (): Promise<void> => (released ??= new Promise((done) => server.close(() => done())));
    return { index, release, [Symbol.asyncDispose]: release };
  }
  throw new Error(
    `no free cluster index: 127.${18 + (options.first ?? 0)}.0.1:${port} … 127.${17 + COUNT}.0.1:${port} are all in use; stop a cluster with \`loopkube down\``,
  );
}

let probes = 0;

/** An address that no other probe uses at the same time: two clusters that start together must not take each other for a kubelet. */
function probeAddress(): string {
  return `127.${245 + (probes++ % 10)}.${(process.pid >> 8) & 255}.${process.pid & 255 || 1}`;
}

/** A program that holds the wildcard (a kubelet of this machine) makes every address look taken: then the fallback port is used. */
async function portToHold(): Promise<number> {
  const probe = await hold(probeAddress(), KUBELET_PORT);
  if (!probe) return fallbackPort(KUBELET_PORT);
  await new Promise((done) => probe.close(done));
  return KUBELET_PORT;
}

/** Undefined when taken. Where 127.x.y.z cannot be bound (macOS), holds the spare address instead. */
async function hold(ip: string, port: number, spareIp?: string, sparePort = 0): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy());
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: ip, port, exclusive: true }, resolve);
    });
    return server.unref();
  } catch (error) {
    const code = errnoOf(error);
    if (code === "EADDRINUSE") return undefined;
    if (code === "EADDRNOTAVAIL" && spareIp !== undefined) return hold(spareIp, sparePort);
    throw error;
  }
}
