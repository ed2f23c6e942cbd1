// Rows of k8s.io/endpointslice/util/trigger_time_tracker_test.go: each row is a history of syncs, `service pod=time …`, and what they tell.
import t from "tap";
import type { Pod, Service } from "../../model/kinds/core-v1.ts";
import { TriggerTimes } from "../../services/trigger-times.ts";

const at = (second: string): string => `2025-01-01T00:00:0${second}Z`;
const service = (created: string): Service => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { namespace: "ns", name: "svc", creationTimestamp: at(created) },
  spec: {},
});
const pod = (text: string): Pod => {
  const [name = "", since = ""] = text.split("=");
  const conditions = since === "" ? [] : [{ type: "Ready", status: "True", lastTransitionTime: at(since) }];
  return { apiVersion: "v1", kind: "Pod", metadata: { namespace: "ns", name }, spec: { containers: [] }, status: { conditions } };
};

const ROWS: readonly (readonly [name: string, syncs: string, expected: string])[] = [
  ["a new Service without pods", "0", "0"],
  ["an old Service without pods", "0, 0", "0 -"],
  ["pods that were there before a new Service", "5 a=0 b=1 c=7", "5"],
  ["a pod is added", "0 a=1, 0 a=1 b=2", "0 2"],
  ["a pod is removed", "0 a=1 b=2, 0 a=1", "0 -"],
  ["two pods are added at once", "0 a=1, 0 a=1 b=3 c=2", "0 2"],
  ["a pod changes", "0 a=1 b=2, 0 a=1 b=5", "0 5"],
  ["a pod goes back in time", "0 a=4, 0 a=2", "0 -"],
  ["two pods change in two syncs", "0 a=1 b=1, 0 a=2 b=1, 0 a=2 b=3", "0 2 3"],
  ["a pod without a time", "0, 0 a", "0 -"],
  ["a pod that was gone comes back", "0 a=1, 0, 0 a=1", "0 - 1"],
  ["the Service is deleted and made anew", "0 a=1, gone, 3 a=1", "0 3"],
  ["the Service is made anew unseen", "0 a=1, 3 a=1", "0 3"],
];
for (const [name, syncs, expected] of ROWS) {
  const times = new TriggerTimes();
  const told = syncs.split(", ").flatMap((sync) => {
    if (sync === "gone") {
      times.forget("ns/svc");
      return [];
    }
    const [created = "", ...pods] = sync.split(" ");
    return [times.take(service(created), pods.map(pod)) ?? "-"];
  });
  const wanted = expected.split(" ").map((text) => (text === "-" ? text : at(text)));
  t.same(told, wanted, name);
}
