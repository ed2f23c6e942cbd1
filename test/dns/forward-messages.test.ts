// What a server's answer keeps on its way through forward and cache: the OPT record with its options, and the AD bit.
// Facts: CoreDNS 1.14.7, request/request.go SizeAndDo, plugin/cache ad_bit_test.go, item.go and handler.go, plugin/minimal.
import t from "tap";
import { decodeReply } from "../../dns/decode.ts";
import { encodeQuery } from "../../dns/encode.ts";
import type { Edns, Query } from "../../dns/message.ts";
import { answerTo, queryOf, testServer } from "./plugin-harness.ts";
import type { Exchange } from "./plugin-harness.ts";

const EDE = { code: 15, data: Buffer.from([0, 22]) };
const COOKIE = { code: 10, data: Buffer.from("0011223344556677", "hex") };

/** Asks a.x. over the wire, of a server that answers with this OPT record and always with AD. */
function asking(plugins: string, upstream: Edns | undefined) {
  const asked: Query[] = [];
  const exchange: Exchange = async (_server, message) => {
    const query = queryOf(message);
    asked.push(query);
    const answers = [{ name: "a.x.", type: "A", ttl: 60, address: "127.1.0.1" }] as const;
    return answerTo({ ...query, edns: upstream }, { answers, ad: true, ...(upstream ? { edns: upstream } : {}) });
  };
  const { server } = testServer(`. {\n${plugins}\nforward . 127.9.0.1\n}`, [], { exchange });
  const ask = (options: Parameters<typeof encodeQuery>[3] = {}): Promise<string> =>
    new Promise((resolve) => {
      server.serve(encodeQuery(7, "a.x.", 1, options), { transport: "udp", client: { ip: "127.0.0.2", port: 1 }, port: 53 }, (bytes) => {
        const { edns, flags } = decodeReply(bytes);
        const shown = edns?.options.map(({ code, data }) => `${code}=${Buffer.from(data).toString("hex")}`).join();
        resolve(`${flags.includes("ad") ? "ad " : ""}${edns ? `${edns.udpSize}${edns.do ? " do" : ""} ${shown}` : "none"}`.trim());
      });
    });
  return { ask, asked };
}
const opt = (options: Edns["options"] = [], more: Partial<Edns> = {}): Edns => ({
  udpSize: 1400,
  version: 0,
  do: false,
  options,
  shown: new Set(options.map(({ code }) => code)),
  ...more,
});

t.test("the OPT record", async (t) => {
  const rows: readonly [plugins: string, upstream: Edns | undefined, client: Edns | undefined, expected: string][] = [
    ["", undefined, undefined, "none"],
    ["", undefined, opt([COOKIE, EDE]), "1400 10=0011223344556677"],
    // A server's own record is passed on, whatever its options; what the client sent is not shown then.
    ["", opt([EDE]), opt([COOKIE], { udpSize: 900 }), "900 15=0016"],
    ["", opt(), opt([COOKIE]), "1400"],
    ["", opt([EDE], { do: true }), opt(), "1400 do 15=0016"],
    ["", opt([EDE]), opt([], { do: true }), "1400 do 15=0016"],
    ["", opt([EDE]), undefined, "512 15=0016"],
    // cache and minimal leave it out, and the client's is shown again.
    ["cache", opt([EDE]), opt([COOKIE]), "1400 10=0011223344556677"],
    ["minimal", opt([EDE]), opt([COOKIE]), "1400 10=0011223344556677"],
    ["nsid me", opt([EDE]), opt([{ code: 3, data: Buffer.alloc(0) }]), "1400 15=0016,3=6d65"],
    ["nsid me", undefined, opt([{ code: 3, data: Buffer.alloc(0) }, COOKIE]), "1400 do 3=6d65"],
  ];
  for (const [plugins, upstream, client, expected] of rows) {
    const { ask } = asking(plugins, upstream);
    t.equal((await ask(client ? { edns: client } : {})).replace("ad ", ""), expected, `${plugins} ${expected}`);
  }
});

t.test("the AD bit is for those who ask for it, when cache is between", async (t) => {
  const { ask, asked } = asking("cache", undefined);
  const dnssec = { edns: opt([], { do: true }) };
  for (const pass of ["asked", "remembered", "remembered in bytes"]) {
    t.equal(await ask(), "none", pass);
    t.equal(await ask({ authenticData: true }), "ad none", pass);
    t.equal(await ask(dnssec), "ad 1400 do", pass);
  }
  t.strictSame(
    asked.map((query) => query.authenticData),
    [true, true],
    "the server is always asked with it",
  );
  const direct = asking("", undefined);
  t.equal(await direct.ask(), "ad none", "forward alone passes on what it gets");
  await direct.ask({ authenticData: true });
  t.strictSame(
    direct.asked.map((query) => query.authenticData),
    [false, true],
  );
});
