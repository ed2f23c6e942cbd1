import t from "tap";
import { compileLabelSelector, matchesFields, matchesSelectorMap, parseFieldSelector, parseLabelSelector } from "../../model/selectors.ts";

t.test("label selectors as text", (t) => {
  const labels = { app: "web", tier: "front", "example.com/x": "" };
  const rows: [selector: string, matches: boolean][] = [
    ["", true],
    ["app=web", true],
    ["app==web,tier=front", true],
    ["app=api", false],
    ["app!=api", true],
    ["missing!=x", true],
    ["app in (api, web)", true],
    ["app notin (api,web)", false],
    ["missing notin (x)", true],
    ["app", true],
    ["!app", false],
    ["!missing", true],
    ["example.com/x=", true],
    ["app in (web),tier notin (back),!z", true],
  ];
  for (const [selector, matches] of rows) t.equal(parseLabelSelector(selector)(labels), matches, selector);
  for (const selector of ["a=b=c", "a in b", "in (x)(", "=x", "a b"]) t.throws(() => parseLabelSelector(selector), { code: 400 }, selector);
  t.end();
});

t.test("label selectors as objects", (t) => {
  const labels = { a: "1" };
  t.notOk(compileLabelSelector(undefined)(labels), "none matches nothing");
  t.ok(compileLabelSelector({})(labels), "an empty one matches all");
  t.ok(compileLabelSelector({})(undefined));
  t.ok(compileLabelSelector({ matchLabels: { a: "1" }, matchExpressions: [{ key: "b", operator: "DoesNotExist" }] })(labels));
  t.notOk(compileLabelSelector({ matchExpressions: [{ key: "a", operator: "NotIn", values: ["1"] }] })(labels));
  t.ok(compileLabelSelector({ matchExpressions: [{ key: "a", operator: "Exists" }] })(labels));
  t.notOk(matchesSelectorMap({}, labels), "an empty map matches nothing");
  t.ok(matchesSelectorMap({ a: "1" }, labels));
  t.notOk(matchesSelectorMap({ a: "1" }, undefined));
  t.end();
});

t.test("field selectors", (t) => {
  const pod = { metadata: { name: "p" }, status: { phase: "Running" } };
  const rows: [selector: string, matches: boolean][] = [
    ["metadata.name=p", true],
    ["metadata.name==q", false],
    ["status.phase!=Failed,metadata.name=p", true],
    ["spec.nodeName=", true],
    ["spec.nodeName!=", false],
  ];
  for (const [selector, matches] of rows) t.equal(matchesFields(pod, parseFieldSelector(selector)), matches, selector);
  t.throws(() => parseFieldSelector("metadata.name"), { code: 400, message: "invalid selector: 'metadata.name'; can't understand 'metadata.name'" });
  t.end();
});
