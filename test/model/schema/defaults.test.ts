import t from "tap";
import type { Draft, KubeObject } from "../../../model/object.ts";
import { BUILT_IN_RESOURCES, NetworkPolicies } from "../../../model/resources.ts";
import { type SchemaTable, type SchemaType, applyDefaults, builtInSchemas, decodeBody } from "../../../model/schema/index.ts";
import { imageTag } from "../../../model/schema/defaults/pod.ts";

function defaulted(yaml: string): unknown {
  const kind = /^kind: (\w+)/m.exec(yaml)?.[1];
  const type = [...BUILT_IN_RESOURCES, NetworkPolicies].find((candidate) => candidate.kind === kind);
  if (!type) throw new Error(`no kind in ${yaml}`);
  const { object } = decodeBody(type, new TextEncoder().encode(yaml), { contentType: "application/yaml", fieldValidation: "Strict" });
  const draft: unknown = structuredClone(object);
  applyDefaults(type, draft as Draft<KubeObject>);
  const once = structuredClone(draft);
  applyDefaults(type, draft as Draft<KubeObject>);
  t.strictSame(draft, once, `${kind}: idempotent`);
  return draft;
}

t.test("pod", (t) => {
  const pod = `
kind: Pod
metadata: {name: p}
spec:
  volumes: [{name: a}, {name: b, configMap: {name: c}}, {name: d, secret: {secretName: s}}]
  containers:
  - name: c
    image: nginx
    ports: [{containerPort: 80}]
    env: [{name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
    readinessProbe: {httpGet: {port: 80}}
    resources: {limits: {cpu: "1"}}
`;
  t.strictSame(defaulted(pod), {
    kind: "Pod",
    apiVersion: "v1",
    metadata: { name: "p" },
    spec: {
      volumes: [
        { name: "a", emptyDir: {} },
        { name: "b", configMap: { name: "c", defaultMode: 420 } },
        { name: "d", secret: { secretName: "s", defaultMode: 420 } },
      ],
      containers: [
        {
          name: "c",
          image: "nginx",
          ports: [{ containerPort: 80, protocol: "TCP" }],
          env: [{ name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP", apiVersion: "v1" } } }],
          readinessProbe: {
            httpGet: { port: 80, path: "/", scheme: "HTTP" },
            timeoutSeconds: 1,
            periodSeconds: 10,
            successThreshold: 1,
            failureThreshold: 3,
          },
          resources: { limits: { cpu: "1" }, requests: { cpu: "1" } },
          terminationMessagePath: "/dev/termination-log",
          terminationMessagePolicy: "File",
          imagePullPolicy: "Always",
        },
      ],
      restartPolicy: "Always",
      terminationGracePeriodSeconds: 30,
      dnsPolicy: "ClusterFirst",
      securityContext: {},
      schedulerName: "default-scheduler",
      enableServiceLinks: true,
    },
    status: {},
  });
  t.end();
});

t.test("other kinds", (t) => {
  const rows: [yaml: string, expected: object][] = [
    [
      "kind: Deployment\napiVersion: apps/v1\nspec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: 'x:1'}]}}}",
      {
        spec: {
          replicas: 1,
          strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: "25%" } },
          revisionHistoryLimit: 10,
          progressDeadlineSeconds: 600,
          template: {
            spec: {
              restartPolicy: "Always",
              enableServiceLinks: undefined,
              containers: [{ imagePullPolicy: "IfNotPresent", resources: {} }],
            },
          },
        },
        status: {},
      },
    ],
    ["kind: ReplicaSet\napiVersion: apps/v1\nspec: {}", { spec: { replicas: 1 } }],
    [
      "kind: Service\nspec: {ports: [{port: 80}, {port: 53, protocol: UDP, targetPort: dns}]}",
      {
        spec: {
          type: "ClusterIP",
          sessionAffinity: "None",
          internalTrafficPolicy: "Cluster",
          externalTrafficPolicy: undefined,
          ports: [
            { port: 80, protocol: "TCP", targetPort: 80 },
            { port: 53, protocol: "UDP", targetPort: "dns" },
          ],
        },
        status: { loadBalancer: {} },
      },
    ],
    [
      "kind: Service\nspec: {type: LoadBalancer, sessionAffinity: ClientIP}",
      {
        spec: {
          externalTrafficPolicy: "Cluster",
          allocateLoadBalancerNodePorts: true,
          sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } },
        },
      },
    ],
    ["kind: Service\nspec: {type: ExternalName}", { spec: { internalTrafficPolicy: undefined, externalTrafficPolicy: undefined } }],
    [
      "kind: Secret\nstringData: {a: b}\ndata: {a: eA==, c: ZA==}",
      { type: "Opaque", data: { a: "Yg==", c: "ZA==" }, stringData: undefined },
    ],
    ["kind: Namespace\nmetadata: {name: ns}", { metadata: { labels: { "kubernetes.io/metadata.name": "ns" } } }],
    [
      "kind: EndpointSlice\napiVersion: discovery.k8s.io/v1\naddressType: IPv4\nendpoints: [{addresses: [10.0.0.1]}]\nports: [{port: 80}]",
      { ports: [{ name: "", protocol: "TCP", port: 80 }], endpoints: [{ conditions: {} }] },
    ],
    ["kind: Endpoints\nsubsets: [{ports: [{port: 80}]}]", { subsets: [{ ports: [{ protocol: "TCP" }] }] }],
    [
      "kind: NetworkPolicy\napiVersion: networking.k8s.io/v1\nspec: {podSelector: {}, egress: [{}]}",
      { spec: { policyTypes: ["Ingress", "Egress"] } },
    ],
    ["kind: Node\nstatus: {capacity: {cpu: 4}}", { status: { allocatable: { cpu: "4" } } }],
  ];
  for (const [yaml, expected] of rows) t.match(defaulted(yaml), expected, yaml.slice(0, 40));
  t.end();
});

t.test("image tags", (t) => {
  const rows: [image: string, tag: string][] = [
    ["nginx", "latest"],
    ["nginx:latest", "latest"],
    ["nginx:1.27", "1.27"],
    ["localhost:5000/nginx", "latest"],
    ["localhost:5000/nginx:2", "2"],
    ["nginx@sha256:abc", ""],
  ];
  for (const [image, tag] of rows) t.equal(imageTag(image), tag, image);
  t.end();
});

t.test("the table resolves every type, and takes new ones", (t) => {
  for (const name of builtInSchemas.names) t.doesNotThrow(() => builtInSchemas.fields(name), name);
  const own: SchemaTable = builtInSchemas.copy();
  const fault: SchemaType = {
    fields: [
      { inline: true, type: "meta/v1.TypeMeta" },
      { json: "spec", type: "map[string]Quantity", number: 2 },
    ],
  };
  own.register("loopkube.dev/v1alpha1.Fault", fault);
  t.same([...own.fields("loopkube.dev/v1alpha1.Fault").keys()], ["kind", "apiVersion", "spec"]);
  t.notOk(builtInSchemas.has("loopkube.dev/v1alpha1.Fault"));
  t.throws(() => own.shape("nowhere/v1.Thing"), { message: "schema: unknown type nowhere/v1.Thing" });
  t.end();
});
