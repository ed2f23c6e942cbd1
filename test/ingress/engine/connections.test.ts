// The life of a connection to a pod, by each HTTP/1.1 engine: clients that leave, timeouts, pods that close, bodies that nobody reads.
import { PassThrough } from "node:stream";
import t from "tap";
import { VirtualClock } from "../../../model/clock.ts";
import { ENGINES, outcome, Setup, turns, until } from "./pod.ts";

const HELLO = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const SHOWN = "200 OK [Content-Length=5] hello";

for (const engine of ENGINES) {
  await t.test(engine, async (t) => {
    await t.test("a client that leaves before the answer resets the connection", async (t) => {
      using setup = new Setup(engine);
      const sent = outcome(setup.send());
      await until(() => setup.connections[0]?.seen !== undefined && setup.connections[0].seen !== "");
      setup.signal.abort();
      t.equal(await sent, "error");
      await until(() => setup.connections[0]?.closed === true);
      t.equal(setup.connections[0]?.error, "ECONNRESET");
    });

    await t.test("a client that has left is not dialled for, nor sent for after a slow dial", async (t) => {
      using setup = new Setup(engine);
      const gate = Promise.withResolvers<void>();
      setup.beforeDial = () => gate.promise;
      const sent = outcome(setup.send());
      await turns();
      setup.signal.abort();
      t.equal(await sent, "error");
      gate.resolve();
      await turns();
      t.equal(setup.connections.map(({ seen }) => seen).join(""), "");
      t.equal(await outcome(setup.send()), "error");
    });

    await t.test("a client that leaves within the answer resets the connection", async (t) => {
      using setup = new Setup(engine);
      setup.answer = ({ socket }) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
      const answer = await setup.send();
      answer.stream.resume();
      await turns();
      setup.signal.abort();
      await until(() => setup.connections[0]?.closed === true);
      t.equal(setup.connections[0]?.error, "ECONNRESET");
    });

    await t.test("a pod that closes a kept connection is dialled anew", async (t) => {
      using setup = new Setup(engine);
      setup.answer = ({ socket }) => void socket.write(HELLO);
      t.equal(await outcome(setup.send()), SHOWN);
      await turns();
      setup.connections[0]?.socket.end();
      await until(() => setup.connections[0]?.closed === true);
      t.equal(await outcome(setup.send()), SHOWN);
      t.equal(setup.connections.length, 2);
    });

    await t.test("a pod that resets a kept connection with the request on it: reused is told", async (t) => {
      using setup = new Setup(engine);
      setup.answer = ({ socket }) => void socket.write(HELLO);
      await outcome(setup.send());
      await turns();
      setup.answer = ({ socket }) => void socket.resetAndDestroy();
      const failure = await setup.send().then(
        () => undefined,
        (error: unknown) => error,
      );
      t.match(failure, { failure: "error", reused: true, requestSent: true });
    });

    await t.test("requests at one time have connections of their own, which are used again", async (t) => {
      using setup = new Setup(engine);
      setup.answer = ({ socket }) => void socket.write(HELLO);
      for (let round = 0; round < 2; round++) {
        const answers = await Promise.all([outcome(setup.send()), outcome(setup.send()), outcome(setup.send())]);
        t.strictSame(answers, [SHOWN, SHOWN, SHOWN]);
        await turns();
      }
      t.equal(setup.connections.length, 3);
    });

    await t.test("timeouts: no connection, no answer, half an answer", async (t) => {
      const clock = new VirtualClock();
      using setup = new Setup(engine, clock);
      setup.beforeDial = () => new Promise(() => {});
      const connecting = outcome(setup.send({ connectTimeoutMs: 5000 }));
      await turns();
      await clock.advance(5000);
      t.equal(await connecting, "timeout", "connecting");
      setup.beforeDial = async () => {};
      const reading = outcome(setup.send({ readTimeoutMs: 3000 }));
      await turns();
      await clock.advance(2999);
      t.notOk(setup.connections[0]?.closed);
      await clock.advance(2);
      t.equal(await reading, "timeout", "reading the head");
      setup.answer = ({ socket }) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
      const half = outcome(setup.send({ readTimeoutMs: 3000 }));
      await turns();
      await clock.advance(3001);
      t.equal(await half, "200 OK [Content-Length=10] hello…");
      await until(() => setup.connections[1]?.closed === true);
    });

    await t.test("an answer that nobody reads holds the pod back, and is not the pod's silence", async (t) => {
      const clock = new VirtualClock();
      using setup = new Setup(engine, clock);
      const size = 3_000_000;
      setup.answer = ({ socket }) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
        socket.write(Buffer.alloc(size, "x"));
      };
      const answer = await setup.send({ readTimeoutMs: 3000 });
      t.equal(answer.takeWhole(8192), undefined);
      const { stream } = answer;
      await turns();
      t.ok((setup.connections[0]?.socket.writableLength ?? 0) > 0, "the pod waits");
      for (let i = 0; i < 5; i++) await clock.advance(2000);
      let read = 0;
      for await (const chunk of stream) read += (chunk as Buffer).length;
      t.equal(read, size);
      await turns();
      setup.answer = ({ socket }) => void socket.write(HELLO);
      t.equal(await outcome(setup.send()), SHOWN);
      t.equal(setup.connections.length, 1);
    });

    await t.test("a body larger than the pod takes holds the client back", async (t) => {
      using setup = new Setup(engine);
      const body = new PassThrough();
      const sent = outcome(
        setup.send({ method: "POST", headers: { Host: "x", "Transfer-Encoding": "chunked" }, body: { type: "stream", stream: body } }),
      );
      body.write("x");
      await until(() => (setup.connections[0]?.seen.length ?? 0) > 0);
      const connection = setup.connections[0];
      connection?.socket.pause();
      for (let i = 0; i < 40; i++) {
        body.write(Buffer.alloc(65_536));
        await turns();
      }
      t.ok(body.writableNeedDrain, "the client waits");
      setup.answer = ({ seen, socket }) => void (seen.endsWith("\r\n0\r\n\r\n") && socket.write(HELLO));
      connection?.socket.resume();
      body.end();
      t.equal(await sent, SHOWN);
    });
  });
}

await t.test("memory: a connection is left before the pod closes it, as its Keep-Alive header says, else after a minute", async (t) => {
  for (const [header, closesAfterMs] of [
    ["Keep-Alive: timeout=5\r\n", 4000],
    ["", 60_000],
  ] as const) {
    const clock = new VirtualClock();
    using setup = new Setup("memory", clock);
    setup.answer = ({ socket }) => void socket.write(`HTTP/1.1 200 OK\r\n${header}Content-Length: 0\r\n\r\n`);
    await outcome(setup.send());
    await clock.advance(closesAfterMs - 1);
    t.notOk(setup.connections[0]?.closed, `${header}: open`);
    await clock.advance(2);
    await turns();
    t.ok(setup.connections[0]?.closed, `${header}: closed`);
  }
});

await t.test("memory: a pod that answers before it has the body gets no more of it", async (t) => {
  using setup = new Setup("memory");
  const body = new PassThrough();
  setup.answer = ({ socket, seen }) => void (seen.endsWith("x") && socket.write(HELLO));
  const sent = outcome(
    setup.send({ method: "POST", headers: { Host: "x", "Content-Length": "10" }, body: { type: "stream", stream: body } }),
  );
  body.write("x");
  t.equal(await sent, SHOWN);
  await until(() => setup.connections[0]?.closed === true);
  body.end("xxxxxxxxx");
  await until(() => body.readableEnded);
  t.notOk(body.destroyed && body.errored);
});
