// Subresources over HTTP: status, scale, binding, eviction, log and ephemeral containers.
import t from "tap";
import { Pods } from "../../model/resources.ts";
import { APPS, CORE, deployment, pod } from "./example-objects.ts";
import { startApi } from "./in-process-api.ts";

t.test("status and scale", async (t) => {
  const { call } = await startApi(t);
  await call("POST", `${APPS}/deployments`, { body: deployment("web") });
  const merge = { headers: { "content-type": "application/merge-patch+json" } };
  const status = await call("PATCH", `${APPS}/deployments/web/status`, {
    ...merge,
    body: { status: { replicas: 1 }, spec: { replicas: 9 } },
  });
  t.match(status.json, { status: { replicas: 1 }, spec: { replicas: 2 } }, "spec is not changed through status");
  t.match((await call("GET", `${APPS}/deployments/web/scale`)).json, {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name: "web", namespace: "default" },
    spec: { replicas: 2 },
    status: { replicas: 1, selector: "app=web" },
  });
  t.match((await call("PATCH", `${APPS}/deployments/web/scale`, { ...merge, body: { spec: { replicas: 5 } } })).json, {
    spec: { replicas: 5 },
  });
  const scale = { metadata: { name: "web", namespace: "default" }, spec: { replicas: 0 } };
  t.match((await call("PUT", `${APPS}/deployments/web/scale`, { body: scale })).json, { spec: { replicas: 0 } });
  t.match((await call("GET", `${APPS}/deployments/web`)).json, { spec: { replicas: 0 }, metadata: { generation: 3 } });
  t.match((await call("PUT", `${APPS}/deployments/web/scale`, { body: { ...scale, spec: { replicas: -1 } } })).json, {
    code: 422,
    message: 'Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
  });
  const applied = (replicas: unknown, kind = "Scale"): object => ({
    apiVersion: "autoscaling/v1",
    kind,
    metadata: { name: "web" },
    spec: { replicas },
  });
  const apply = async (body: object, query = "") =>
    (
      await call("PATCH", `${APPS}/deployments/web/scale?fieldManager=autoscaler${query}`, {
        body,
        headers: { "content-type": "application/apply-patch+yaml" },
      })
    ).json;
  t.match(await apply(applied(8)), { code: 409, message: /^Apply failed with 1 conflict: conflict with [^]*: \.spec\.replicas$/ });
  t.match(await apply(applied(8), "&force=true"), { kind: "Scale", spec: { replicas: 8 } });
  const owner = { manager: "autoscaler", operation: "Apply", subresource: "scale", fieldsV1: { "f:spec": { "f:replicas": {} } } };
  const managed = (await call("GET", `${APPS}/deployments/web`)).json["metadata"]?.["managedFields"] as unknown as readonly {
    readonly manager: string;
  }[];
  t.match(
    managed.find(({ manager }) => manager === "autoscaler"),
    owner,
  );
  t.match(await apply(applied(9)), { spec: { replicas: 9 } }, "its own field");
  t.match(await apply(applied("many")), { status: "Failure" });
  t.match(await apply(applied(1, "Deployment")), { code: 400, message: /^Incorrect kind specified in apply patch/ });
  t.match(await apply(applied(-1)), { code: 422 });
  t.equal((await call("DELETE", `${APPS}/deployments/web/scale`)).status, 405);
});

t.test("binding, eviction, logs", async (t) => {
  const { call, store } = await startApi(t);
  await call("POST", `${CORE}/pods`, { body: pod("p") });
  t.match(store.get(Pods, "default", "p"), {
    spec: { serviceAccountName: "default", priority: 0, tolerations: [{ key: "node.kubernetes.io/not-ready" }, {}] },
  });
  const placed = { ...store.get(Pods, "default", "p"), spec: { ...store.get(Pods, "default", "p")?.spec, nodeName: "n1" } };
  t.match(
    (await call("PUT", `${CORE}/pods/p`, { body: placed })).json,
    { code: 422, message: /- nodeName: nil\n\+ nodeName: "n1"/ },
    "only by binding",
  );
  const { revision } = store;
  const binding = { apiVersion: "v1", kind: "Binding", metadata: { name: "p" }, target: { kind: "Node", name: "n1" } };
  t.match((await call("POST", `${CORE}/pods/p/binding`, { body: binding })).json, { kind: "Status", status: "Success", code: 201 });
  t.match(store.get(Pods, "default", "p"), {
    spec: { nodeName: "n1" },
    status: { conditions: [{ type: "PodScheduled", status: "True" }] },
  });
  t.equal(store.revision, revision + 1, "in one write");
  t.match((await call("POST", `${CORE}/pods/p/binding`, { body: binding })).json, {
    code: 409,
    message: 'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1"',
  });
  t.equal((await call("GET", `${CORE}/pods/p/log`)).text, "p/c\n");
  t.equal((await call("POST", `${CORE}/pods/p/exec?command=ls`)).status, 400, "exec without an upgrade");
  const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: "p", namespace: "default" } };
  t.match((await call("POST", `${CORE}/pods/p/eviction`, { body: eviction })).json, { kind: "Status", status: "Success", code: 201 });
  t.match(store.get(Pods, "default", "p"), { metadata: { deletionTimestamp: String } });
  const killed = await call("DELETE", `${CORE}/pods/p?gracePeriodSeconds=0`);
  t.match(killed.json, { kind: "Pod", metadata: { name: "p" } });
  t.notOk(store.get(Pods, "default", "p"));
  const absent = { ...pod("q"), spec: { serviceAccountName: "robot", containers: [{ name: "c", image: "nginx" }] } };
  t.match((await call("POST", `${CORE}/pods`, { body: absent })).json, {
    code: 403,
    message: 'pods "q" is forbidden: error looking up service account default/robot: serviceaccount "robot" not found',
  });
});

t.test("ephemeral containers", async (t) => {
  const { call, store } = await startApi(t);
  await call("POST", `${CORE}/pods`, { body: pod("p") });
  const headers = { "content-type": "application/strategic-merge-patch+json" };
  const add = (name: string): object => ({ spec: { ephemeralContainers: [{ name, image: "busybox", targetContainerName: "c" }] } });
  const patch = async (body: object) => (await call("PATCH", `${CORE}/pods/p/ephemeralcontainers`, { body, headers })).json;
  t.match(await patch(add("d")), { kind: "Pod", spec: { ephemeralContainers: [{ name: "d", imagePullPolicy: "Always" }] } });
  t.match(await patch({ ...add("e"), metadata: { labels: { a: "b" } } }), {
    spec: { ephemeralContainers: [{ name: "d" }, { name: "e" }] },
  });
  t.notOk(store.get(Pods, "default", "p")?.metadata.labels, "nothing but the ephemeral containers changes");
  t.match(await patch(add("c")), { code: 422, message: 'Pod "p" is invalid: spec.ephemeralContainers[2].name: Duplicate value: "c"' });
  t.match((await call("GET", `${CORE}/pods/p/ephemeralcontainers`)).json, { kind: "Pod" });
  t.equal((await call("DELETE", `${CORE}/pods/p/ephemeralcontainers`)).status, 405);
});
