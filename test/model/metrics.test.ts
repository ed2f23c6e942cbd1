// The Prometheus text: sorted families and series, cumulative buckets, escaped labels.
import t from "tap";
import { exponentialBuckets, linearBuckets, MetricRegistry } from "../../model/metrics.ts";

t.test("text", async (t) => {
  const registry = new MetricRegistry([
    { name: "b_seconds", type: "histogram", help: "Durations", buckets: [0.1, 1] },
    { name: "a_total", type: "counter", help: "Things" },
    { name: "unused", type: "gauge", help: "Never touched" },
  ]);
  for (const value of [0.05, 0.1, 0.5, 7]) registry.observe("b_seconds", { family: "IPv4" }, value);
  registry.add("a_total", { code: "200", path: 'a"b\\c\nd' });
  registry.add("a_total", { path: 'a"b\\c\nd', code: "200" }, 2);
  registry.add("a_total");
  t.equal(
    registry.text(),
    `# HELP a_total Things
# TYPE a_total counter
a_total 1
a_total{code="200",path="a\\"b\\\\c\\nd"} 3
# HELP b_seconds Durations
# TYPE b_seconds histogram
b_seconds_bucket{family="IPv4",le="0.1"} 2
b_seconds_bucket{family="IPv4",le="1"} 3
b_seconds_bucket{family="IPv4",le="+Inf"} 4
b_seconds_sum{family="IPv4"} 7.65
b_seconds_count{family="IPv4"} 4
`,
  );
  t.equal(registry.get("a_total"), 1);
  t.throws(() => registry.add("c_total"), new RangeError("no metric is named c_total"));
});

t.test("buckets", async (t) => {
  t.same(exponentialBuckets(1, 2, 4), [1, 2, 4, 8]);
  t.same(linearBuckets(60, 5, 3), [60, 65, 70]);
});
