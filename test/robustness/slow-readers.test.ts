// One end does not read: the other end's program is slowed down, and nothing piles up in between.
import t from "tap";
import { nextTurn } from "../../model/clock.ts";
import { app, dial, memoryBytes, socketOf, startRobust } from "./robust-cluster.ts";
import { until } from "../support/until.ts";

const STREAMS = 6;
/** What a connection may hold back in this process: its streams' own buffers and a pipe's mark; a shaped link holds a window of 4 MiB as well. */
const ROOM = STREAMS * 3e6;
const SHAPED_ROOM = STREAMS * 11e6;
const STILL_MS = 150;

t.test("slow readers", async (t) => {
  const cluster = await startRobust(t);
  await cluster.apply(app("line", "test/line"));
  await cluster.apply(app("proc", "test/line-process"));
  await cluster.ready();

  for (const service of ["line", "proc"]) {
    for (const shaped of [false, true]) {
      const way = `${service === "line" ? "inline" : "process"}${shaped ? ", shaped" : ""}`;
      await t.test(way, async (t) => {
        const at = await socketOf(cluster, service);
        await using _fault = shaped ? await cluster.fault({ to: `svc/${service}`, latency: "1ms" }) : undefined;
        const room = shaped ? SHAPED_ROOM : ROOM;
        const before = memoryBytes();

        const readers = await Promise.all(Array.from({ length: STREAMS }, () => dial(at, "s")));
        for (const socket of readers) socket.pause();
        await quiet(() => readers.reduce((bytes, socket) => bytes + socket.bytesRead, 0));
        t.ok(memoryBytes() - before < room, `a pod sends without end: ${Math.round((memoryBytes() - before) / 1e5) / 10} MB`);
        const [first] = readers;
        const had = first?.bytesRead ?? 0;
        first?.resume();
        await until(() => (first?.bytesRead ?? 0) > had + 20e6);
        t.pass("the stream goes on when it is read again");
        for (const socket of readers) socket.destroy();

        const writers = await Promise.all(Array.from({ length: STREAMS }, () => dial(at, "h")));
        const chunk = Buffer.alloc(65536);
        for (const socket of writers) {
          const fill = (): void => {
            while (!socket.destroyed && socket.write(chunk));
          };
          socket.on("drain", fill);
          fill();
        }
        await quiet(() => writers.reduce((bytes, socket) => bytes + socket.bytesWritten, 0));
        t.ok(memoryBytes() - before < room, `a pod never reads: ${Math.round((memoryBytes() - before) / 1e5) / 10} MB`);
        for (const socket of writers) socket.resetAndDestroy();
      });
    }
  }
  // A program that does not read does not notice that its client has gone either; when it ends, nothing is left.
  await cluster.apply(app("line", "test/line", 0));
  await cluster.apply(app("proc", "test/line-process", 0));
  await until(() => cluster.fabric.stats().live === 0);
});

/** Resolves when the figure has stopped growing. */
async function quiet(figure: () => number): Promise<void> {
  let [last, since] = [-1, performance.now()];
  while (performance.now() - since < STILL_MS) {
    const now = figure();
    if (now !== last) since = performance.now();
    last = now;
    await nextTurn();
  }
}
