// The report of a run, as an object and as text: who is listed, what is compared, what is said when nothing can be.
import t from "tap";
import { type LoadReport, reportOf, type ReportInput, reportText, Tally } from "../../lab/index.ts";
import { Connection } from "../../lab/load/tally.ts";
import type { BalanceAnswer } from "../../model/ports.ts";

const choice = (...pods: readonly number[]): BalanceAnswer => ({
  service: "default/web:http",
  algorithm: "random",
  affinitySeconds: 0,
  endpoints: pods.map((pod) => ({ address: `127.244.1.${pod}:80`, pod: `default/web-${pod}`, node: "worker" })),
});

/** Connections by the last number of the pod's address, one answered request each; 0: of an unknown endpoint. */
function tallyOf(connections: readonly number[]): Tally {
  const tally = new Tally();
  for (const pod of connections) {
    const connection = new Connection(0);
    tally.sent++;
    tally.opened(connection);
    tally.ended(connection, { type: "answered", latencyMs: 2, status: 200, endpoint: undefined });
    if (pod !== 0) tally.attribute(connection, `127.244.1.${pod}:80`);
  }
  return tally;
}

function report(
  connections: readonly number[],
  before: BalanceAnswer | undefined,
  after = before,
  more: Partial<ReportInput> = {},
): LoadReport {
  const result = { tally: tallyOf(connections), durationMs: 1000, unsent: 0, delayed: 0 };
  const base = {
    url: "http://web/",
    from: "host",
    via: "direct",
    dialled: "127.96.0.12:80",
    clients: 4,
    keepAlive: false,
    requestsPerSecond: undefined,
  };
  return reportOf({ ...base, result, before, after, podOf: () => undefined, ...more });
}

const table = (of: LoadReport): readonly string[] => reportText(of).rows.map((cells) => cells.slice(0, 6).join(" "));
const repeat = (times: number, pod: number): readonly number[] => Array.from({ length: times }, () => pod);

t.test("pods, their bands and their shares", (t) => {
  const even = report([...repeat(10, 1), ...repeat(12, 2), ...repeat(8, 3)], choice(1, 2, 3));
  t.strictSame(table(even), ["web-1 worker 10 4 to 17 10 33.3 %", "web-2 worker 12 4 to 17 12 40.0 %", "web-3 worker 8 4 to 17 8 26.7 %"]);
  t.match(even.balance, { verdict: "as expected", chiSquare: { degreesOfFreedom: 2 } });
  t.equal(even.balance?.jain.toFixed(3), "0.974");
  const idle = report(repeat(30, 2), choice(1, 2));
  t.strictSame(table(idle), ["web-1 worker 0 8 to 22 0 0.0 %", "web-2 worker 30 8 to 22 30 100.0 %"], "a pod with nothing is listed");
  t.match(reportText(idle).lines.at(-1), /default\/web:http, random: NOT as expected\. χ² = 30\.00, 1 degree of freedom/);
  t.end();
});

t.test("an Ingress is judged by requests: its own pods carry the connections", (t) => {
  const tally = new Tally();
  const connection = new Connection(0);
  tally.opened(connection);
  tally.attribute(connection, "127.244.9.9:80");
  for (const pod of [1, 2, 1, 2, 1]) {
    tally.sent++;
    tally.ended(connection, { type: "answered", latencyMs: 1, status: 200, endpoint: `127.244.1.${pod}:80` });
  }
  const turns: BalanceAnswer = { ...choice(1, 2), algorithm: "round_robin", per: "request" };
  const routed = report([], turns, turns, {
    result: { tally, durationMs: 100, unsent: 0, delayed: 0 },
    podOf: () => ({ pod: "ingress-nginx/c", node: "n" }),
  });
  t.strictSame(table(routed), ["web-1 worker 0 2 to 3 3 60.0 %", "web-2 worker 0 2 to 3 2 40.0 %", "ingress-nginx/c n 1 - 0 0.0 %"]);
  t.match(routed.balance, { per: "request", verdict: "as expected", why: /they differ by 1/ });
  t.equal(reportText(routed).header[3], "EXPECTED REQUESTS");
  t.end();
});

t.test("nothing is claimed of endpoints that changed or that nobody knows", (t) => {
  const changed = report([1, 1, 2, 3], choice(1, 2), choice(2, 3));
  t.strictSame(table(changed), ["web-1 worker 2 - 2 50.0 %", "web-2 worker 1 - 1 25.0 %", "web-3 worker 1 - 1 25.0 %"]);
  t.match(changed.balance, { verdict: "unknown", why: /endpoints changed during the run/ });
  const scaledUp = report([1, 1], choice(1), choice(1, 2));
  t.strictSame(
    table(scaledUp),
    ["web-1 worker 2 - 2 100.0 %", "web-2 worker 0 - 0 0.0 %"],
    "pods that came later and got nothing are listed",
  );
  const lost = report([1, 0], choice(1));
  t.strictSame(table(lost).at(-1), "(unknown) - 1 - 1 50.0 %");
  const direct = report([1], undefined);
  t.equal(direct.balance, null);
  t.match(reportText(direct).lines.at(-1), /^No Service chooses an endpoint here/);
  t.end();
});

t.test("errors, and requests that found no client", (t) => {
  const tally = tallyOf([1]);
  tally.sent += 2;
  tally.ended(undefined, { type: "failed", cause: "ECONNREFUSED" });
  tally.ended(undefined, { type: "failed", cause: "ECONNREFUSED" });
  const late = report([], choice(1), choice(1), { result: { tally, durationMs: 500, unsent: 7, delayed: 3 }, requestsPerSecond: 20 });
  const { lines } = reportText(late);
  t.match(lines[0], /^3 requests in 0\.50 s \(2\.0\/s\), 1 answered, 2 failed; 1 connection, one for each request$/);
  t.match(lines[1], /from the time each was due/);
  t.strictSame(lines.slice(2, 4), ["error: 2 × ECONNREFUSED", "7 requests due but never sent: every client was waiting (-c 4)"]);
  t.end();
});
