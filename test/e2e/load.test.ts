// `loopkube load` as a user types it, against a running cluster: counts are exact and shares add up, whichever way it goes.
import t, { type Test } from "tap";
import { missingPrograms } from "../support/command.ts";
import { type RunningCluster, startLoopkube } from "../support/running-cluster.ts";
import type { LoadReport } from "../../lab/index.ts";

async function report(t: Test, cluster: RunningCluster, args: string): Promise<LoadReport> {
  const output = await cluster.sh(`loopkube load ${args} -o json`);
  t.equal(output.code, 0, args, { ...output });
  return JSON.parse(output.stdout) as LoadReport;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

t.test("load", { skip: missingPrograms("kubectl") }, async (t) => {
  const cluster = await startLoopkube(t, "--demo --seed 7");
  const rows: readonly (readonly [args: string, requests: number, connections: number])[] = [
    ["http://shop -n 300 --no-keepalive", 300, 300],
    ["http://shop -n 200 -c 5", 200, 5],
    [`http://${cluster.status.nodes[1]?.ip}:30080/ -n 90 -c 3 --no-keepalive`, 90, 90],
    ["http://shop --from pod/client-0 -n 60 --no-keepalive", 60, 60],
    ["http://shop --from pod/client-0 -n 60 -c 2", 60, 2],
    ["http://shop-pods -n 40 --no-keepalive", 40, 40],
    ["http://shop --rps 20 --for 1s -c 4", 20, 4],
  ];
  for (const [args, requests, connections] of rows) {
    const { endpoints, ...run } = await report(t, cluster, args);
    t.match(run, { requests: { sent: requests, answered: requests, failed: 0, unsent: 0 }, connections, errors: {} }, args);
    t.equal(sum(endpoints.map((each) => each.requests)), requests, "every request has its pod");
    t.equal(sum(endpoints.map((each) => each.connections)), connections, "every connection has its pod");
    t.equal(sum(endpoints.map((each) => each.share)).toFixed(9), "1.000000000");
    t.ok(endpoints.length === 3 && endpoints.every((each) => each.pod.startsWith("default/shop-")), "pods are named");
  }

  const fair = await report(t, cluster, "http://shop -n 300 --no-keepalive");
  t.match(fair.balance, {
    service: "default/shop:http",
    algorithm: "random",
    verdict: "as expected",
    chiSquare: { degreesOfFreedom: 2, reliable: true },
  });
  t.strictSame(
    fair.endpoints.map(({ expected }) => expected),
    [1, 2, 3].map(() => ({ low: 79, high: 121 })),
  );

  const pinned = await report(t, cluster, "http://shop -n 50 -c 1");
  t.strictSame(
    pinned.endpoints.map((each) => each.requests).sort((a, b) => a - b),
    [0, 0, 50],
    "one connection, one pod",
  );

  const ingress = await report(
    t,
    cluster,
    `${cluster.status.ingress.http.replace(/^(http:\/\/)?/, "http://")} -H 'Host: shop.example' -n 60 -c 2`,
  );
  const shops = ingress.endpoints.filter((each) => each.pod.startsWith("default/shop-"));
  t.strictSame(
    shops.map((each) => each.requests),
    [20, 20, 20],
    "the Ingress takes turns by request",
  );
  t.strictSame(
    shops.map((each) => each.expected),
    [1, 2, 3].map(() => ({ low: 20, high: 20 })),
  );
  t.match(ingress.balance, { service: "default/shop:80", algorithm: "round_robin", per: "request", verdict: "as expected" });

  t.equal((await cluster.sh('kubectl patch service shop -p \'{"spec":{"sessionAffinity":"ClientIP"}}\'')).code, 0);
  const sticky = await report(t, cluster, "http://shop -n 60 --no-keepalive");
  t.match(sticky.balance, { affinitySeconds: 10800, verdict: "as expected" });
  t.strictSame(
    sticky.endpoints.map((each) => each.connections).sort((a, b) => a - b),
    [0, 0, 60],
    "affinity",
  );

  const refused = await cluster.sh(
    "kubectl scale deployment shop --replicas=0 && kubectl wait --for=delete pod -l app=shop --timeout=60s; loopkube load http://shop -n 20 -o json",
  );
  t.equal(refused.code, 1, "no answer at all is a failure", { ...refused });
  t.match(JSON.parse(refused.stdout.slice(refused.stdout.indexOf("{"))), {
    requests: { sent: 20, answered: 0 },
    errors: { ECONNREFUSED: 20 },
    connections: 0,
  });

  const table = await cluster.sh("loopkube load http://cart -n 100 --no-keepalive");
  t.match(
    table.stdout,
    /^POD +NODE +CONNECTIONS +EXPECTED \(99 %\) +REQUESTS +SHARE[\s\S]*cart-\S+ +\S+ +\d+ +37 to 63[\s\S]*default\/cart:http, random: as expected\. χ² = /,
    "the table",
    { ...table },
  );
  const refusals: readonly (readonly [args: string, stderr: RegExp])[] = [
    ["http://nosuch", /^error: nosuch: \w+ in the cluster's DNS\n {2}why: loopkube explain --to http:\/\/nosuch\/\n$/],
    ["https://shop", /^error: "https:\/\/shop" is no http URL\n$/],
    ["http://shop --from pod/nosuch", /pods "nosuch" not found/],
    ["http://shop --for 10", /not a duration such as 500ms, 10s or 2m/],
    ["http://shop -c 0", /not a whole number from 1 to 10000/],
    ["http://shop -H nonsense", /not a header/],
  ];
  for (const [args, stderr] of refusals) {
    const output = await cluster.sh(`loopkube load ${args}`);
    t.equal(output.code, 1, args, { ...output });
    t.match(output.stderr, stderr, args);
  }
});
