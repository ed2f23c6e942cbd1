// `loopkube up --corefile`: a Corefile of files and snippets from the command line to dig, what is refused before anything starts, and reloads.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { missingPrograms, run, temporaryHome } from "../support/command.ts";
import { startLoopkube } from "../support/running-cluster.ts";

type Files = Readonly<Record<string, string>>;

function folder(t: { teardown(callback: () => void): void }, files: Files): string {
  const home = temporaryHome("self");
  t.teardown(() => home.remove());
  mkdirSync(join(home.path, "conf"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(home.path, "conf", name), text);
  return join(home.path, "conf");
}

const refusals: readonly (readonly [what: string, files: Files, stderr: string])[] = [
  ["no such file", {}, 'error: the Corefile "./Corefile" does not exist\n'],
  [
    "an unknown plugin",
    { Corefile: ".:53 {\n  errors\n  frobnicate\n}\n" },
    "error: ./Corefile:3:3 - Error during parsing: Unknown directive 'frobnicate'",
  ],
  [
    "of a file that is imported",
    { Corefile: "import part\n", part: ".:53 {\n\tnosuch\n}\n" },
    "error: part:2:2 - Error during parsing: Unknown directive 'nosuch'",
  ],
  [
    "a file that is not there",
    { Corefile: ".:53 {\n  import  part\n}\n" },
    "error: ./Corefile:2:11 - Error during parsing: File to import not found: part",
  ],
  [
    "a brace that is not there",
    { Corefile: ".:53 {\n  errors\n" },
    "error: ./Corefile:1:6 - Error during parsing: Unexpected EOF, expecting '}'",
  ],
  [
    "a property",
    { Corefile: ".:53 {\n kubernetes cluster.local {\n  pod insecure\n }\n}\n" },
    "error: plugin/kubernetes: ./Corefile:3:3 - Error during parsing: unknown property 'pod'",
  ],
  ["a snippet twice", { Corefile: "(a) {\n errors\n}\n(a) {\n log\n}\n" }, "redeclaration of previously declared snippet a"],
  [
    "two blocks of one zone and port",
    { Corefile: ". {\n log\n}\n.:53 {\n log\n}\n" },
    "error: ./Corefile:4:1 - Error during parsing: cannot serve dns://.:53 - it is already defined",
  ],
];

t.test("Corefiles that are refused before anything starts", async (t) => {
  for (const [what, files, expected] of refusals) {
    const cwd = folder(t, files);
    const env = { HOME: cwd, XDG_STATE_HOME: join(cwd, "state"), KUBECONFIG: join(cwd, "kubeconfig"), NO_COLOR: "1" };
    const program = join(import.meta.dirname, "../../bin/loopkube.mjs");
    const output = await run(`'${process.execPath}' '${program}' up --own-kubeconfig --corefile ./Corefile`, { cwd, env });
    t.equal(output.code, 1, what, { ...output });
    t.ok(output.stderr.includes(expected), `${what}: ${output.stderr}`);
  }
});

t.test("a Corefile without ready and health is taken, and the user told", async (t) => {
  const up = async (corefile: string, options = ""): Promise<string> => {
    const cwd = folder(t, { Corefile: corefile });
    const env = { HOME: cwd, XDG_STATE_HOME: join(cwd, "state"), KUBECONFIG: join(cwd, "kubeconfig"), NO_COLOR: "1" };
    const program = join(import.meta.dirname, "../../bin/loopkube.mjs");
    return (
      await run(`'${process.execPath}' '${program}' up --own-kubeconfig --corefile ./Corefile -f nothere.yaml ${options}`, { cwd, env })
    ).stderr;
  };
  const error = 'error: the path "nothere.yaml" does not exist\n';
  t.equal(
    await up(".:53 {\n  ready :8182\n  kubernetes cluster.local\n}\n"),
    ` • ./Corefile: no plugin ready answers at :8181: the coredns pods do not become ready, so nobody answers at the Service kube-dns\n • ./Corefile: no plugin health answers at :8080: the coredns pods are restarted after two minutes\n${error}`,
  );
  t.equal(await up(".:53 {\n  health\n  kubernetes cluster.local\n}\n", "-q"), error);
  t.equal(await up(".:53 {\n  health\n  ready\n  kubernetes cluster.local\n}\n"), error);
});

t.test("files and snippets, a reload, and a reload that fails", { skip: missingPrograms("kubectl", "dig") }, async (t) => {
  t.setTimeout(120_000);
  const conf = folder(t, {
    Corefile:
      "(common) {\n  errors\n  log\n}\n.:53 {\n  health\n  ready\n  reload\n  import common\n  import cluster.conf\n}\nimport *.zone\n",
    "cluster.conf": "kubernetes cluster.local in-addr.arpa ip6.arpa {\n  pods insecure\n  ttl 7\n}\n",
    "shop.zone": "shop.example:53 {\n  import common\n  import names\n}\n",
    names: "hosts {\n  127.96.0.77 www.shop.example\n}\n",
  });
  const cluster = await startLoopkube(t, `--name corefile --nodes 1 --corefile '${conf}/Corefile'`);
  const port = cluster.status.dns.split(":")[1];
  const dig = async (name: string): Promise<string> =>
    (await cluster.sh(`dig -p ${port} @127.0.0.1 +noall +answer +comments ${name}`)).stdout.replaceAll(/\s+/g, " ");
  /** Each of the two pods answers from its own configuration. */
  const becomes = async (name: string, text: string): Promise<boolean> => {
    const seen = (output: string): boolean => output.replaceAll(/\s+/g, " ").includes(text);
    return seen((await cluster.until(`dig -p ${port} @127.0.0.1 +noall +answer ${name}`, ({ stdout }) => seen(stdout))).stdout);
  };
  t.match(await dig("kubernetes.default.svc.cluster.local"), /kubernetes\.default\.svc\.cluster\.local\. 7 IN A 127\./);
  t.match(await dig("www.shop.example"), /www\.shop\.example\. 3600 IN A 127\.96\.0\.77/);
  t.match(await dig("other.example"), /status: SERVFAIL/);
  const stored = await cluster.sh("kubectl -n kube-system get configmap coredns -o jsonpath='{.data}'");
  t.strictSame(
    Object.keys(JSON.parse(stored.stdout)).sort(),
    ["Corefile", "cluster.conf", "names", "shop.zone"],
    "what is imported comes along",
  );

  const patch = async (data: Files): Promise<void> => {
    const patched = await cluster.sh("cat | kubectl -n kube-system patch configmap coredns --type merge --patch-file /dev/stdin", {
      input: JSON.stringify({ data }),
    });
    t.equal(patched.code, 0, "patched", { ...patched });
  };
  const logged = (text: string): Promise<{ readonly stdout: string }> =>
    cluster.until("kubectl -n kube-system logs -l k8s-app=kube-dns --tail=-1", ({ stdout }) => stdout.includes(text));
  await patch({ names: "hosts {\n  127.96.0.78 www.shop.example\n}\n" });
  t.match((await logged("[INFO] Reloading complete")).stdout, "[INFO] Reloading complete");
  t.ok(await becomes("www.shop.example", "127.96.0.78"), "a file that is imported reloads too");

  await patch({ "cluster.conf": "kubernetes cluster.local {\n  ttl 8\n  nothing\n}\n" });
  t.match(
    (await logged("Restart failed")).stdout,
    /\[ERROR\] Restart failed: plugin\/kubernetes: cluster\.conf:3:3 - Error during parsing: unknown property 'nothing'\n\[ERROR\] plugin\/reload: /,
  );
  t.match(await dig("kubernetes.default.svc.cluster.local"), / 7 IN A /, "the old configuration answers");
  await patch({ "cluster.conf": "kubernetes cluster.local {\n  ttl 9\n}\n" });
  t.ok(await becomes("kubernetes.default.svc.cluster.local", " 9 IN A "), "and the next good one replaces it");
  t.equal(await cluster.stop(), 0);
});
