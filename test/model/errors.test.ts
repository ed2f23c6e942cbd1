import t from "tap";
import {
  alreadyExists,
  assertNever,
  conflict,
  expired,
  type FieldError,
  fieldErrorText,
  forbidden,
  invalid,
  isStatus,
  notFound,
} from "../../model/errors.ts";
import { Deployments, Pods } from "../../model/resources.ts";

t.test("messages and codes", (t) => {
  const rows: [error: ReturnType<typeof notFound>, code: number, message: string][] = [
    [notFound(Pods, "p"), 404, 'pods "p" not found'],
    [notFound(Deployments, "d"), 404, 'deployments.apps "d" not found'],
    [alreadyExists(Deployments, "d"), 409, 'deployments.apps "d" already exists'],
    [
      conflict(Pods, "p"),
      409,
      'Operation cannot be fulfilled on pods "p": the object has been modified; please apply your changes to the latest version and try again',
    ],
    [forbidden(Pods, "p", "no"), 403, 'pods "p" is forbidden: no'],
    [expired("too old resource version: 1 (2)"), 410, "too old resource version: 1 (2)"],
  ];
  for (const [error, code, message] of rows)
    t.match(error, { code, message, status: { kind: "Status", status: "Failure", code, message } });
  t.same(notFound(Deployments, "d").status.details, { name: "d", group: "apps", kind: "deployments" });
  t.ok(isStatus(notFound(Pods, "p"), "NotFound"));
  t.notOk(isStatus(new Error("x"), "NotFound"));
  t.throws(() => assertNever("x" as never), { message: 'unexpected value "x"' });
  t.end();
});

t.test("field errors", (t) => {
  const rows: [error: FieldError, text: string][] = [
    [{ type: "Required", field: "spec.ports" }, "spec.ports: Required value"],
    [{ type: "Invalid", field: "a", value: "x", detail: "no" }, 'a: Invalid value: "x": no'],
    [{ type: "Duplicate", field: "a", value: 3 }, "a: Duplicate value: 3"],
    [{ type: "NotSupported", field: "a", value: "x", supported: ["y", "z"] }, 'a: Unsupported value: "x": supported values: "y", "z"'],
    [{ type: "Forbidden", field: "a", detail: "no" }, "a: Forbidden: no"],
  ];
  for (const [error, text] of rows) t.equal(fieldErrorText(error), text);
  const errors: FieldError[] = rows.slice(0, 2).map(([error]) => error);
  const two = invalid(Deployments, "d", errors);
  t.equal(two.message, 'Deployment.apps "d" is invalid: [spec.ports: Required value, a: Invalid value: "x": no]');
  t.same(two.status.details?.causes?.[1], { reason: "FieldValueInvalid", message: 'Invalid value: "x": no', field: "a" });
  t.equal(invalid(Pods, "p", errors.slice(0, 1)).message, 'Pod "p" is invalid: spec.ports: Required value');
  t.end();
});
