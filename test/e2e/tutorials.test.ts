// Pages of Kubernetes' documentation as their readers follow them, with the real kubectl: the manifests and commands are as there.
import t from "tap";
import type { Output } from "../support/command.ts";
import { missingPrograms } from "../support/command.ts";
import { startLoopkube } from "../support/running-cluster.ts";

interface Step {
  readonly command: string;
  readonly expect: RegExp;
  /** Repeat until it passes: the cluster does it by itself. */
  readonly waits?: true;
}

const pod = (name: string, image: string, container: string, more = ""): string =>
  `{apiVersion: v1, kind: Pod, metadata: {name: ${name}}, spec: {restartPolicy: Never, containers: [{name: c, image: "${image}", ${container}}]${more}}}`;
const apply = (...manifests: readonly string[]): string => `printf '%s\n---\n' '${manifests.join("' '")}' | kubectl apply -f -`;

const PAGES: Readonly<Record<string, readonly Step[]>> = {
  "StatefulSet basics": [
    { command: "kubectl apply -f examples/tutorials/statefulset-basics.yaml", expect: /statefulset\.apps\/web created/ },
    { command: "kubectl rollout status sts/web --timeout=60s", expect: /roll out complete: 2 new pods have been updated/ },
    { command: "kubectl get pvc -l app=nginx", expect: /^www-web-0 +Bound +pvc-\S+ +1Gi +RWO[\s\S]*^www-web-1 +Bound/m },
    { command: `for i in 0 1; do kubectl exec "web-$i" -- sh -c 'hostname'; done`, expect: /^web-0\nweb-1\n$/ },
    {
      command: "kubectl run dns-test -i --image busybox:1.28 --restart=Never --rm -- nslookup web-1.nginx",
      expect: /Name:\s+web-1\.nginx\.default\.svc\.cluster\.local\s+Address: 127\.\d+/,
    },
    {
      command: `for i in 0 1; do kubectl exec "web-$i" -- sh -c 'echo "$(hostname)" > /usr/share/nginx/html/index.html'; done; kubectl delete pod -l app=nginx && kubectl rollout status sts/web --timeout=60s >/dev/null; for i in 0 1; do kubectl exec "web-$i" -- curl -s http://localhost/; done`,
      expect: /^web-0\nweb-1\n$/m,
    },
    { command: "kubectl scale sts web --replicas=3 && kubectl rollout status sts/web --timeout=60s", expect: /complete: 3 new pods/ },
    {
      command: `kubectl patch sts web -p '{"spec":{"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"partition":2}}}}' && kubectl set image sts/web nginx=registry.k8s.io/nginx-slim:0.24 && kubectl rollout status sts/web --timeout=60s`,
      expect: /complete: 1 new pods have been updated/,
    },
    {
      command: `kubectl get pods -l app=nginx -o jsonpath='{range .items[*]}{.metadata.name} {.spec.containers[0].image}{"\\n"}{end}'`,
      expect: /^web-0 \S+:0\.21\nweb-1 \S+:0\.21\nweb-2 \S+:0\.24\n$/,
    },
    { command: "kubectl rollout undo sts/web && kubectl rollout history sts/web", expect: /REVISION +CHANGE-CAUSE\n2 +<none>\n3 +<none>/ },
    { command: "kubectl delete sts web && kubectl get pvc -o name", expect: /persistentvolumeclaim\/www-web-2/ },
  ],
  "Debug Services": [
    {
      command:
        "kubectl create deployment hostnames --image=registry.k8s.io/serve_hostname && kubectl scale deployment hostnames --replicas=3 && kubectl expose deployment hostnames --port=80 --target-port=9376 && kubectl rollout status deploy/hostnames --timeout=60s",
      expect: /successfully rolled out/,
    },
    {
      command: `kubectl run debug -i --rm --restart=Never --image=gcr.io/google-containers/busybox -- sh -c 'nslookup hostnames; for i in 1 2 3; do wget -qO- hostnames; echo; done'`,
      expect: /Name:\s+hostnames\.default\.svc\.cluster\.local[\s\S]*(hostnames-\S+\n){3}/,
      waits: true,
    },
  ],
  "gRPC liveness probe": [
    {
      command: apply(
        pod(
          "etcd-with-grpc",
          "registry.k8s.io/etcd:3.5.1-0",
          'command: ["/usr/local/bin/etcd", "--listen-client-urls", "http://0.0.0.0:2379"], ports: [{containerPort: 2379}], readinessProbe: {grpc: {port: 2379}, periodSeconds: 1}',
        ),
      ),
      expect: /created/,
    },
    { command: "kubectl wait --for=condition=Ready pod/etcd-with-grpc --timeout=60s", expect: /condition met/ },
  ],
  "Sidecar containers": [
    {
      command: apply(
        pod(
          "sidecar",
          "alpine:latest",
          `command: [sh, -c, "sleep 2; echo logging > /opt/logs.txt; sleep 60"], volumeMounts: [{name: data, mountPath: /opt}]`,
          `, initContainers: [{name: logshipper, image: "alpine:latest", restartPolicy: Always, command: [sh, -c, "tail -F /opt/logs.txt"], volumeMounts: [{name: data, mountPath: /opt}]}], volumes: [{name: data, emptyDir: {}}]`,
        ),
      ),
      expect: /created/,
    },
    { command: "kubectl logs sidecar -c logshipper", expect: /^logging$/m, waits: true },
  ],
  "Jobs, CronJobs and DaemonSets": [
    {
      command: "kubectl create job pi --image=busybox -- echo 3.14159 && kubectl wait --for=condition=complete job/pi --timeout=60s",
      expect: /condition met/,
    },
    {
      command: "kubectl logs job/pi; kubectl get job pi",
      expect: /^3\.14159\nNAME +STATUS +COMPLETIONS +DURATION +AGE\npi +Complete +1\/1/m,
    },
    {
      command: `kubectl create cronjob hello --image=busybox --schedule='*/5 * * * *' -- date && kubectl create job now --from=cronjob/hello && kubectl wait --for=condition=complete job/now --timeout=60s && kubectl get cronjob hello`,
      expect: /SCHEDULE +TIMEZONE +SUSPEND +ACTIVE +LAST SCHEDULE +AGE\nhello +\*\/5 \* \* \* \* +<none> +False/,
    },
    {
      command: apply(
        "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: agent}, spec: {selector: {matchLabels: {name: agent}}, template: {metadata: {labels: {name: agent}}, spec: {tolerations: [{operator: Exists}], containers: [{name: c, image: busybox, command: [sleep, infinity]}]}}}}",
      ),
      expect: /daemonset\.apps\/agent created/,
    },
    {
      command: "kubectl rollout status ds/agent --timeout=60s && kubectl get ds agent",
      expect: /successfully rolled out[\s\S]*agent +3 +3 +3 +3 +3 +<none>/,
    },
    {
      command:
        "kubectl set image ds/agent c=busybox:1.36 && kubectl rollout status ds/agent --timeout=60s && kubectl rollout history ds/agent",
      expect: /^2 +<none>$/m,
    },
  ],
};

t.test("tutorials", { skip: missingPrograms("kubectl") }, async (t) => {
  t.setTimeout(240_000);
  const cluster = await startLoopkube(t, "--name tutorials");
  for (const [page, steps] of Object.entries(PAGES)) {
    for (const { command, expect, waits } of steps) {
      const passes = (output: Output): boolean => output.code === 0 && expect.test(output.stdout + output.stderr);
      const output = waits ? await cluster.until(command, passes) : await cluster.sh(command);
      t.ok(passes(output), `${page}: ${command.slice(0, 70)}`, { command, expected: String(expect), ...output });
    }
  }
});
