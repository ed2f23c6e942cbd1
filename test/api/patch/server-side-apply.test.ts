import t from "tap";
import { isStatus, StatusError } from "../../../model/errors.ts";
import type { JsonObject } from "../../../model/object.ts";
import { Deployments, Services } from "../../../model/resources.ts";
import { applyDefaults } from "../../../model/schema/index.ts";
import { applyPatch, trackCreate, trackUpdate } from "../../../api/patch/index.ts";

const now = "2025-01-01T00:00:00Z";
const later = "2025-01-01T01:00:00Z";
const utf8 = (value: unknown): Uint8Array => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));

const web = (spec: JsonObject = {}, container: JsonObject = {}): JsonObject => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "web", labels: { app: "web" } },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: "web" } },
    template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "nginx", image: "nginx", ...container }] } },
    ...spec,
  },
});

interface Apply {
  readonly object: JsonObject;
  readonly current?: JsonObject;
  readonly manager?: string;
  readonly force?: boolean;
  readonly at?: string;
}

function apply({ object, current, manager = "kubectl", force = false, at = now }: Apply): JsonObject {
  return applyPatch({
    type: Deployments,
    contentType: "application/apply-patch+yaml",
    patch: utf8(object),
    current,
    name: "web",
    namespace: "default",
    manager,
    now: at,
    force,
  }).object;
}

/** `manager operation time: {fields}` a line. */
function owners(object: JsonObject): string[] {
  const { managedFields = [] } = object["metadata"] as { managedFields?: readonly Record<string, unknown>[] };
  return managedFields.map(
    (e) => `${String(e["manager"])} ${String(e["operation"])} ${String(e["time"]).slice(11, 16)}: ${JSON.stringify(e["fieldsV1"])}`,
  );
}

const at = (object: JsonObject, ...path: readonly (string | number)[]): unknown =>
  path.reduce<unknown>(
    (value, key) => (typeof value === "object" && value !== null ? (value as Record<string | number, unknown>)[key] : undefined),
    object,
  );

t.test("an apply that creates owns exactly what it says", (t) => {
  const made = apply({ object: web() });
  t.same(owners(made), [
    'kubectl Apply 00:00: {"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:replicas":{},"f:selector":{},"f:template":{"f:metadata":{"f:labels":{"f:app":{}}},' +
      '"f:spec":{"f:containers":{"k:{\\"name\\":\\"nginx\\"}":{".":{},"f:image":{},"f:name":{}}}}}}}',
  ]);
  t.equal(at(made, "spec", "progressDeadlineSeconds"), 600);
  t.equal(at(made, "metadata", "namespace"), "default");
  t.end();
});

t.test("the same apply again changes nothing, times included", (t) => {
  const made = apply({ object: web() });
  t.same(apply({ object: web(), current: made, at: later }), made);
  t.end();
});

t.test("a conflict names manager, version and field; force takes the field", (t) => {
  const created = trackCreate(defaulted(web()), { type: Deployments, manager: "kubectl-client-side-apply", now });
  const scaled = web({ replicas: 3 });
  try {
    apply({ object: scaled, current: created, manager: "other" });
    t.fail("no conflict");
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    t.ok(isStatus(error, "Conflict"));
    t.equal(error.message, 'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas');
    t.same(error.status.details?.causes, [
      { reason: "FieldManagerConflict", message: 'conflict with "kubectl-client-side-apply" using apps/v1', field: ".spec.replicas" },
    ]);
  }
  const forced = apply({ object: scaled, current: created, manager: "other", force: true, at: later });
  t.equal(at(forced, "spec", "replicas"), 3);
  t.notMatch(
    owners(forced).find((line) => line.startsWith("kubectl-client-side-apply")),
    /f:replicas/,
  );
  t.match(
    owners(forced).find((line) => line.startsWith("other Apply 01:00")),
    /f:replicas/,
  );
  t.end();
});

t.test("several conflicts are listed by manager", (t) => {
  const first = apply({ object: web({}, { imagePullPolicy: "Always" }), manager: "a" });
  try {
    apply({ object: web({ replicas: 2 }, { image: "httpd" }), current: first, manager: "b" });
    t.fail("no conflict");
  } catch (error) {
    t.equal(
      error instanceof StatusError && error.message,
      'Apply failed with 2 conflicts: conflicts with "a":\n- .spec.replicas\n- .spec.template.spec.containers[name="nginx"].image',
    );
  }
  t.end();
});

t.test("what is applied no longer is removed, unless another manager owns it", (t) => {
  const args = { args: ["-v"], env: [{ name: "A", value: "1" }] };
  const first = apply({ object: web({ paused: true }, args) });
  const second = apply({ object: web({ paused: true }), current: first, manager: "b" });
  const third = apply({ object: web(), current: second, at: later });
  t.equal(at(third, "spec", "paused"), true, "b still owns paused");
  t.same(at(third, "spec", "template", "spec", "containers", 0, "args"), undefined);
  t.same(at(third, "spec", "template", "spec", "containers", 0, "env"), undefined);
  t.end();
});

t.test("items of a map list are owned one by one", (t) => {
  const sidecar = { spec: { containers: [{ name: "side", image: "busybox" }] } };
  const bare = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web" } };
  const first = apply({ object: web() });
  const second = apply({ object: { ...bare, spec: { template: sidecar } }, current: first, manager: "b" });
  t.same(
    (at(second, "spec", "template", "spec", "containers") as { name: string }[]).map((c) => c.name),
    ["nginx", "side"],
  );
  const third = apply({ object: { ...bare, spec: {} }, current: second, manager: "b" });
  t.same(
    (at(third, "spec", "template", "spec", "containers") as { name: string }[]).map((c) => c.name),
    ["nginx"],
  );
  t.end();
});

t.test("updates move ownership of what they change", (t) => {
  const first = apply({ object: web() });
  const changed = defaulted({ ...first, spec: { ...(first["spec"] as JsonObject), replicas: 5 } });
  const updated = trackUpdate(changed, first, { type: Deployments, manager: "kubectl-edit", now: later });
  t.match(owners(updated)[0], /^kubectl Apply 00:00/);
  t.notMatch(owners(updated)[0], /f:replicas/);
  t.equal(owners(updated)[1], 'kubectl-edit Update 01:00: {"f:spec":{"f:replicas":{}}}');
  t.same(trackUpdate(updated, updated, { type: Deployments, manager: "x", now: later }), updated, "no change, no entry");
  t.end();
});

t.test("a status write owns status only, under its subresource", (t) => {
  const first = apply({ object: web() });
  const written = { ...first, status: { replicas: 2 } };
  const updated = trackUpdate(written, first, { type: Deployments, manager: "ctl", subresource: "status", now: later });
  const entries = at(updated, "metadata", "managedFields") as Record<string, unknown>[];
  t.match(entries[1], { manager: "ctl", subresource: "status", fieldsV1: { "f:status": { "f:replicas": {} } } });
  t.end();
});

t.test("refusals", (t) => {
  const rows: [name: string, object: JsonObject, message: string][] = [
    [
      "undeclared field",
      web({ foo: 1 }),
      "failed to create typed patch object (default/web; apps/v1, Kind=Deployment): .spec.foo: field not declared in schema",
    ],
    [
      "wrong type",
      web({ replicas: "x" }),
      "failed to create typed patch object (default/web; apps/v1, Kind=Deployment): .spec.replicas: expected numeric (int or float), got string",
    ],
    [
      "duplicate items",
      web({ template: { spec: { containers: [{ name: "a" }, { name: "a" }] } } }),
      'failed to create typed patch object (default/web; apps/v1, Kind=Deployment): .spec.template.spec.containers: duplicate entries for key [name="a"]',
    ],
    [
      "item without key",
      web({ template: { spec: { containers: [{ image: "a" }] } } }),
      'failed to create typed patch object (default/web; apps/v1, Kind=Deployment): .spec.template.spec.containers: element 0: associative list with keys has an element that omits key field "name" (and doesn\'t have default value)',
    ],
    ["managedFields", { ...web(), metadata: { name: "web", managedFields: [] } }, "metadata.managedFields must be nil"],
    [
      "version",
      { ...web(), apiVersion: "apps/v2" },
      "Incorrect version specified in apply patch. Specified patch version: apps/v2, expected: apps/v1",
    ],
  ];
  for (const [name, object, message] of rows) {
    try {
      apply({ object });
      t.fail(name);
    } catch (error) {
      t.equal(error instanceof Error && error.message, message, name);
    }
  }
  t.end();
});

t.test("an object that nobody tracked is owned by before-first-apply", (t) => {
  const live = defaulted(web());
  t.throws(() => apply({ object: web({ replicas: 2 }), current: live }), {
    message: /conflict with "before-first-apply" using apps\/v1: .spec.replicas/,
  });
  const same = apply({ object: web(), current: live });
  t.match(owners(same), [/^kubectl Apply/, /^before-first-apply Update/]);
  t.end();
});

t.test("service ports are keyed by port and protocol, with the protocol's default", (t) => {
  const { object } = applyPatch({
    type: Services,
    contentType: "application/apply-patch+yaml",
    patch: utf8("apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  ports:\n  - port: 80\n"),
    current: undefined,
    name: "web",
    namespace: "default",
    manager: "m",
    now,
  });
  t.match(owners(object)[0], /k:{\\"port\\":80,\\"protocol\\":\\"TCP\\"}/);
  t.end();
});

function defaulted(object: JsonObject): JsonObject {
  const copy = structuredClone(object);
  applyDefaults(Deployments, copy as never);
  return copy;
}
