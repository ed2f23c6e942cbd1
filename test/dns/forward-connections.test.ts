// The connections that forward keeps to a server, on a clock moved by hand. Facts: CoreDNS 1.14.7, plugin/pkg/proxy persistent.go and connect.go.
import t from "tap";
import type { PluginEnv } from "../../dns/plugin.ts";
import { VirtualClock } from "../../model/clock.ts";
import { answerTo, query, queryOf, testChain } from "./plugin-harness.ts";

/** Opens connections "1", "2" and so on, and writes down what happens to them. */
function world(options: string) {
  const clock = new VirtualClock();
  const happened: string[] = [];
  const ended = new Set<number>();
  const broken = new Set<number>();
  const held: (() => void)[] = [];
  const limits: number[] = [];
  const control = { hold: false, dialMs: 0 };
  let opened = 0;
  const connect: PluginEnv["connect"] = async (_server, { tcp, timeoutMs }) => {
    const id = ++opened;
    happened.push(`open ${id} ${tcp ? "tcp" : "udp"}`);
    limits.push(timeoutMs);
    if (control.dialMs > 0) await new Promise<void>((resolve) => clock.after(control.dialMs, resolve));
    return {
      get ended() {
        return ended.has(id);
      },
      exchange: async (message) => {
        happened.push(`ask ${id}`);
        if (control.hold) await new Promise<void>((resolve) => held.push(resolve));
        if (ended.has(id) || broken.has(id)) throw new Error("ECONNRESET");
        return answerTo(queryOf(message), {});
      },
      close: () => void happened.push(`close ${id}`),
    };
  };
  const { chain, metrics } = testChain(`. {\nforward . 127.9.0.1 {\nmax_fails 0\n${options}\n}\n}`, [], { clock, connect });
  const ask = async (transport: "udp" | "tcp" = "udp"): Promise<string> => (await chain.serve(query("a.x.", "A", { transport }))).rcode;
  const together = async (count: number): Promise<void> => {
    control.hold = true;
    const answers = Array.from({ length: count }, () => ask());
    while (held.length < count) await new Promise((resolve) => setImmediate(resolve));
    control.hold = false;
    for (const release of held.splice(0)) release();
    await Promise.all(answers);
  };
  return { clock, metrics, ended, broken, control, limits, ask, together, chain, since: () => happened.splice(0).join(", ") };
}

t.test("what has answered is used again, each transport for itself", async (t) => {
  const { ask, since, metrics, chain } = world("");
  await ask();
  await ask();
  await ask("tcp");
  await ask("tcp");
  t.equal(since(), "open 1 udp, ask 1, ask 1, open 2 tcp, ask 2, ask 2");
  const text = metrics.text();
  for (const proto of ["udp", "tcp"]) {
    t.match(text, `coredns_proxy_conn_cache_hits_total{proxy_name="forward",to="127.9.0.1:53",proto="${proto}"} 1`);
    t.match(text, `coredns_proxy_conn_cache_misses_total{proxy_name="forward",to="127.9.0.1:53",proto="${proto}"} 1`);
  }
  chain.close();
  t.equal(since(), "close 1, close 2");
});

t.test("questions at the same time have connections of their own, and the one idle longest is next", async (t) => {
  const { ask, together, since } = world("");
  await together(3);
  t.equal(since(), "open 1 udp, open 2 udp, open 3 udp, ask 1, ask 2, ask 3");
  await ask();
  await ask();
  t.equal(since(), "ask 1, ask 2");
});

t.test("expire counts from the last use, max_age from the opening", async (t) => {
  const rows: readonly [options: string, waits: readonly number[], expected: string][] = [
    ["", [9999], "ask 1"],
    ["", [10_001], "close 1, open 2 udp, ask 2"],
    ["", [6000, 6000, 6000], "ask 1, ask 1, ask 1"],
    ["expire 2s", [2000], "ask 1"],
    ["expire 2s", [2001], "close 1, open 2 udp, ask 2"],
    ["expire 0s", [1], "close 1, open 2 udp, ask 2"],
    ["max_age 15s", [8000, 8000], "ask 1, close 1, open 2 udp, ask 2"],
    ["max_age 16s", [8000, 8000], "ask 1, ask 1"],
  ];
  for (const [options, waits, expected] of rows) {
    const { clock, ask, since, chain } = world(options);
    await ask();
    since();
    for (const wait of waits) {
      await clock.advance(wait);
      await ask();
    }
    t.equal(since(), expected, `${options} ${waits.join()}`);
    chain.close();
  }
});

t.test("what nobody asks for is closed by itself", async (t) => {
  const { clock, ask, since } = world("expire 3s");
  await ask();
  await ask("tcp");
  since();
  await clock.advance(9999);
  t.equal(since(), "");
  await clock.advance(1);
  t.equal(since(), "close 1, close 2");
  t.equal(clock.nextDueMs(), undefined, "and nothing is waited for");
});

t.test("max_idle_conns is how many of one transport are kept", async (t) => {
  const { together, ask, since } = world("max_idle_conns 2");
  await together(4);
  t.equal(since(), "open 1 udp, open 2 udp, open 3 udp, open 4 udp, ask 1, ask 2, ask 3, ask 4, close 3, close 4");
  await ask("tcp");
  await ask("tcp");
  t.equal(since(), "open 5 tcp, ask 5, ask 5");
});

t.test("a kept connection that its server has closed is replaced within the question", async (t) => {
  const { ask, together, ended, since, metrics } = world("max_connect_attempts 1");
  await together(2);
  since();
  ended.add(1).add(2);
  t.equal(await ask(), "NOERROR");
  t.equal(since(), "ask 1, close 1, ask 2, close 2, open 3 udp, ask 3");
  t.match(metrics.text(), 'coredns_proxy_conn_cache_hits_total{proxy_name="forward",to="127.9.0.1:53",proto="udp"} 2');
  ended.add(4);
  t.equal(await ask("tcp"), "SERVFAIL", "a new one is not");
});

t.test("one that is reset is a failed attempt, and is not kept", async (t) => {
  const { ask, broken, since } = world("max_connect_attempts 1");
  await ask();
  broken.add(1);
  t.equal(await ask(), "SERVFAIL");
  t.equal(await ask(), "NOERROR");
  t.equal(since(), "open 1 udp, ask 1, ask 1, close 1, open 2 udp, ask 2");
});

t.test("a question that is answered after the end leaves no connection", async (t) => {
  const { together, chain, since } = world("");
  const done = together(1);
  chain.close();
  await done;
  t.equal(since(), "open 1 udp, ask 1, close 1");
});

t.test("the time for a handshake is twice what it took of late, within 1 and 30 s", async (t) => {
  const { clock, control, ask, limits } = world("expire 0s");
  const dial = async (dialMs: number): Promise<number> => {
    control.dialMs = dialMs;
    const asked = ask("tcp");
    await clock.advance(dialMs);
    await asked;
    await clock.advance(1);
    return limits.at(-1) ?? 0;
  };
  t.strictSame([await dial(0), await dial(0), await dial(0), await dial(0)], [30_000, 22_500, 16_875, 12_656.25]);
  for (let i = 0; i < 10; i++) await dial(0);
  t.equal(await dial(4000), 1000, "and the average moves by a quarter of what is seen");
  t.ok((await dial(4000)) > 2000);
  t.ok((await dial(4000)) > 3000);
});
