// More connections than there are descriptors: new ones are reset and counted, people are told once, and it ends by itself.
import t from "tap";
import { Events } from "../../model/resources.ts";
import { app, dial, ending, socketOf, startRobust, textOf } from "./robust-cluster.ts";
import { until } from "../support/until.ts";
import { Swarm } from "./swarm.ts";

const BUDGET = 200;

t.test("beyond the budget, connections are reset until some close", async (t) => {
  const cluster = await startRobust(t, { descriptorBudget: BUDGET });
  await cluster.apply(app("line", "test/line"));
  // Asked only until it has started: a probe takes a descriptor, and would be the one too many at any moment.
  await cluster.apply(app("proc", "test/line-process").replace("readinessProbe", "startupProbe"));
  await cluster.ready();
  const at = await socketOf(cluster, "line");
  const piped = await socketOf(cluster, "proc");
  const warnings = (): readonly string[] =>
    cluster.store
      .list(Events)
      .flatMap(({ reason, count, type, involvedObject }) =>
        reason === "TooManyConnections" ? [`${type} ${involvedObject.kind}/${involvedObject.name} ${count}`] : [],
      );
  await using swarm = new Swarm();
  await using late = new Swarm();

  // What apply() holds to the API server counts too.
  const left = BUDGET - cluster.fabric.stats().descriptors.open;
  await swarm.run({ type: "open", ...at, purpose: "e", total: left, parallel: 20 });
  await until(() => cluster.fabric.stats().descriptors.open === BUDGET);
  t.strictSame(warnings(), [], "a full budget is not yet a problem");
  const established = await swarm.run({ type: "ask" });
  const kept = established.held;
  t.ok(kept > BUDGET - 20, `${kept} connections`);

  const { refused } = cluster.fabric.stats().descriptors;
  const refusals = await late.run({ type: "open", ...at, purpose: "e", total: 50, parallel: 10 });
  await until(() => cluster.fabric.stats().descriptors.refused >= refused + 50);
  let lost = await late.run({ type: "ask" });
  while (lost.held > 0) lost = await late.run({ type: "ask" });
  // A write that is under way when RST comes fails with EPIPE.
  const ends = Object.entries(refusals.failures).concat(Object.entries(lost.ended));
  t.strictSame(
    ends.filter(([how]) => how !== "ECONNRESET" && how !== "EPIPE"),
    [],
  );
  t.equal(
    ends.reduce((sum, [, times]) => sum + times, 0),
    50,
    "each of them is reset",
  );
  t.equal(await dial(piped, "n").then(ending, (error: NodeJS.ErrnoException) => error.code), "ECONNRESET", "to a process too");
  await cluster.settle();
  t.strictSame(warnings(), ["Warning Node/loopkube-control-plane 1"], "one Event for all of them");
  t.match(await swarm.run({ type: "ask" }), { held: kept, failures: {} }, "those that are established live on");

  await swarm.run({ type: "drop", reset: false });
  await until(() => cluster.fabric.stats().live === 0);
  for (const where of [at, piped]) t.match(await textOf(await dial(where, "n")), /-/, "new ones are served again");

  await swarm.run({ type: "open", ...at, purpose: "e", total: BUDGET + 30, parallel: 20 });
  await until(() => warnings()[0]?.endsWith(" 2") ?? false);
  t.equal(warnings().length, 1, "the next time is counted on the same Event");
});
