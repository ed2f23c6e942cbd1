// The coredns image over the fabric, asked by the real dig and nslookup and by the pods' own resolver.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import t from "tap";
import { VirtualClock } from "../../model/clock.ts";
import type { ConfigMap } from "../../model/kinds/core-v1.ts";
import type { Peer, ResolvConf } from "../../model/ports.ts";
import { ConfigMaps, EndpointSlices } from "../../model/resources.ts";
import { missingPrograms } from "../support/command.ts";
import { until } from "../support/until.ts";
import { dnsCluster } from "./cluster.ts";
import { namespace, service, slice } from "./objects.ts";

const run = promisify(execFile);
const QUICK = `.:53 {\n health\n ready\n kubernetes cluster.local in-addr.arpa ip6.arpa {\n ttl 30\n }\n prometheus\n loadbalance\n}\n`;
const configMap = (corefile: string): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "coredns", namespace: "kube-system" },
  data: { Corefile: corefile },
});

t.test("dig, nslookup and a reload", { skip: missingPrograms("dig", "nslookup") }, async (t) => {
  const cluster = await dnsCluster(t);
  const ip = cluster.podIp(2);
  const addresses = Array.from({ length: 60 }, (_, i) => cluster.podIp(100 + i));
  await cluster.put(
    namespace("default"),
    namespace("kube-system"),
    configMap(QUICK),
    service("default/web", "127.96.0.12", "http:80/TCP"),
    service("default/db", "None", "sql:5432/TCP"),
    slice("default/db", addresses, { name: "sql", port: 5432 }),
  );
  const { log } = await cluster.runCoredns(ip);
  const udp = cluster.fabric.socketOf({ ip, port: 53 }, "UDP");
  t.ok(udp, "UDP 53 is listened on");
  const dig = async (...args: readonly string[]): Promise<string> =>
    (await run("dig", [`@${udp?.ip}`, "-p", String(udp?.port), "+tries=1", "+time=30", ...args])).stdout;

  t.equal((await dig("+short", "web.default.svc.cluster.local")).trim(), "127.96.0.12");
  t.equal((await dig("+short", "-t", "SRV", "_http._tcp.web.default.svc.cluster.local")).trim(), "0 100 80 web.default.svc.cluster.local.");
  t.equal((await dig("+short", "-x", "127.96.0.12")).trim(), "web.default.svc.cluster.local.");
  t.match(await dig("nope.default.svc.cluster.local"), /status: NXDOMAIN.*flags: qr aa rd;/s);
  t.match(await dig("+cookie=0011223344556677", "web.default.svc.cluster.local"), /COOKIE: 0011223344556677/);
  t.match(await dig("WeB.default.SVC.cluster.local"), /^WeB\.default\.SVC\.cluster\.local\.\s+30\s+IN\s+A/m);

  const whole = await dig("+short", "db.default.svc.cluster.local");
  t.strictSame(whole.trim().split("\n").sort(), [...addresses].sort(), "a headless name lists the pods");
  t.match(await dig("+noedns", "+ignore", "db.default.svc.cluster.local"), /flags: qr aa tc rd;/, "too long for 512 bytes");
  t.match(await dig("+noedns", "db.default.svc.cluster.local"), /retrying in TCP mode|ANSWER: 60/);
  t.equal((await dig("+tcp", "+short", "web.default.svc.cluster.local")).trim(), "127.96.0.12");

  const { stdout } = await run("nslookup", [`-port=${udp?.port}`, "web.default.svc.cluster.local", udp?.ip ?? ""]);
  t.match(stdout, /Name:\s+web\.default\.svc\.cluster\.local\s+Address: 127\.96\.0\.12/);

  const pages = await Promise.all(
    [
      [8080, "/health"],
      [8181, "/ready"],
      [9153, "/metrics"],
    ].map(async ([port, path]) => {
      const at = cluster.fabric.socketOf({ ip, port: Number(port) }, "TCP");
      return (await fetch(`http://${at?.ip}:${at?.port}${path}`)).text();
    }),
  );
  t.strictSame(pages.slice(0, 2), ["OK", "OK"]);
  t.match(pages[2], /coredns_dns_requests_total\{server="dns:\/\/:53",zone=".",view="",proto="udp",family="1",type="A"\} \d+/);

  await cluster.store.update(ConfigMaps, configMap(".:53 {\n kubernetes cluster.local\n frobnicate\n}\n"));
  await cluster.store.settle();
  const fault = "Corefile:3:2 - Error during parsing: Unknown directive 'frobnicate'";
  t.match(
    log.join(""),
    `[INFO] Reloading\n[ERROR] Restart failed: ${fault}\n[ERROR] plugin/reload: Corefile changed but reload failed: ${fault}\n`,
  );
  t.equal((await dig("+short", "web.default.svc.cluster.local")).trim(), "127.96.0.12", "the old configuration stays live");
  await cluster.store.update(ConfigMaps, configMap(".:53 {\n hosts {\n 127.1.2.3 web.default.svc.cluster.local\n }\n}\n"));
  await cluster.store.settle();
  await until(() => log.join("").includes("Reloading complete"), "the reload");
  t.equal((await dig("+short", "web.default.svc.cluster.local")).trim(), "127.1.2.3", "the new one is live");
});

t.test("the pods' resolver", async (t) => {
  const cluster = await dnsCluster(t);
  const ip = cluster.podIp(2);
  const corefile = ".:53 {\n log\n hosts {\n 127.9.9.9 api.example.com\n fallthrough\n }\n kubernetes cluster.local\n}\n";
  await cluster.put(
    ...["default", "kube-system", "other"].map(namespace),
    configMap(corefile),
    service("default/web", "127.96.0.12", "http:80/TCP"),
    service("other/api", "127.96.0.13", "http:80/TCP"),
  );
  const { log } = await cluster.runCoredns(ip);
  const from: Peer = { kind: "pod", namespace: "default", name: "client", ip: cluster.podIp(9), node: "n" };
  const conf: ResolvConf = {
    nameservers: [ip],
    searches: ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"],
    options: ["ndots:5"],
  };
  const questions = async (host: string, options: readonly string[] = conf.options): Promise<number> => {
    const before = log.join("").split("[INFO]").length;
    await cluster.resolve.lookup(from, { ...conf, options }, host);
    return log.join("").split("[INFO]").length - before;
  };
  const counts: readonly [string, number, string[]?][] = [
    ["web", 2],
    ["web.default", 4],
    ["web.default.svc", 6],
    ["web.default.svc.cluster.local", 8],
    ["web.default.svc.cluster.local.", 2],
    ["api.other", 4],
    ["api.example.com", 8],
    ["api.example.com", 2, ["ndots:1"]],
  ];
  for (const [host, expected, options] of counts)
    t.equal(await questions(host, options), expected, `${host} ${options?.join(" ") ?? "ndots:5"}`);
  t.strictSame(await cluster.resolve.lookup(from, conf, "web"), ["127.96.0.12"]);
  await t.rejects(cluster.resolve.lookup(from, conf, "nope.default.svc.cluster.local."), { code: "ENOTFOUND" });
  await t.rejects(cluster.resolve.lookup(from, conf, "nope.example.com"), { code: "EAI_AGAIN" }, "nobody answers for names outside");
  const steps = await cluster.resolve.query(from, conf, "api.other", "A");
  t.strictSame(
    steps.map((step) => `${step.name} ${step.rcode} ${step.answers.map((record) => record.data).join()}`),
    ["api.other.default.svc.cluster.local. NXDOMAIN ", "api.other.svc.cluster.local. NOERROR 127.96.0.13"],
  );
});

t.test("changes are seen late by the propagation delay", async (t) => {
  const clock = new VirtualClock();
  const cluster = await dnsCluster(t, { clock, delayMs: 2000 });
  await cluster.put(namespace("default"), namespace("kube-system"), configMap(".:53 {\n kubernetes cluster.local\n}\n"));
  await clock.advance(2000);
  const ip = cluster.podIp(2);
  const { stop } = await cluster.runCoredns(ip);
  const from: Peer = { kind: "pod", namespace: "default", name: "client", ip: cluster.podIp(9), node: "n" };
  const conf: ResolvConf = { nameservers: [ip], searches: [], options: [] };
  const rcode = async (): Promise<string | undefined> =>
    (await cluster.resolve.query(from, conf, "web.default.svc.cluster.local.", "A")).at(-1)?.rcode;
  await cluster.put(service("default/web", "127.96.0.12", "http:80/TCP"));
  t.equal(await rcode(), "NXDOMAIN");
  await clock.advance(1999);
  t.equal(await rcode(), "NXDOMAIN");
  await clock.advance(1);
  t.equal(await rcode(), "NOERROR");
  t.equal(await stop(), 0);
  t.equal(cluster.fabric.socketOf({ ip, port: 53 }, "UDP"), undefined, "nothing listens any more");
});

t.test("the Corefile imports keys of its ConfigMap, and is read anew when one of them changes", async (t) => {
  const cluster = await dnsCluster(t);
  const map = (address: string) => ({
    ...configMap(".:53 {\n import names.hosts\n import *.more\n}\n"),
    data: {
      Corefile: ".:53 {\n import names.hosts\n import *.more\n}\n",
      "names.hosts": `hosts {\n ${address} a.example\n}\n`,
      "x.more": "log\n",
    },
  });
  await cluster.put(namespace("kube-system"), map("127.0.0.7"));
  const ip = cluster.podIp(2);
  const { log } = await cluster.runCoredns(ip);
  const from: Peer = { kind: "pod", namespace: "default", name: "client", ip: cluster.podIp(9), node: "n" };
  const conf: ResolvConf = { nameservers: [ip], searches: [], options: [] };
  const address = async (): Promise<string | undefined> =>
    (await cluster.resolve.query(from, conf, "a.example.", "A")).at(-1)?.answers[0]?.data;
  t.equal(await address(), "127.0.0.7");
  t.match(log.join(""), "A IN a.example.", "the pattern found the other");
  await cluster.store.update(ConfigMaps, map("127.0.0.8"));
  await cluster.store.settle();
  await until(() => log.join("").includes("Reloading complete"), "the reload");
  t.equal(await address(), "127.0.0.8");
  await cluster.store.update(ConfigMaps, map("127.0.0.8\n}\nfrobnicate {"));
  await cluster.store.settle();
  t.match(log.join(""), "Restart failed: names.hosts:4:1 - Error during parsing: Unknown directive 'frobnicate'");
});

t.test("a Corefile that cannot be used at the start ends the pod", async (t) => {
  const cluster = await dnsCluster(t);
  await cluster.put(namespace("kube-system"), configMap(".:53 {\n  kubernetess cluster.local\n}\n"));
  const { log, stop } = await cluster.runCoredns(cluster.podIp(2));
  t.match(log.join(""), "Corefile:2:3 - Error during parsing: Unknown directive 'kubernetess'");
  t.equal(await stop(), 1);
});

t.test("what is said at the start, at a reload and at the end", async (t) => {
  const clock = new VirtualClock();
  const cluster = await dnsCluster(t, { clock });
  const corefile = (more: string): string =>
    `b.example a_b.example:1053 {\n whoami\n}\n.:53 {\n health {\n lameduck 1m\n }\n reload\n prometheus\n kubernetes cluster.local\n${more}}\n`;
  await cluster.put(namespace("kube-system"), configMap(corefile("")));
  const { log, stop } = await cluster.runCoredns(cluster.podIp(2));
  let seen = 0;
  const since = (): string => {
    const lines = log.slice(seen);
    seen = log.length;
    return lines.join("");
  };
  const running = /\[INFO\] plugin\/reload: Running configuration SHA512 = ([0-9a-f]{128})\n/;
  const first = since();
  t.match(
    first.replace(running, "RUNNING\n"),
    /^\.:53\nb\.example\.:53\nWarning: Domain "a_b\.example\." does not follow RFC1035 preferred syntax\na_b\.example\.:1053\nRUNNING\nCoreDNS-1\.14\.7\n$/,
  );
  await cluster.store.update(ConfigMaps, configMap(corefile("  errors\n")));
  await cluster.store.settle();
  const second = since();
  t.match(second.replace(running, "RUNNING\n"), /^\[INFO\] Reloading\nRUNNING\n\[INFO\] Reloading complete\n$/);
  t.not(running.exec(first)?.[1], running.exec(second)?.[1]);
  await cluster.store.update(ConfigMaps, configMap(corefile(" errors {\n")));
  await cluster.store.settle();
  t.match(
    since(),
    /^\[WARNING\] plugin\/reload: Corefile parse failed: Corefile:\d+:\d+ - Error during parsing: Unexpected EOF, expecting '}'\n$/,
  );
  const stopped = stop();
  t.equal(since(), "[INFO] SIGTERM: Shutting down servers then terminating\n[INFO] plugin/health: Going into lameduck mode for 1m0s\n");
  await clock.advance(60_000);
  t.equal(await stopped, 0);
});

t.test("no server at all", async (t) => {
  const cluster = await dnsCluster(t);
  const from: Peer = { kind: "pod", namespace: "default", name: "client", ip: cluster.podIp(9), node: "n" };
  const conf: ResolvConf = { nameservers: [cluster.podIp(2)], searches: [], options: ["timeout:1", "attempts:1"] };
  await t.rejects(cluster.resolve.lookup(from, conf, "web"), { code: "EAI_AGAIN" });
});

t.test("a type that is none is refused, not asked as another", async (t) => {
  const cluster = await dnsCluster(t);
  const from: Peer = { kind: "pod", namespace: "default", name: "client", ip: cluster.podIp(9), node: "n" };
  const conf: ResolvConf = { nameservers: [cluster.podIp(2)], searches: [], options: [] };
  await t.rejects(cluster.resolve.query(from, conf, "web", "FOO"), { message: '"FOO" is no record type' });
  await t.rejects(async () => cluster.dns.diagnostics.explainDns?.({ from, name: "web", type: "TYPE65536" }), {
    message: /is no record type/,
  });
});

t.test("a long dump is made in slices", async (t) => {
  const cluster = await dnsCluster(t);
  await cluster.put(
    namespace("default"),
    ...Array.from({ length: 3000 }, (_, i) => service(`default/s${i}`, `127.96.${i >> 8}.${i & 255}`, "http:80/TCP")),
  );
  let turns = 0;
  let done = false;
  const tick = (): void => void (turns++, done || setImmediate(tick));
  setImmediate(tick);
  const text = (await cluster.dns.diagnostics.dump?.({})) ?? "";
  done = true;
  const lines = text.split("\n").length;
  t.ok(lines > 9000 && turns >= 3000 / 500 - 1 + Math.floor(lines / 500), `${lines} lines in ${turns} turns`);
});

t.test("explain, dump and status", async (t) => {
  const cluster = await dnsCluster(t);
  await cluster.put(
    namespace("default"),
    service("default/web", "127.96.0.12", "http:80/TCP"),
    service("default/db", "None"),
    slice("default/db", ["!127.244.1.7"]),
  );
  const from: Peer = { kind: "pod", namespace: "default", name: "client", ip: "127.244.1.9", node: "n" };
  const explain = async (host: string): Promise<string> =>
    ((await cluster.dns.diagnostics.explain?.({ from, to: host, host, port: 80, protocol: "TCP" }))?.lines ?? []).join("\n");
  t.match(await explain("web"), "web.default.svc.cluster.local. A: NOERROR A 127.96.0.12");
  const host: Peer = { kind: "host", ip: "127.0.0.1" };
  const asHost = await cluster.dns.diagnostics.explain?.({ from: host, to: "web", host: "web", port: 80, protocol: "TCP" });
  t.equal(asHost?.ip, "127.96.0.12", "the host's names are looked for in namespace default, as the gateway does");
  t.match(await explain("db"), "Service default/db (headless, 0 ready endpoints, 1 not ready)");
  t.match(await explain("web.nowhere"), 'namespace "nowhere" does not exist');
  t.match(
    (await cluster.dns.diagnostics.dump?.({})) ?? "",
    "_http._tcp.web.default.svc.cluster.local. 30 IN SRV 0 100 80 web.default.svc.cluster.local.",
  );
  t.match(cluster.dns.diagnostics.status?.() ?? {}, { zone: "cluster.local", servers: 0 });
  await cluster.put(namespace("kube-system"), configMap(".:53 {\n kubernetes cluster.local {\n ttl 7\n }\n}\n"));
  const { stop } = await cluster.runCoredns(cluster.podIp(2));
  t.match(cluster.dns.diagnostics.status?.() ?? {}, { servers: 1, synced: true, services: 2 });
  t.notMatch(await explain("web"), "no coredns pod is serving");
  t.equal(await stop(), 0);
  await cluster.put(service("default/late", "127.96.0.44", "80"));
  t.match(
    (await cluster.dns.diagnostics.dump?.({})) ?? "",
    "late.default.svc.cluster.local. 7 IN A 127.96.0.44",
    "with no pod running, the store is read",
  );
  await cluster.store.delete(EndpointSlices, "default", "db-slice");
});
