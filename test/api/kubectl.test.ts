// What people type: every kubectl command of the main job, with the real client. The test plays the controllers by writing status.
import t from "tap";
import { Deployments, Pods } from "../../model/resources.ts";
import { installedKubectls, startKubectlApi } from "./kubectl-client.ts";

const kubectls = installedKubectls();
const newest = [...kubectls.values()].at(-1);
const skip = newest === undefined ? "kubectl is not installed" : false;

const MANIFEST = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: c, image: "nginx:1"}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80}]
`;

const NOPE = "apiVersion: v1\nkind: Nope\nmetadata: {name: x}\n";
const NO_MATCHES =
  'error: resource mapping not found for name: "x" namespace: "" from "STDIN": no matches for kind "Nope" in version "v1"\nensure CRDs are installed first\n';

t.test("reading", { skip }, async (t) => {
  const { kubectl, store } = await startKubectlApi(t);
  const k = kubectl(newest ?? "");
  await store.create(Pods, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "one", namespace: "default" },
    spec: { nodeName: "n1", containers: [{ name: "c", image: "nginx" }] },
    status: {
      phase: "Running",
      podIP: "127.244.1.5",
      podIPs: [{ ip: "127.244.1.5" }],
      containerStatuses: [{ name: "c", ready: true, restartCount: 0, image: "nginx", imageID: "", state: { running: {} } }],
    },
  });
  const cases: readonly (readonly [command: string, expected: RegExp])[] = [
    ["version", /Server Version: v1\.33\./],
    ["get namespaces", /^NAME +STATUS +AGE\ndefault +Active +\d+s\nkube-system +Active/],
    ["get ns default -o jsonpath={.status.phase}", /^Active$/],
    ["get ns -o name", /^namespace\/default\nnamespace\/kube-system\n$/],
    ["get ns --sort-by=.metadata.name", /default/],
    ["get pods -A -o wide", /^default +one +1\/1 +Running +0 +\d+s +127\.244\.1\.5 +n1 +<none> +<none>$/m],
    ["get pods --field-selector status.phase=Running -o name", /^pod\/one\n$/],
    ["describe pod one", /^Node: +n1\/$/m],
    ["logs one", /^one\/c\n$/],
    ["exec one -- echo hello", /^hello\n$/],
    ["api-resources", /^pods +po +v1 +true +Pod$/m],
    ["api-versions", /^apps\/v1$/m],
    ["auth can-i get pods", /^yes\n$/],
    ["auth can-i --list", /^\*\.\* +\[\] +\[\] +\[\*\]$/m],
    ["auth whoami", /^Username +kubernetes-admin$/m],
    ["auth whoami", /^Extra: authentication\.kubernetes\.io\/credential-id +\[X509SHA256=[0-9a-f]{64}\]$/m],
    ["explain pods", /^KIND: +Pod$/m],
    ["explain deployment.spec.replicas", /^FIELD: replicas <integer>[^]*DESCRIPTION:\n +How many pods; 1 unless given\.$/m],
    ["explain pods.spec.nodeSelector --output=plaintext-openapiv2", /^FIELD: +nodeSelector <map\[string\]string>$/m],
    ["get --raw /readyz", /^ok$/],
    ["describe ns default", /^Status: +Active$/m],
    ["cluster-info", /control plane.* is running at/],
    ["cluster-info dump --namespaces default", /^ +"kind": "ReplicationControllerList",$/m],
  ];
  for (const [command, expected] of cases) {
    const { stdout, stderr, code } = await k(command);
    t.match(stdout.replace(/\x1b\[[0-9;]*m/g, ""), expected, `${command}\n${stderr}`);
    t.equal(code, 0, command);
  }
  t.equal((await k("exec one -- nothing")).code, 127);
  t.match(await k("exec two -- echo"), { code: 1, stderr: 'Error from server (NotFound): pods "two" not found\n' });
  t.match(await k("get deployments"), { code: 0, stderr: "No resources found in default namespace.\n" });
  t.match(await k("get pod x"), { code: 1, stderr: 'Error from server (NotFound): pods "x" not found\n' });
  t.match((await k("get nonsense")).stderr, /the server doesn't have a resource type "nonsense"/);
  const deprecated = await k("get endpoints");
  t.equal(deprecated.stderr.split("\n")[0], "Warning: v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice");
});

t.test("writing", { skip }, async (t) => {
  const { kubectl, store } = await startKubectlApi(t);
  const k = kubectl(newest ?? "");
  /** Runs in order; each row is a command, what it prints, and its stdin. */
  const rows = async (list: readonly (readonly [command: string, expected: RegExp | string, input?: string])[]): Promise<void> => {
    for (const [command, expected, input] of list) {
      const { stdout, stderr } = await k(command, input);
      if (typeof expected === "string") t.equal(`${stdout}${stderr}`, expected, command);
      else t.match(`${stdout}${stderr}`, expected, command);
    }
  };
  await rows([
    ["apply -f -", "deployment.apps/web created\nservice/web created\n", MANIFEST],
    ["apply -f -", "deployment.apps/web unchanged\nservice/web unchanged\n", MANIFEST],
    ["apply -f -", "deployment.apps/web configured\nservice/web unchanged\n", MANIFEST.replace("nginx:1", "nginx:2")],
    ["diff -f -", /^-  +replicas: 2\n\+ +replicas: 7$/m, MANIFEST.replace("nginx:1", "nginx:2").replace("replicas: 2", "replicas: 7")],
    ["apply --dry-run=server -f -", /deployment.apps\/web configured \(server dry run\)/, MANIFEST],
    ["get deploy web -o jsonpath={.spec.template.spec.containers[0].image}", "nginx:2"],
    ["apply -f -", /unknown field "spec.nonsense"/, MANIFEST.replace("  replicas: 2", "  nonsense: 2")],
    [
      "apply --server-side --field-manager=other -f -",
      /conflicts with "kubectl-client-side-apply"/,
      MANIFEST.replace("replicas: 2", "replicas: 5"),
    ],
    [
      "apply --server-side --force-conflicts --field-manager=other -f -",
      /deployment.apps\/web serverside-applied/,
      MANIFEST.replace("replicas: 2", "replicas: 5"),
    ],
    ["get deploy web -o jsonpath={.spec.replicas}", "5"],
    ["create deployment api --image=nginx --replicas=2", "deployment.apps/api created\n"],
    ["create deployment api --image=nginx", 'error: failed to create deployment: deployments.apps "api" already exists\n'],
    ["expose deployment api --port=80", "service/api exposed\n"],
    ["create configmap c --from-literal=a=b", "configmap/c created\n"],
    ["create secret generic s --from-literal=a=b", "secret/s created\n"],
    ["get secret s -o jsonpath={.data.a}", "Yg=="],
    ["create serviceaccount robot", "serviceaccount/robot created\n"],
    ["create token robot", /^ey[\w-]+\.[\w-]+\.[\w-]+$/],
    ["create namespace extra", "namespace/extra created\n"],
    ["create ingress i --class=nginx --rule=shop.example/*=web:80", "ingress.networking.k8s.io/i created\n"],
    ["get ingress i", /^i +nginx +shop\.example +80 +\d+s$/m],
    ["scale deployment api --replicas=3", "deployment.apps/api scaled\n"],
    ["scale deployment api --current-replicas=3 --replicas=4", "deployment.apps/api scaled\n"],
    ["get deployment api --subresource=scale", /^NAME +DESIRED +AVAILABLE +AGE\napi +4 +0 +\d+s\n$/],
    ["scale deployment api --current-replicas=3 --replicas=5", /Expected replicas to be 3, was 4/],
    ["label deployment api tier=back", "deployment.apps/api labeled\n"],
    ["annotate deployment api note=x", "deployment.apps/api annotated\n"],
    ["get deploy -l tier=back -o name", "deployment.apps/api\n"],
    ['patch deployment api -p {"spec":{"paused":true}}', "deployment.apps/api patched\n"],
    ['patch deployment api --type=merge -p {"spec":{"paused":null}}', "deployment.apps/api patched\n"],
    ['patch deployment api --type=json -p [{"op":"replace","path":"/spec/replicas","value":6}]', "deployment.apps/api patched\n"],
    ["set image deployment/api nginx=nginx:3", "deployment.apps/api image updated\n"],
    ["set env deployment/api A=b", "deployment.apps/api env updated\n"],
    ["rollout restart deployment/api", "deployment.apps/api restarted\n"],
    ["rollout pause deployment/api", "deployment.apps/api paused\n"],
    ["rollout resume deployment/api", "deployment.apps/api resumed\n"],
    ["describe deployment api", /^Replicas: +6 desired/m],
    ["describe service api", /^Port: +<unset> +80\/TCP$/m],
    ["run p --image=nginx", "pod/p created\n"],
    ["describe pod p", /^Status: +Pending$/m],
    ["get pods -o wide", /^p +0\/1 +Pending +0 +\d+s +<none> +<none> +<none> +<none>$/m],
    ["get all", /^deployment\.apps\/api +0\/6 +0 +0 +\d+s$/m],
    ["replace -f -", /^service\/web replaced/m, MANIFEST.slice(MANIFEST.indexOf("---"))],
    ["delete -f -", 'deployment.apps "web" deleted\nservice "web" deleted\n', MANIFEST],
    ["delete pod p --now", 'pod "p" deleted\n'],
    ["delete configmap --all", 'configmap "c" deleted\n'],
    ["delete deployment nothing", 'Error from server (NotFound): deployments.apps "nothing" not found\n'],
  ]);
  t.notOk(store.get(Pods, "default", "p"));
  t.equal(store.get(Deployments, "default", "api")?.spec.template.spec?.containers[0]?.image, "nginx:3");
});

t.test("waiting", { skip }, async (t) => {
  const { kubectl, store } = await startKubectlApi(t);
  const k = kubectl(newest ?? "");
  await k("create deployment web --image=nginx --replicas=1");
  const rollout = k("rollout status deployment/web --timeout=60s");
  const waited = k("wait --for=condition=Available deployment/web --timeout=60s");
  const watching = k("get deployments -w --request-timeout=3s");
  await store.mutate(
    Deployments,
    "default",
    "web",
    (draft) => {
      const condition = { type: "Available", status: "True", reason: "MinimumReplicasAvailable" };
      draft.status = {
        observedGeneration: 1,
        replicas: 1,
        updatedReplicas: 1,
        readyReplicas: 1,
        availableReplicas: 1,
        conditions: [condition],
      };
    },
    { subresource: "status" },
  );
  t.match(await rollout, { code: 0, stdout: /deployment "web" successfully rolled out/ });
  t.match(await waited, { code: 0, stdout: "deployment.apps/web condition met\n" });
  t.match((await watching).stdout, /^web +1\/1 +1 +1 /m);
  const deleted = k("wait --for=delete deployment/web --timeout=60s");
  t.match((await k("delete deployment web")).stdout, 'deployment.apps "web" deleted');
  t.equal((await deleted).code, 0);
});

t.test("every installed version speaks to the server", { skip }, async (t) => {
  const { kubectl } = await startKubectlApi(t);
  for (const [minor, path] of kubectls) {
    const k = kubectl(path);
    const name = `web-${minor}`;
    t.match(await k(`create deployment ${name} --image=nginx`), { code: 0, stdout: `deployment.apps/${name} created\n` });
    t.match(await k(`scale deployment ${name} --replicas=3`), { code: 0 });
    t.match((await k(`get deployment ${name}`)).stdout, new RegExp(`^${name} +0/3 +0 +0 `, "m"));
    t.match(await k("auth can-i create pods"), { code: 0, stdout: "yes\n" });
    t.match((await k("apply -f -", MANIFEST.replace("  replicas: 2", "  nonsense: 2"))).stderr, /unknown field "spec.nonsense"/);
    t.equal((await k("apply -f -", NOPE)).stderr, NO_MATCHES, `${minor}: an unknown kind`);
    t.match(
      (await k(`apply -f -`, MANIFEST.replaceAll("name: web}", `name: ${name}}`).replaceAll("app: web}", `app: ${name}}`))).stdout,
      new RegExp(`deployment.apps/${name} configured`),
    );
    t.match(await k(`delete deployment,service ${name}`), { code: 0 });
  }
});
