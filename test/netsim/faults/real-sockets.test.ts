// Shaped flows over real sockets: bulk, slow readers, one-byte writes, resets, pods behind private sockets.
import { createServer, type AddressInfo, type Socket } from "node:net";
import t, { type Test } from "tap";
import { nextTurn } from "../../../model/clock.ts";
import type { FaultSettings } from "../../../model/kinds/loopkube-v1alpha1.ts";
import type { Backend, SocketAddress } from "../../../model/ports.ts";
import { seededRandom } from "../../../model/random.ts";
import { FAULT_KINDS, FaultRule, meetFaults } from "../../../netsim/index.ts";
import { connected, testFabric, type TestFabric } from "../test-fabric.ts";
import { until } from "../../support/until.ts";

interface Shaped extends TestFabric {
  readonly at: SocketAddress;
  readonly accepted: Socket[];
}

/** Each kind of backend behind a shaped link; the server keeps its sockets. */
async function shaped(t: Test, kind: "server" | "socket", settings: FaultSettings, onSocket: (socket: Socket) => void): Promise<Shaped> {
  const made = await testFabric(t);
  const accepted: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    accepted.push(socket);
    onSocket(socket);
  });
  let backend: Backend = { type: "server", server };
  if (kind === "socket") {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.teardown(async () => {
      for (const socket of accepted) socket.destroy();
      server.close();
    });
    backend = { type: "socket", address: { ip: "127.0.0.1", port: (server.address() as AddressInfo).port } };
  }
  const pod = made.pod("web", 5);
  const listening = await made.fabric.expose({ ip: pod.ip, port: 80 }, "TCP", backend, pod);
  const values: Readonly<Record<string, unknown>> = { ...settings };
  const faults = FAULT_KINDS.flatMap((each) => (values[each.field] === undefined ? [] : (each.read(values[each.field]) ?? [])));
  const rule = new FaultRule({ name: "f", faults, direction: "both", random: seededRandom(1) });
  made.fabric.hooks.fault = () => meetFaults([rule], "client");
  return { ...made, at: listening.socket, accepted };
}

for (const kind of ["server", "socket"] as const) {
  t.test(`${kind}: bulk both ways, then half-close both ways`, async (t) => {
    const { at, fabric, accepted } = await shaped(t, kind, { latency: "2ms" }, (socket) => void socket.pipe(socket));
    const client = await connected(at);
    const size = 8 * 1024 * 1024;
    let received = 0;
    let mismatch = 0;
    client.on("data", (chunk: Buffer) => {
      for (let i = 0; i < chunk.length; i += 4099) if (chunk[i] !== (received + i) % 251) mismatch++;
      received += chunk.length;
    });
    client.end(Buffer.from(Uint8Array.from({ length: size }, (_, i) => i % 251)));
    await until(() => client.readableEnded, "the end");
    t.strictSame([received, mismatch], [size, 0]);
    await until(() => fabric.stats().live === 0 && accepted.every((socket) => socket.destroyed), "all is closed");
    await until(() => fabric.stats().descriptors.open === 0, "nothing stays");
  });

  t.test(`${kind}: one-byte writes arrive in order`, async (t) => {
    let text = "";
    const { at } = await shaped(t, kind, { latency: "1ms", jitter: "1ms" }, (socket) =>
      socket.on("data", (chunk: Buffer) => (text += chunk.toString())),
    );
    const client = await connected(at);
    t.teardown(() => client.destroy());
    const sent = "the quick brown fox jumps over the lazy dog";
    for (const letter of sent) {
      client.write(letter);
      await nextTurn();
    }
    await until(() => text.length === sent.length, "all letters");
    t.equal(text, sent);
  });

  t.test(`${kind}: a slow reader holds the sender back`, async (t) => {
    const { at, accepted } = await shaped(t, kind, { latency: "1ms" }, (socket) => void socket.pause());
    const client = await connected(at);
    t.teardown(() => client.destroy());
    const chunk = Buffer.alloc(1024 * 1024);
    let written = 0;
    client.on("error", () => {});
    const pump = (): void => {
      while (written < 256 && client.write(chunk)) written++;
      client.once("drain", pump);
    };
    pump();
    let last = -1;
    let still = 0;
    await until(() => {
      still = client.bytesWritten - client.writableLength === last ? still + 1 : 0;
      last = client.bytesWritten - client.writableLength;
      return still > 400;
    }, "the sender to stop");
    t.ok(last < 64 * 1024 * 1024, `${last} bytes were taken of 256 MiB`);
    accepted[0]?.destroy();
  });

  t.test(`${kind}: RST from either side reaches the other`, async (t) => {
    const errors: string[] = [];
    const { at, accepted } = await shaped(t, kind, { latency: "2ms" }, (socket) => {
      socket.resume();
      socket.on("error", (error: NodeJS.ErrnoException) => errors.push(`server ${error.code}`));
    });
    const first = await connected(at);
    first.write("x");
    await until(() => accepted.length === 1, "the first");
    first.resetAndDestroy();
    await until(() => accepted[0]?.destroyed === true, "its end");
    const second = await connected(at);
    second.on("error", (error: NodeJS.ErrnoException) => errors.push(`client ${error.code}`));
    second.write("x");
    await until(() => accepted.length === 2, "the second");
    accepted[1]?.resetAndDestroy();
    await until(() => second.destroyed, "its end");
    t.strictSame(errors, ["server ECONNRESET", "client ECONNRESET"]);
  });

  t.test(`${kind}: a client that leaves while its bytes are under way`, async (t) => {
    const { at, fabric, accepted } = await shaped(t, kind, { latency: "20ms" }, (socket) => {
      socket.resume();
      socket.on("end", () => socket.end());
      socket.write(Buffer.alloc(1024 * 1024));
    });
    const client = await connected(at);
    client.on("error", () => {});
    client.write("x");
    await until(() => accepted.length === 1, "the connection");
    client.destroy();
    await until(() => accepted[0]?.destroyed === true, "its end");
    await until(() => fabric.stats().live === 0 && fabric.stats().descriptors.open === 0, "nothing stays");
  });

  t.test(`${kind}: a server that goes on sending to a client that closed is reset`, async (t) => {
    const { at, fabric, accepted } = await shaped(t, kind, { latency: "2ms" }, (socket) => {
      socket.resume();
      const more = (): void => {
        while (!socket.destroyed && socket.write(Buffer.alloc(4096))) if (socket.writableLength > 65_536) break;
      };
      socket.on("drain", more);
      more();
    });
    const client = await connected(at, false);
    client.on("error", () => {});
    client.resume();
    await until(() => client.bytesRead > 100_000, "some bytes");
    client.destroySoon();
    await until(() => accepted[0]?.destroyed === true, "its end");
    await until(() => fabric.stats().live === 0 && fabric.stats().descriptors.open === 0, "nothing stays");
  });
}
