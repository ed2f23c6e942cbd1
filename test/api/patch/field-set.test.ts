import fc from "fast-check";
import t from "tap";
import { FieldSet, pathText } from "../../../api/patch/field-set.ts";

const path = fc.array(fc.constantFrom("f:a", "f:b", 'k:{"name":"x"}', 'v:"y"', "i:0"), { minLength: 1, maxLength: 4 });
const sets = fc.array(path, { maxLength: 6 }).map(setOf);

function setOf(paths: readonly (readonly string[])[]): FieldSet {
  const set = new FieldSet();
  for (const item of paths) set.insert(item);
  return set;
}
const texts = (set: FieldSet): string[] => [...set.paths()].map((item) => item.join("/"));

t.test("the algebra is that of sets of paths", (t) => {
  fc.assert(
    fc.property(sets, sets, (a, b) => {
      const [left, right] = [new Set(texts(a)), new Set(texts(b))];
      t.same(texts(a.union(b)).sort(), [...new Set([...left, ...right])].sort());
      t.same(texts(a.intersection(b)).sort(), [...left].filter((item) => right.has(item)).sort());
      t.same(texts(a.difference(b)).sort(), [...left].filter((item) => !right.has(item)).sort());
      t.equal(a.isEmpty, left.size === 0);
      return a.equals(FieldSet.fromJson(JSON.parse(JSON.stringify(a.toJson()))));
    }),
    { numRuns: 100, seed: 7 },
  );
  t.end();
});

t.test("fieldsV1 form", (t) => {
  const set = setOf([
    ["f:spec", "f:ports", 'k:{"port":80}'],
    ["f:spec", "f:ports", 'k:{"port":80}', "f:port"],
    ["f:metadata", "f:labels", "f:a"],
  ]);
  t.same(set.toJson(), {
    "f:metadata": { "f:labels": { "f:a": {} } },
    "f:spec": { "f:ports": { 'k:{"port":80}': { ".": {}, "f:port": {} } } },
  });
  t.same(Object.keys(set.toJson()), ["f:metadata", "f:spec"], "sorted");
  t.ok(FieldSet.fromJson({ nonsense: 1, ".": {} }).isEmpty);
  t.ok(FieldSet.fromJson("x").isEmpty);
  t.end();
});

t.test("paths as people read them", (t) => {
  const rows: [path: string[], text: string][] = [
    [["f:spec", "f:replicas"], ".spec.replicas"],
    [["f:spec", "f:ports", 'k:{"port":80,"protocol":"TCP"}', "f:name"], '.spec.ports[port=80,protocol="TCP"].name'],
    [["f:metadata", "f:finalizers", 'v:"x"'], '.metadata.finalizers[="x"]'],
    [["f:a", "i:3"], ".a[3]"],
  ];
  for (const [item, text] of rows) t.equal(pathText(item), text);
  t.end();
});

t.test("without takes what lies below, difference does not", (t) => {
  const all = setOf([["f:status"], ["f:status", "f:replicas"], ["f:spec"]]);
  t.same(texts(all.without(setOf([["f:status"]]))), ["f:spec"]);
  t.same(texts(all.difference(setOf([["f:status"]]))), ["f:spec", "f:status/f:replicas"]);
  t.end();
});
