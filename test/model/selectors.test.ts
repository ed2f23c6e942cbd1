import t from "tap";
import { compileLabelSelector, matchesFields, matchesSelectorMap, parseFieldSelector, parseLabelSelector } from "../../model/selectors.ts";

t.test("label selectors as text", (t) => {
  const labels = { app: "web", tier: "front", n: "7", "example.com/x": "" };
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
    ["app notin (,web)", false],
    ["example.com/x in (,)", true],
    ["n>3", true],
    ["n < 12", true],
    ["n>12", false],
    ["app>3", false],
    [" app = web , tier ", true],
  ];
  for (const [selector, matches] of rows) t.equal(parseLabelSelector(selector)(labels), matches, selector);
  t.end();
});

t.test("what is wrong with a selector, in upstream's words", (t) => {
  const requirement = (detail: string): string => `unable to parse requirement: ${detail}`;
  const rows: readonly (readonly [selector: string, message: string | RegExp])[] = [
    ["a=b=c", "found '=', expected: ',' or 'end of string'"],
    ["a in b", requirement("found 'b' expected: '('")],
    ["a in (b", requirement("found '', expected: ',' or ')'")],
    ["in (x)(", requirement("found '(', expected: in, notin, =, ==, !=, gt, lt")],
    ["=x", "found '=', expected: !, identifier, or 'end of string'"],
    ["a b", requirement("found 'b', expected: in, notin, =, ==, !=, gt, lt")],
    ["a,", "found '', expected: identifier after ','"],
    ["a=!", requirement("found '!', expected: identifier")],
    ["!", requirement("found '', expected: identifier")],
    ["a in ()", requirement(`values: Invalid value: "": for 'in', 'notin' operators, values set can't be empty`)],
    ["a>b", requirement(`values[0]: Invalid value: "b": for 'Gt', 'Lt' operators, the value must be an integer`)],
    ["a=-b", /^unable to parse requirement: values\[0\]\[a\]: Invalid value: "-b": a valid label must be an empty string or consist of /],
    ["a_=b", /^unable to parse requirement: <nil>: Invalid value: "a_": name part must consist of /],
  ];
  for (const [selector, message] of rows) t.throws(() => parseLabelSelector(selector), { code: 400, message }, selector);
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
  t.throws(() => parseFieldSelector("metadata.name"), {
    code: 400,
    message: "invalid selector: 'metadata.name'; can't understand 'metadata.name'",
  });
  t.end();
});
