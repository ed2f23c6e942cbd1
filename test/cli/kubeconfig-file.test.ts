// Merging into a user's kubeconfig and taking it back.
import { chmodSync, existsSync, lstatSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { parse } from "yaml";
import { kubeconfigPath, mergeKubeconfig, removeFromKubeconfig } from "../../cli/kubeconfig-file.ts";
import { type Kubeconfig, kubeconfigOf } from "../../cluster/kubeconfig.ts";

const entry = (name: string): Kubeconfig =>
  kubeconfigOf({ name, server: "https://127.0.0.1:6443", ca: "ca", admin: { key: "key", cert: "cert" } });
const read = (path: string): Kubeconfig => parse(readFileSync(path, "utf8")) as Kubeconfig;
const names = (config: Kubeconfig): string => config.contexts.map(({ name }) => name).join(" ");

t.test("merge and remove", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "loopkube-test-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "deep", "config");

  await mergeKubeconfig(path, entry("loopkube"));
  t.match(read(path), { apiVersion: "v1", kind: "Config", "current-context": "loopkube" });
  t.equal(statSync(path).mode & 0o777, 0o600);

  writeFileSync(
    path,
    "apiVersion: v1\nkind: Config\ncontexts: [{name: other, context: {cluster: c, user: u}}]\ncurrent-context: other\nclusters: null\nextensions: [{name: kept}]\n",
  );
  await mergeKubeconfig(path, entry("loopkube"));
  await mergeKubeconfig(path, entry("loopkube"));
  t.equal(names(read(path)), "other loopkube", "a same-named entry is replaced, others stay");
  t.match(read(path), { "current-context": "loopkube", extensions: [{ name: "kept" }] });

  await removeFromKubeconfig(path, "loopkube");
  t.equal(names(read(path)), "other");
  t.equal(read(path)["current-context"], "");

  await removeFromKubeconfig(join(folder, "absent"), "loopkube");
  t.notOk(existsSync(join(folder, "absent")));

  const link = join(folder, "link");
  symlinkSync(path, link);
  chmodSync(path, 0o640);
  await mergeKubeconfig(link, entry("loopkube"));
  t.equal(names(read(path)), "other loopkube", "what a link leads to is written");
  await removeFromKubeconfig(link, "loopkube");
  t.equal(names(read(path)), "other");
  t.ok(lstatSync(link).isSymbolicLink(), "and the link stays");
  t.equal(statSync(path).mode & 0o777, 0o640, "with the file's mode");

  writeFileSync(path, "{ not yaml");
  await t.rejects(mergeKubeconfig(path, entry("loopkube")), { message: new RegExp(`cannot read the kubeconfig ${path}`) });
  t.equal(readFileSync(path, "utf8"), "{ not yaml", "a file that cannot be read is left as it is");

  writeFileSync(`${path}.lock`, "");
  await t.rejects(mergeKubeconfig(path, entry("loopkube")), { message: `the kubeconfig ${path} is locked by another program` });
});

t.test("which file", async (t) => {
  t.equal(kubeconfigPath("/x", { KUBECONFIG: "/y" }), "/x");
  t.equal(kubeconfigPath(undefined, { KUBECONFIG: "/nonexistent/a:/nonexistent/b" }), "/nonexistent/b");
  t.match(kubeconfigPath(undefined, {}), /\.kube\/config$/);
});
