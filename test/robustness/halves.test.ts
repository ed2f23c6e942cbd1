// How connections end and what odd clients do, through every way of delivery: handed over, piped to a process, shaped by a fault.
import t from "tap";
import { connect } from "node:net";
import type { SocketAddress } from "../../model/ports.ts";
import { nextTurn } from "../../model/clock.ts";
import { app, dial, ending, socketOf, startRobust, textOf } from "./robust-cluster.ts";
import { until } from "../support/until.ts";

const WAYS = [
  { way: "handed over", service: "line", shaped: false },
  { way: "piped to a process", service: "proc", shaped: false },
  { way: "shaped, to a server of this process", service: "line", shaped: true },
  { way: "shaped, to a process", service: "proc", shaped: true },
];

t.test("ends and odd clients", async (t) => {
  const cluster = await startRobust(t);
  await cluster.apply(app("line", "test/line"));
  await cluster.apply(app("proc", "test/line-process"));
  await cluster.ready();

  for (const { way, service, shaped } of WAYS) {
    await t.test(way, async (t) => {
      const at = await socketOf(cluster, service);
      await using _fault = shaped ? await cluster.fault({ to: `svc/${service}`, latency: "2ms" }) : undefined;
      await clientEndsFirst(t, at);
      await podEndsFirst(t, at);
      await bytewise(t, at);

      const resets = await Promise.all(Array.from({ length: 20 }, () => dial(at, "e")));
      for (const socket of resets) socket.resetAndDestroy();
      const silent = await Promise.all(Array.from({ length: 20 }, () => dial(at)));
      for (const socket of silent) socket.destroy();
      for (let i = 0; i < 50; i++) {
        const hasty = connect({ host: at.ip, port: at.port }).on("error", () => {});
        if (i % 2) await nextTurn();
        hasty.destroy();
      }
      await until(() => cluster.fabric.stats().live === 0 && cluster.fabric.stats().descriptors.open <= 2);
      t.match(await textOf(await dial(at, "n")), new RegExp(`^${service}-`), "after clients that reset, say nothing or leave at once");
    });
  }
});

type Judge = Pick<typeof t, "equal">;

/** FIN from the client, then the answer: what `echo request | nc` does. */
async function clientEndsFirst(t: Judge, at: SocketAddress): Promise<void> {
  const text = "x".repeat(300_000);
  const echo = await dial(at, "e");
  echo.end(text);
  t.equal((await textOf(echo)).length, text.length, "an echo after the client's FIN");
  const count = await dial(at, "r");
  count.end(text);
  t.equal(await textOf(count), String(text.length), "an answer that is made at the client's FIN");
}

/** FIN from the pod, then more from the client. */
async function podEndsFirst(t: Judge, at: SocketAddress): Promise<void> {
  const before = Number(await textOf(await dial(at, "c")));
  const socket = await dial(at, "f");
  t.equal(await textOf(socket, true), "bye");
  const closed = ending(socket);
  socket.write("y".repeat(100_000));
  socket.end();
  t.equal(await closed, "close", "without an error");
  let after = before;
  while (after < before + 100_000) after = Number(await textOf(await dial(at, "c")));
  t.equal(after - before, 100_000, "what comes after the pod's FIN arrives");
}

/** Each byte in a packet of its own, each awaited. */
async function bytewise(t: Judge, at: SocketAddress): Promise<void> {
  const socket = await dial(at, "e");
  let answer = "";
  let wake = (): void => {};
  socket.on("data", (chunk: Buffer) => {
    answer += chunk.toString();
    wake();
  });
  const text = "one byte at a time, there and back";
  for (const [index, byte] of [...text].entries()) {
    socket.write(byte);
    while (answer.length <= index) await new Promise<void>((resolve) => (wake = resolve));
  }
  socket.end();
  t.equal(answer, text);
}
