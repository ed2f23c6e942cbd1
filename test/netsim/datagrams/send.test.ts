// Answers with a request used again arrive whole, also when the socket's buffer is full, over both families, and over an unknown handle.
import { createSocket, type Socket } from "node:dgram";
import t from "tap";
import { datagramSender } from "../../../netsim/datagrams/send.ts";
import { until } from "../../support/until.ts";

const LOOPBACK = { udp4: "127.0.0.1", udp6: "::1" } as const;

async function bound(t: { teardown(callback: () => void): void }, type: "udp4" | "udp6"): Promise<Socket> {
  const socket = createSocket({ type, lookup: (name, _options, found) => found(null, name, type === "udp6" ? 6 : 4) });
  await new Promise<void>((done) => socket.bind(0, LOOPBACK[type], done));
  t.teardown(() => socket.close());
  return socket;
}

for (const type of ["udp4", "udp6"] as const) {
  t.test(`${type}: every datagram arrives as it was, at once`, async (t) => {
    const [from, to] = [await bound(t, type), await bound(t, type)];
    const seen: string[] = [];
    to.on("message", (message, { port }) => seen.push(`${message} ${port === from.address().port}`));
    const send = datagramSender(from);
    for (const text of ["one", "two", "", "four"]) send(Buffer.from(text), to.address().port, LOOPBACK[type]);
    await until(() => seen.length === 4, "four datagrams");
    t.same(seen, ["one true", "two true", " true", "four true"]);
  });
}

t.test("dgram makes a request for the first datagram and for none after it", async (t) => {
  const [from, to] = [await bound(t, "udp4"), await bound(t, "udp4")];
  let sends = 0;
  const { send: publicSend } = from;
  from.send = ((...args: Parameters<typeof publicSend>) => {
    sends++;
    publicSend.apply(from, args);
  }) as typeof from.send;
  const send = datagramSender(from);
  for (let i = 0; i < 5; i++) send(Buffer.from("x"), to.address().port, "127.0.0.1");
  t.equal(sends, 1);
});

t.test("a request that libuv keeps is not used again", async (t) => {
  const from = await bound(t, "udp4");
  const requests = new Set<unknown>();
  const sent: string[] = [];
  const key = Object.getOwnPropertySymbols(from).find((symbol) => symbol.description === "state symbol");
  const state = Reflect.get(from, key ?? "");
  const real = state.handle;
  t.teardown(() => (state.handle = real));
  const results = [4, 4, 0, 4, -11, 4];
  state.handle = Object.assign(Object.create(real), {
    send(request: { list: Uint8Array[] }, list: Uint8Array[]) {
      requests.add(request);
      t.equal(request.list, list, "the request holds the bytes that are sent");
      sent.push(String(list[0]));
      return results.shift();
    },
  });
  const send = datagramSender(from);
  const texts = ["a", "b", "c", "d", "e", "f"];
  for (const text of texts) send(Buffer.from(text), 9, "127.0.0.1");
  t.same(sent, texts);
  t.equal(requests.size, 3, "dgram's own, one until libuv kept it, and one since");
});

t.test("without the handle that is known, the public path sends", (t) => {
  const sent: unknown[] = [];
  const stranger = { send: (message: Uint8Array, port: number, ip: string) => sent.push([String(message), port, ip]) };
  const send = datagramSender(stranger as unknown as Socket);
  send(Buffer.from("x"), 53, "127.0.0.1");
  send(Buffer.from("y"), 53, "127.0.0.1");
  t.same(sent, [
    ["x", 53, "127.0.0.1"],
    ["y", 53, "127.0.0.1"],
  ]);
  t.end();
});
