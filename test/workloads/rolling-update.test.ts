import t from "tap";
import type { Deployment, ReplicaSet } from "../../model/kinds/apps-v1.ts";
import { fenceposts, proportionalScale, rollingStep } from "../../workloads/controllers/rolling-update.ts";
import { deployment } from "./support.ts";

/** `name size/available` as a ReplicaSet; `max` is its max-replicas annotation. */
function set(text: string, max = 0): ReplicaSet {
  const [, name = "", size = "0", available = "0"] = /^(\S+) (\d+)\/(\d+)$/.exec(text) ?? [];
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      name,
      creationTimestamp: `2025-01-01T00:00:0${name.length}Z`,
      annotations: { "deployment.kubernetes.io/max-replicas": String(max) },
    },
    spec: { replicas: Number(size), selector: {} },
    status: { replicas: Number(size), availableReplicas: Number(available) },
  };
}

const of = (replicas: number, maxSurge: number | string, maxUnavailable: number | string): Deployment =>
  deployment("d", replicas, { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge, maxUnavailable } } });
const text = (steps: readonly { set: ReplicaSet; replicas: number }[]): string =>
  steps.map((step) => `${step.set.metadata.name}=${step.replicas}`).join(" ");

t.test("surge rounds up, unavailable down, and never both to nothing", (t) => {
  const rows = [
    [10, "25%", "25%", 3, 2],
    [1, "25%", "25%", 1, 0],
    [4, 0, 0, 0, 1],
    [3, 1, 5, 1, 3],
    [0, "25%", "25%", 0, 0],
  ] as const;
  for (const [replicas, surge, unavailable, maxSurge, maxUnavailable] of rows) {
    t.same(fenceposts(of(replicas, surge, unavailable)), { maxSurge, maxUnavailable }, `${replicas} ${surge} ${unavailable}`);
  }
  t.end();
});

t.test("steps of a rolling update", (t) => {
  const rows: readonly (readonly [what: string, deployment: Deployment, newSet: string, old: readonly string[], steps: string])[] = [
    ["grow within the surge", of(10, 3, 2), "new 0/0", ["o 10/10"], "new=3"],
    ["then shrink what availability allows", of(10, 3, 2), "new 3/0", ["o 10/10"], "o=8"],
    ["grow again", of(10, 3, 2), "new 3/3", ["o 8/8"], "new=5"],
    ["unhealthy old pods go first", of(10, 0, 2), "new 0/0", ["o 10/8"], "o=8"],
    ["oldest set first", of(4, 1, 1), "new 2/2", ["o 1/1", "oo 2/2"], "o=0 oo=1"],
    ["nothing while the new ones are not available", of(4, 1, 0), "new 1/0", ["o 4/4"], ""],
    ["done", of(4, 1, 1), "new 4/4", ["o 0/0"], ""],
    ["a smaller Deployment", of(2, 1, 1), "new 4/4", [], "new=2"],
  ];
  for (const [what, wanted, newSet, old, steps] of rows)
    t.equal(
      text(
        rollingStep(
          wanted,
          set(newSet),
          old.map((line) => set(line)),
        ),
      ),
      steps,
      what,
    );
  t.end();
});

t.test("scaling in the middle of a rollout shares the change in proportion", (t) => {
  // The example of the Deployment concept page: 10 replicas, surge 3, 8 old and 5 new, scaled to 15.
  t.equal(text(proportionalScale(of(15, 3, 2), set("new 5/0", 13), [set("o 8/8", 13)])), "o=11 new=7");
  t.equal(text(proportionalScale(of(5, 1, 1), set("new 3/3"), [set("o 0/0")])), "new=5");
  t.equal(text(proportionalScale(of(0, 1, 1), set("new 3/3", 4), [set("o 1/1", 4)])), "new=0 o=0");
  t.end();
});
