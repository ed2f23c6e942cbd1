// Manifests are read as kubectl reads them.
import t from "tap";
import { parseManifests } from "../../cluster/apply.ts";

t.test("dates, times and dots are texts, yes and octals are not", (t) => {
  const [only] = parseManifests("apiVersion: v1\nkind: ConfigMap\ndata: {date: 2024-01-01, time: 12:30, dot: ., yes: 0644}\n", "file");
  t.same(only, {
    manifest: { apiVersion: "v1", kind: "ConfigMap", data: { date: "2024-01-01", time: "12:30", dot: ".", true: 420 } },
    where: "file:1",
  });
  t.end();
});
