// The printers, cell by cell. Source of the expected texts: kubernetes pkg/printers/internalversion/printers_test.go and kubectl's output.
import t from "tap";
import { parse } from "yaml";
import { humanDuration } from "../../api/human-duration.ts";
import { printerOf, tableOf } from "../../api/tables/index.ts";
import type { KubeObject } from "../../model/object.ts";
import * as resources from "../../model/resources.ts";

const NOW = Date.parse("2025-01-01T12:00:00Z");
const HOUR_AGO = "2025-01-01T11:00:00Z";

/** Prints one object, given as YAML without its metadata, as `cell | cell`. */
function row(type: resources.ResourceType, yaml: string, metadata: object = {}): string {
  const object = { metadata: { name: "x", creationTimestamp: HOUR_AGO, ...metadata }, ...(parse(yaml) as object) } as KubeObject;
  return printerOf(type).row(object, NOW).join(" | ");
}

t.test("columns are upstream's, wide ones in parentheses", async (t) => {
  const expected: readonly (readonly [resources.ResourceType, string])[] = [
    [resources.Pods, "Name Ready Status Restarts Age (IP) (Node) (Nominated Node) (Readiness Gates)"],
    [resources.Services, "Name Type Cluster-IP External-IP Port(s) Age (Selector)"],
    [resources.EndpointsResource, "Name Endpoints Age"],
    [resources.EndpointSlices, "Name AddressType Ports Endpoints Age"],
    [resources.Nodes, "Name Status Roles Age Version (Internal-IP) (External-IP) (OS-Image) (Kernel-Version) (Container-Runtime)"],
    [resources.Deployments, "Name Ready Up-to-date Available Age (Containers) (Images) (Selector)"],
    [resources.ReplicaSets, "Name Desired Current Ready Age (Containers) (Images) (Selector)"],
    [resources.StatefulSets, "Name Ready Age (Containers) (Images)"],
    [resources.DaemonSets, "Name Desired Current Ready Up-to-date Available Node Selector Age (Containers) (Images) (Selector)"],
    [resources.ControllerRevisions, "Name Controller Revision Age"],
    [resources.Jobs, "Name Status Completions Duration Age (Containers) (Images) (Selector)"],
    [resources.CronJobs, "Name Schedule Timezone Suspend Active Last Schedule Age (Containers) (Images) (Selector)"],
    [resources.PersistentVolumeClaims, "Name Status Volume Capacity Access Modes StorageClass VolumeAttributesClass Age (VolumeMode)"],
    [resources.Ingresses, "Name Class Hosts Address Ports Age"],
    [resources.IngressClasses, "Name Controller Parameters Age"],
    [resources.ConfigMaps, "Name Data Age"],
    [resources.Secrets, "Name Type Data Age"],
    [resources.ServiceAccounts, "Name Secrets Age"],
    [resources.Events, "Last Seen Type Reason Object (Subobject) (Source) Message (First Seen) (Count) (Name)"],
    [resources.Leases, "Name Holder Age"],
    [resources.Namespaces, "Name Status Age"],
    [resources.NetworkPolicies, "Name Pod-Selector Age"],
    [resources.Faults, "Name From To Fault Age"],
    [resources.ServiceCIDRs, "Name CIDRs Age"],
    [resources.IPAddresses, "Name ParentRef"],
    [resources.defineResource("example.com/v1", "", "Widget", "widgets"), "Name Age"],
  ];
  for (const [type, columns] of expected) {
    const text = printerOf(type)
      .columns.map(({ name, priority }) => (priority === 0 ? name : `(${name})`))
      .join(" ");
    t.equal(text, columns, type.resource);
  }
  for (const type of resources.BUILT_IN_RESOURCES) {
    t.ok(
      expected.some(([known]) => known === type),
      `${type.resource} is in this table`,
    );
  }
});

t.test("pod status", async (t) => {
  const two = "spec: {containers: [{name: a}, {name: b}]}\n";
  const init = "spec: {containers: [{name: a}], initContainers: [{name: i}, {name: j}]}\n";
  const cases: readonly (readonly [name: string, yaml: string, expected: string, metadata?: object])[] = [
    ["pending", `${two}status: {phase: Pending}`, "x | 0/2 | Pending | 0 | 60m"],
    [
      "creating",
      `${two}status: {phase: Pending, containerStatuses: [{name: a, restartCount: 0, state: {waiting: {reason: ContainerCreating}}}]}`,
      "x | 0/2 | ContainerCreating | 0 | 60m",
    ],
    [
      "running, one restarted",
      `${two}status:
  phase: Running
  containerStatuses:
  - {name: a, ready: true, restartCount: 3, state: {running: {}}, lastState: {terminated: {exitCode: 1, finishedAt: "2025-01-01T11:55:00Z"}}}
  - {name: b, ready: true, restartCount: 0, state: {running: {}}}`,
      "x | 2/2 | Running | 3 (5m ago) | 60m",
    ],
    [
      "crash loop",
      `${two}status: {phase: Running, containerStatuses: [{name: a, restartCount: 2, state: {waiting: {reason: CrashLoopBackOff}}}, {name: b, ready: true, restartCount: 0, state: {running: {}}}]}`,
      "x | 1/2 | CrashLoopBackOff | 2 | 60m",
    ],
    [
      "completed with another container still ready",
      `${two}status: {phase: Running, conditions: [{type: Ready, status: "True"}], containerStatuses: [{name: a, restartCount: 0, state: {terminated: {exitCode: 0, reason: Completed}}}, {name: b, ready: true, restartCount: 0, state: {running: {}}}]}`,
      "x | 1/2 | Running | 0 | 60m",
    ],
    [
      "completed",
      `${two}status: {phase: Succeeded, containerStatuses: [{name: a, restartCount: 0, state: {terminated: {exitCode: 0, reason: Completed}}}]}`,
      "x | 0/2 | Completed | 0 | 60m",
    ],
    [
      "exit code without a reason",
      `${two}status: {phase: Failed, containerStatuses: [{name: a, restartCount: 0, state: {terminated: {exitCode: 3}}}]}`,
      "x | 0/2 | ExitCode:3 | 0 | 60m",
    ],
    [
      "killed by a signal",
      `${two}status: {phase: Failed, containerStatuses: [{name: a, restartCount: 0, state: {terminated: {exitCode: 137, signal: 9}}}]}`,
      "x | 0/2 | Signal:9 | 0 | 60m",
    ],
    [
      "second init container runs",
      `${init}status: {phase: Pending, initContainerStatuses: [{name: i, restartCount: 0, state: {terminated: {exitCode: 0}}}, {name: j, restartCount: 1, state: {running: {}}}]}`,
      "x | 0/1 | Init:1/2 | 1 | 60m",
    ],
    [
      "init container fails",
      `${init}status: {phase: Pending, initContainerStatuses: [{name: i, restartCount: 0, state: {waiting: {reason: CrashLoopBackOff}}}]}`,
      "x | 0/1 | Init:CrashLoopBackOff | 0 | 60m",
    ],
    [
      "sidecar counts",
      `spec: {containers: [{name: a}], initContainers: [{name: s, restartPolicy: Always}]}
status: {phase: Running, initContainerStatuses: [{name: s, started: true, ready: true, restartCount: 1, state: {running: {}}}], containerStatuses: [{name: a, ready: true, restartCount: 1, state: {running: {}}}]}`,
      "x | 2/2 | Running | 2 | 60m",
    ],
    ["terminating", `${two}status: {phase: Running}`, "x | 0/2 | Terminating | 0 | 60m", { deletionTimestamp: HOUR_AGO }],
    ["terminated", `${two}status: {phase: Succeeded}`, "x | 0/2 | Succeeded | 0 | 60m", { deletionTimestamp: HOUR_AGO }],
    ["evicted", `${two}status: {phase: Failed, reason: Evicted}`, "x | 0/2 | Evicted | 0 | 60m"],
    [
      "gated",
      `${two}status: {phase: Pending, conditions: [{type: PodScheduled, status: "False", reason: SchedulingGated}]}`,
      "x | 0/2 | SchedulingGated | 0 | 60m",
    ],
  ];
  for (const [name, yaml, expected, metadata] of cases) {
    t.equal(row(resources.Pods, yaml, metadata).split(" | ").slice(0, 5).join(" | "), expected, name);
  }
  t.equal(
    row(
      resources.Pods,
      `spec: {nodeName: n1, containers: [{name: a}], readinessGates: [{conditionType: g}]}
status: {phase: Running, podIP: 127.244.1.5, podIPs: [{ip: 127.244.1.5}], conditions: [{type: g, status: "True"}]}`,
    ),
    "x | 0/1 | Running | 0 | 60m | 127.244.1.5 | n1 | <none> | 1/1",
  );
});

t.test("other kinds", async (t) => {
  const cases: readonly (readonly [resources.ResourceType, string, string])[] = [
    [
      resources.Services,
      "spec: {type: NodePort, clusterIP: 127.96.0.9, clusterIPs: [127.96.0.9], ports: [{port: 80, nodePort: 30080}, {port: 53, protocol: UDP}], selector: {b: c, a: b}}",
      "x | NodePort | 127.96.0.9 | <none> | 80:30080/TCP,53/UDP | 60m | a=b,b=c",
    ],
    [
      resources.Services,
      "spec: {type: LoadBalancer, clusterIPs: [127.96.0.9]}",
      "x | LoadBalancer | 127.96.0.9 | <pending> | <none> | 60m | <none>",
    ],
    [
      resources.Services,
      "{spec: {type: LoadBalancer, clusterIPs: [127.96.0.9], externalIPs: [127.18.0.9]}, status: {loadBalancer: {ingress: [{ip: 127.18.255.1}]}}}",
      "x | LoadBalancer | 127.96.0.9 | 127.18.255.1,127.18.0.9 | <none> | 60m | <none>",
    ],
    [
      resources.Services,
      "spec: {type: ExternalName, externalName: example.com}",
      "x | ExternalName | <none> | example.com | <none> | 60m | <none>",
    ],
    [
      resources.Services,
      "spec: {type: ClusterIP, clusterIP: None, clusterIPs: [None]}",
      "x | ClusterIP | None | <none> | <none> | 60m | <none>",
    ],
    [resources.EndpointsResource, "{}", "x | <none> | 60m"],
    [
      resources.EndpointsResource,
      "subsets: [{addresses: [{ip: 1.1.1.1}, {ip: 2.2.2.2}], ports: [{port: 80}, {port: 443}]}]",
      "x | 1.1.1.1:80,2.2.2.2:80,1.1.1.1:443 + 1 more... | 60m",
    ],
    [
      resources.EndpointSlices,
      "{addressType: IPv4, endpoints: null, ports: null}".replaceAll("null", "[]"),
      "x | IPv4 | <unset> | <unset> | 60m",
    ],
    [
      resources.EndpointSlices,
      "{addressType: IPv4, endpoints: [{addresses: [1.1.1.1]}, {addresses: [1.1.1.2]}, {addresses: [1.1.1.3]}, {addresses: [1.1.1.4]}], ports: [{port: 80}]}",
      "x | IPv4 | 80 | 1.1.1.1,1.1.1.2,1.1.1.3 + 1 more... | 60m",
    ],
    [
      resources.Deployments,
      "{spec: {replicas: 3, selector: {matchLabels: {app: w}}, template: {spec: {containers: [{name: c, image: nginx}]}}}, status: {readyReplicas: 2, updatedReplicas: 3, availableReplicas: 2}}",
      "x | 2/3 | 3 | 2 | 60m | c | nginx | app=w",
    ],
    [
      resources.ReplicaSets,
      "{spec: {replicas: 3, selector: {matchExpressions: [{key: app, operator: In, values: [b, a]}]}}, status: {replicas: 3, readyReplicas: 1}}",
      "x | 3 | 3 | 1 | 60m |  |  | app in (a,b)",
    ],
    [
      resources.Nodes,
      "{spec: {unschedulable: true}, status: {conditions: [{type: Ready, status: 'True'}], nodeInfo: {kubeletVersion: v1.33.4}, addresses: [{type: InternalIP, address: 127.18.0.2}]}}",
      "x | Ready,SchedulingDisabled | <none> | 60m | v1.33.4 | 127.18.0.2 | <none> | <unknown> | <unknown> | <unknown>",
    ],
    [resources.Ingresses, "spec: {rules: []}", "x | <none> | * |  | 80 | 60m"],
    [
      resources.Ingresses,
      "{spec: {ingressClassName: nginx, tls: [{}], rules: [{host: a}, {host: b}, {host: c}, {host: d}]}, status: {loadBalancer: {ingress: [{ip: 1.2.3.4}]}}}",
      "x | nginx | a,b,c + 1 more... | 1.2.3.4 | 80, 443 | 60m",
    ],
    [resources.IngressClasses, "spec: {controller: k8s.io/ingress-nginx}", "x | k8s.io/ingress-nginx | <none> | 60m"],
    [resources.ConfigMaps, "{data: {a: b}, binaryData: {c: ZA==}}", "x | 2 | 60m"],
    [resources.Secrets, "{type: kubernetes.io/tls, data: {a: Yg==}}", "x | kubernetes.io/tls | 1 | 60m"],
    [resources.ServiceAccounts, "{}", "x | 0 | 60m"],
    [resources.Leases, "spec: {holderIdentity: me}", "x | me | 60m"],
    [resources.Namespaces, "status: {phase: Active}", "x | Active | 60m"],
    [resources.NetworkPolicies, "spec: {podSelector: {}}", "x | <none> | 60m"],
    [
      resources.Events,
      "{type: Normal, reason: Pulled, message: ' done ', count: 4, firstTimestamp: '2025-01-01T11:59:00Z', lastTimestamp: '2025-01-01T11:59:30Z', involvedObject: {kind: Pod, name: p, fieldPath: 'spec.containers{c}'}, source: {component: kubelet, host: n1}}",
      "30s | Normal | Pulled | pod/p | spec.containers{c} | kubelet, n1 | done | 60s | 4 | x",
    ],
  ];
  for (const [type, yaml, expected] of cases) t.equal(row(type, yaml), expected, yaml);
});

t.test("durations", async (t) => {
  const cases: readonly (readonly [seconds: number, text: string])[] = [
    [-5, "<invalid>"],
    [0, "0s"],
    [119, "119s"],
    [120, "2m"],
    [125, "2m5s"],
    [600, "10m"],
    [3 * 3600 - 1, "179m"],
    [3 * 3600, "3h"],
    [3 * 3600 + 60, "3h1m"],
    [8 * 3600 + 60, "8h"],
    [48 * 3600, "2d"],
    [50 * 3600, "2d2h"],
    [8 * 86400 + 3600, "8d"],
    [2 * 365 * 86400, "2y"],
    [2 * 365 * 86400 + 86400, "2y1d"],
    [8 * 365 * 86400, "8y"],
  ];
  for (const [seconds, text] of cases) t.equal(humanDuration(seconds * 1000), text, `${seconds} s`);
});

t.test("a table carries what was asked of each object", async (t) => {
  const object = { apiVersion: "v1", kind: "Namespace", metadata: { name: "x" }, status: { phase: "Active" } };
  const options = { nowMs: NOW, apiVersion: "meta.k8s.io/v1", metadata: { resourceVersion: "7" } };
  const rowOf = (includeObject: "None" | "Metadata" | "Object"): unknown =>
    (tableOf(resources.Namespaces, [object], { ...options, includeObject }) as { readonly rows: readonly unknown[] }).rows[0];
  const cells = ["x", "Active", "<unknown>"];
  t.same(rowOf("None"), { cells });
  t.same(rowOf("Metadata"), { cells, object: { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: { name: "x" } } });
  t.same(rowOf("Object"), { cells, object });
});

t.test("sets, jobs and claims", (t) => {
  const template = "template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}], nodeSelector: {disk: ssd}}}";
  const jobStatus = (conditions: string): string =>
    `spec: {completions: 3, ${template}}\nstatus: {succeeded: 1, startTime: "2025-01-01T11:59:00Z", ${conditions}}`;
  const rows: readonly (readonly [resources.ResourceType, string, string, object?])[] = [
    [resources.StatefulSets, `spec: {replicas: 3, ${template}}\nstatus: {readyReplicas: 2}`, "x | 2/3 | 60m | c | i"],
    [
      resources.DaemonSets,
      `spec: {selector: {matchLabels: {a: b}}, ${template}}\nstatus: {desiredNumberScheduled: 3, currentNumberScheduled: 2, numberReady: 1}`,
      "x | 3 | 2 | 1 | 0 | 0 | disk=ssd | 60m | c | i | a=b",
    ],
    [
      resources.ControllerRevisions,
      "revision: 4",
      "x | statefulset.apps/web | 4 | 60m",
      { ownerReferences: [{ apiVersion: "apps/v1", kind: "StatefulSet", name: "web", uid: "u", controller: true }] },
    ],
    [resources.Jobs, jobStatus("active: 1"), "x | Running | 1/3 | 60s | 60m | c | i | <none>"],
    [
      resources.Jobs,
      jobStatus(
        'completionTime: "2025-01-01T11:59:05Z", conditions: [{type: SuccessCriteriaMet, status: "True"}, {type: Complete, status: "True"}]',
      ),
      "x | Complete | 1/3 | 5s | 60m | c | i | <none>",
    ],
    [resources.Jobs, jobStatus('conditions: [{type: Failed, status: "True"}]'), "x | Failed | 1/3 | 60s | 60m | c | i | <none>"],
    [resources.Jobs, jobStatus('conditions: [{type: Suspended, status: "True"}]'), "x | Suspended | 1/3 | 60s | 60m | c | i | <none>"],
    [resources.Jobs, `spec: {parallelism: 2, ${template}}`, "x | Running | 0/1 of 2 |  | 60m | c | i | <none>"],
    [
      resources.CronJobs,
      `spec: {schedule: "* * * * *", suspend: false, jobTemplate: {spec: {${template}}}}\nstatus: {lastScheduleTime: "2025-01-01T11:59:00Z", active: [{name: a}]}`,
      "x | * * * * * | <none> | False | 1 | 60s | 60m | c | i | <none>",
    ],
    [
      resources.PersistentVolumeClaims,
      "spec: {volumeName: v, storageClassName: standard, volumeMode: Filesystem}\nstatus: {phase: Bound, capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce]}",
      "x | Bound | v | 1Gi | RWO | standard | <unset> | 60m | Filesystem",
    ],
    [resources.PersistentVolumeClaims, "spec: {}\nstatus: {phase: Pending}", "x | Pending |  |  |  |  | <unset> | 60m | <unset>"],
  ];
  for (const [type, yaml, expected, metadata] of rows) t.equal(row(type, yaml, metadata), expected);
  t.end();
});
