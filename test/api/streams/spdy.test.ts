import { once } from "node:events";
import { type Duplex, duplexPair } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import t, { type Test } from "tap";
import {
  dataHeader,
  goAway,
  ping,
  rstStream,
  SETTING_INITIAL_WINDOW,
  settings,
  SpdyDecoder,
  type SpdyFrame,
  synStream,
  windowUpdate,
} from "../../../api/streams/spdy-frames.ts";
import { SpdyHeaderReader, SpdyHeaderWriter } from "../../../api/streams/spdy-headers.ts";
import type { SpdyStream } from "../../../api/streams/spdy-stream.ts";
import { SpdySession } from "../../../api/streams/spdy.ts";

/** One line per frame, as a person would note it down. */
function show(frame: SpdyFrame): string {
  switch (frame.type) {
    case "DATA":
      return `DATA ${frame.stream} ${frame.bytes.length > 20 ? `${frame.bytes.length} bytes` : JSON.stringify(frame.bytes.toString())}${frame.fin ? " FIN" : ""}`;
    case "RST_STREAM":
      return `RST_STREAM ${frame.stream} ${frame.status}`;
    case "PING":
      return `PING ${frame.id}`;
    case "GOAWAY":
      return `GOAWAY ${frame.lastStream}`;
    case "WINDOW_UPDATE":
      return `WINDOW_UPDATE ${frame.stream} ${frame.delta}`;
    case "SETTINGS":
      return `SETTINGS ${[...frame.values].join(" ")}`;
    default:
      return `${frame.type} ${frame.stream}${frame.fin ? " FIN" : ""}`;
  }
}

const data = (stream: number, text: string | Buffer, fin = false): Buffer =>
  Buffer.concat([dataHeader(stream, Buffer.byteLength(text), fin), Buffer.from(text)]);

const BARRIER = 4001;

/** A session and the far end of its transport. */
function open(t: Test): {
  session: SpdySession;
  streams: SpdyStream[];
  client: Duplex;
  seen: SpdyFrame[];
  syn: (id: number, fin?: boolean) => Buffer;
  settle: () => Promise<string[]>;
} {
  const [near, client] = duplexPair();
  const streams: SpdyStream[] = [];
  const session = new SpdySession(near, Buffer.alloc(0), (stream) => {
    stream.reply();
    streams.push(stream);
  });
  const decoder = new SpdyDecoder();
  const seen: SpdyFrame[] = [];
  client.on("error", () => undefined).on("data", (chunk: Buffer) => seen.push(...decoder.push(chunk)));
  t.teardown(() => session.destroy());
  const headers = new SpdyHeaderWriter();
  const syn = (id: number, fin = false): Buffer =>
    synStream(
      id,
      headers.block(
        new Map([
          ["streamtype", "data"],
          ["n", String(id)],
        ]),
      ),
      fin,
    );
  return {
    session,
    streams,
    client,
    seen,
    syn,
    /** Frames since the last call; a PING behind all that was written tells that the session has come so far. */
    async settle() {
      if (client.writable) {
        client.write(ping(BARRIER));
        while (!seen.some((frame) => frame.type === "PING" && frame.id === BARRIER)) await once(client, "data");
      }
      for (let i = 0; i < 5; i++) await turn();
      return seen
        .splice(0)
        .map(show)
        .filter((line) => line !== `PING ${BARRIER}`);
    },
  };
}

t.test("header blocks go both ways", async (t) => {
  const [writer, reader] = [new SpdyHeaderWriter(), new SpdyHeaderReader()];
  t.teardown(() => reader.close());
  for (const headers of [
    new Map(),
    new Map([
      ["port", "80"],
      ["requestid", "0"],
    ]),
    new Map([["x", "y".repeat(10_000)]]),
  ]) {
    t.same(await reader.inflate(writer.block(headers)), headers);
  }
  await t.rejects(reader.inflate(Buffer.from("ffffffff", "hex")));
});

t.test("a stream's life", async (t) => {
  const { streams, client, syn, settle } = open(t);
  client.write(Buffer.concat([syn(1), data(1, "hello "), data(1, "world", true), ping(7), ping(8)]));
  t.same(await settle(), ["SYN_REPLY 1", "PING 7"], "the client's pings are answered, others are not");
  const [stream] = streams;
  if (!stream) return t.fail("no stream");
  t.equal(stream.headers.get("n"), "1");
  let text = "";
  stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await once(stream, "end");
  t.equal(text, "hello world");
  stream.write("answer");
  stream.end();
  t.same(await settle(), ['DATA 1 "answer"', 'DATA 1 "" FIN']);
  t.ok(stream.destroyed, "ended both ways, it is gone");
  client.write(data(1, "late"));
  t.same(await settle(), [], "late data of a known stream is ignored");
});

t.test("every split of the same bytes is the same", async (t) => {
  const bytes = Buffer.concat([
    ping(1),
    data(3, "abc"),
    data(3, "", true),
    windowUpdate(3, 9),
    rstStream(3, 5),
    settings(7, 1),
    goAway(3, 0),
  ]);
  const whole = [...new SpdyDecoder().push(bytes)].map(show);
  t.same(whole, ["PING 1", 'DATA 3 "abc"', 'DATA 3 "" FIN', "WINDOW_UPDATE 3 9", "RST_STREAM 3 5", "SETTINGS 7,1", "GOAWAY 3"]);
  const decoder = new SpdyDecoder();
  const single = [...bytes].flatMap((byte) => [...decoder.push(Buffer.of(byte))]);
  t.equal(
    single
      .filter((frame) => frame.type === "DATA")
      .map((frame) => frame.bytes.toString())
      .join(""),
    "abc",
  );
  t.same(
    single.filter((frame) => frame.type !== "DATA").map(show),
    whole.filter((line) => !line.startsWith("DATA")),
  );
});

t.test("resets", async (t) => {
  const { session, streams, client, syn, settle } = open(t);
  client.write(Buffer.concat([syn(1), syn(3), syn(5), syn(2), syn(1), data(99, "x")]));
  t.same(await settle(), ["SYN_REPLY 1", "SYN_REPLY 3", "SYN_REPLY 5", "RST_STREAM 2 1", "RST_STREAM 1 1", "RST_STREAM 99 2"]);
  client.write(rstStream(1, 5));
  streams[1]?.destroy();
  t.same(await settle(), ["RST_STREAM 3 5"], "ours is told, the client's is not told back");
  t.ok(streams[0]?.destroyed);
  client.write(Buffer.concat([data(5, "", true), data(5, "more")]));
  t.same(await settle(), ["RST_STREAM 5 9"], "data after FIN");
  session.close();
  client.end();
  await session.closed;
  t.same(await settle(), ["GOAWAY 5"]);
});

t.test("GOAWAY lets the streams at hand end", async (t) => {
  const { session, streams, client, syn, settle } = open(t);
  client.write(Buffer.concat([syn(1), goAway(0, 0), syn(3)]));
  t.same(await settle(), ["SYN_REPLY 1", "RST_STREAM 3 3"]);
  client.write(data(1, "", true));
  streams[0]?.resume().end("bye");
  t.same(await settle(), ['DATA 1 "bye"', 'DATA 1 "" FIN']);
  client.end();
  await session.closed;
});

t.test("a client that keeps windows is never sent more than it allows", async (t) => {
  const { streams, client, syn, settle } = open(t);
  client.write(Buffer.concat([settings(SETTING_INITIAL_WINDOW, 10), syn(1)]));
  t.same(await settle(), ["SYN_REPLY 1"]);
  streams[0]?.write("0123456789abcdef");
  t.same(await settle(), ['DATA 1 "0123456789"']);
  client.write(windowUpdate(1, 4));
  t.same(await settle(), ['DATA 1 "abcd"']);
  client.write(settings(SETTING_INITIAL_WINDOW, 11));
  t.same(await settle(), ['DATA 1 "e"'], "a new initial window moves open ones");
  client.write(windowUpdate(1, 0x7fffffff));
  t.same(await settle(), ['DATA 1 "f"']);
  client.write(windowUpdate(1, 0x7fffffff));
  t.same(await settle(), ["RST_STREAM 1 7"], "overflow");
});

t.test("the session's window binds too", async (t) => {
  const { streams, client, syn, settle, seen } = open(t);
  client.write(Buffer.concat([settings(SETTING_INITIAL_WINDOW, 1 << 20), syn(1)]));
  await settle();
  streams[0]?.write(Buffer.alloc(100_000));
  const flush = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) await turn();
  };
  await flush();
  const sent = (): number => seen.reduce((sum, frame) => sum + (frame.type === "DATA" ? frame.bytes.length : 0), 0);
  t.equal(sent(), 65_536);
  client.write(windowUpdate(0, 1 << 20));
  await flush();
  t.equal(sent(), 100_000);
});

t.test("what is read is acknowledged, what is not read is bounded", async (t) => {
  const { streams, client, syn, settle, seen } = open(t);
  client.write(syn(1));
  t.same(await settle(), ["SYN_REPLY 1"]);
  let taken = 0;
  const chunk = data(1, Buffer.alloc(32_760));
  while (client.write(chunk) || taken < 100) {
    taken++;
    await turn();
    if (taken > 1000) break;
  }
  const before = taken * 32_768;
  t.ok(before < 8 << 20, `the transport stopped being read after ${before} bytes`);
  t.notOk(
    seen.some((frame) => frame.type === "WINDOW_UPDATE"),
    "nothing is read, nothing is acknowledged",
  );
  streams[0]?.resume();
  const lines = await settle();
  t.ok(
    lines.some((line) => line.startsWith("WINDOW_UPDATE 1 ")),
    "stream window",
  );
  t.ok(
    lines.some((line) => line.startsWith("WINDOW_UPDATE 0 ")),
    "session window",
  );
  await (client.writableNeedDrain ? once(client, "drain") : undefined);
});

t.test("garbage closes the session with GOAWAY and nothing else", async (t) => {
  const garbage: readonly (readonly [string, Buffer])[] = [
    ["HTTP", Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n".replace("GET ", "\xc7ET "), "latin1")],
    ["version 2", Buffer.from("8002000100000000", "hex")],
    ["a huge control frame", Buffer.from("8003000100ffffff", "hex")],
    ["a SYN_STREAM cut short", Buffer.from("800300010000000400000001", "hex")],
    ["header block that is not zlib", synStream(1, Buffer.from("nonsense"))],
    ["SETTINGS that lies about its count", Buffer.from("8003000400000004ffffffff", "hex")],
    ["DATA on stream 0", Buffer.from("0000000000000000", "hex")],
    ["session window overflow", windowUpdate(0, 0x7fffffff)],
  ];
  for (const [name, bytes] of garbage) {
    const { session, client, settle } = open(t);
    client.end(bytes);
    await session.closed;
    t.same(await settle(), ["GOAWAY 0"], name);
  }
});

t.test("no bytes whatsoever crash it", async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(ping(1), data(1, "x"), synStream(1, Buffer.alloc(4)), goAway(0, 0))),
      ),
      async (parts) => {
        const { session, client } = open(t);
        for (const part of parts) client.write(part);
        client.end();
        await session.closed;
      },
    ),
    { numRuns: 150 },
  );
});
