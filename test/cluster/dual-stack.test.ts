// A dual-stack cluster: two addresses per pod, node and Service that asks for them, one EndpointSlice per family, and traffic over both.
import { promises as dns } from "node:dns";
import { get, type RequestOptions } from "node:http";
import t, { type Test } from "tap";
import { createApiClient } from "../../cluster/api-client.ts";
import { type Cluster, type ClusterOptions, startCluster } from "../../cluster/index.ts";
import { ipFamily } from "../../model/ip.ts";
import { EndpointSlices, Nodes, Pods, Services } from "../../model/resources.ts";
import { dialUnlessDropped } from "../netsim/test-fabric.ts";
import { type Greeting, helloDeployment, startHello } from "./hello-cluster.ts";

const greeting: Greeting = ({ env, files, hostname }, { url, socket }) =>
  url === "/pod"
    ? `${env["IPS"]} ${env["HOST_IPS"]}\n${files.read("/etc/hosts")}`
    : `${hostname} at ${socket.localAddress} saw ${socket.remoteAddress}`;

const web = (name: string, spec: string): string => `
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}], ${spec}}
`;

const PODS = `${helloDeployment(2)}---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  containers:
  - name: client
    image: test/hello
    env:
    - {name: IPS, valueFrom: {fieldRef: {fieldPath: status.podIPs}}}
    - {name: HOST_IPS, valueFrom: {fieldRef: {fieldPath: status.hostIPs}}}
`;

const start = (t: Test, options: ClusterOptions): Promise<Cluster> => startHello(t, greeting, { nodes: 2, ...options });

const families = (ips: readonly (string | undefined)[] | undefined): string => (ips ?? []).map((ip) => ipFamily(ip ?? "")).join(" ");

t.test("both families", async (t) => {
  const cluster = await start(t, { addressPlan: "mapped", ipFamilies: ["IPv4", "IPv6"] });
  await cluster.apply(
    [
      PODS,
      web("both", "ipFamilyPolicy: PreferDualStack, type: LoadBalancer"),
      web("required", "ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6, IPv4]"),
      web("single", "ipFamilyPolicy: SingleStack"),
      web("six", "ipFamilyPolicy: SingleStack, ipFamilies: [IPv6], type: NodePort"),
      web("headless", "ipFamilyPolicy: PreferDualStack, clusterIP: None"),
    ].join("---"),
  );
  await cluster.ready();
  await cluster.settle();
  const service = (name: string) => cluster.store.get(Services, "default", name)?.spec;
  const client = cluster.store.get(Pods, "default", "client");
  const clientIps = client?.status?.podIPs?.map(({ ip }) => ip ?? "") ?? [];

  await t.test("objects", async (t) => {
    const rows: [string, string, string][] = [
      ["both", "IPv4 IPv6", "IPv4 IPv6"],
      ["required", "IPv6 IPv4", "IPv4 IPv6"],
      ["single", "IPv4", "IPv4"],
      ["six", "IPv6", "IPv6"],
      ["headless", "", "IPv4 IPv6"],
    ];
    for (const [name, ips, slices] of rows) {
      t.equal(families(service(name)?.clusterIPs?.filter((ip) => ip !== "None")), ips, `${name}: ClusterIPs`);
      const found = cluster.store.list(EndpointSlices, { labels: (labels) => labels?.["kubernetes.io/service-name"] === name });
      t.equal(
        found
          .map((slice) => slice.addressType)
          .sort()
          .join(" "),
        slices,
        `${name}: EndpointSlices`,
      );
      for (const slice of found)
        t.equal(families(slice.endpoints?.flatMap(({ addresses }) => addresses)), `${slice.addressType} ${slice.addressType}`);
    }
    for (const pod of cluster.store.list(Pods)) {
      t.equal(families(pod.status?.podIPs?.map(({ ip }) => ip)), "IPv4 IPv6", pod.metadata.name);
      t.equal(pod.status?.podIPs?.[0]?.ip, pod.status?.podIP);
      t.equal(families(pod.status?.hostIPs?.map(({ ip }) => ip)), "IPv4 IPv6");
    }
    for (const node of cluster.store.list(Nodes)) {
      const internal = (node.status?.addresses ?? []).filter(({ type }) => type === "InternalIP").map(({ address }) => address);
      t.equal(families(internal), "IPv4 IPv6", node.metadata.name);
      t.equal(families(node.spec?.podCIDRs?.map((block) => block.split("/")[0])), "IPv4 IPv6");
    }
    const balancer = cluster.store.get(Services, "default", "both")?.status?.loadBalancer?.ingress ?? [];
    t.equal(families(balancer.map(({ ip }) => ip)), "IPv4 IPv6", "a load balancer address of each family");
    t.equal(service("six")?.clusterIP, service("six")?.clusterIPs?.[0]);
  });

  await t.test("traffic over both, by address", async (t) => {
    const balancer = cluster.store.get(Services, "default", "both")?.status?.loadBalancer?.ingress?.map(({ ip }) => ip ?? "") ?? [];
    const nodePort = service("six")?.ports?.[0]?.nodePort;
    const nodeIp = cluster.nodes[1]?.ips?.[1] ?? "";
    for (const ip of [...(service("both")?.clusterIPs ?? []), ...(service("required")?.clusterIPs ?? []), ...balancer]) {
      const host = ipFamily(ip) === "IPv6" ? `[${ip}]` : ip;
      const [pod = "", local = "", remote = ""] = (await (await cluster.fetch(`http://${host}/`, { from: "pod/client" })).text()).split(
        / at | saw /,
      );
      t.match(pod, /^web-/);
      t.equal(ipFamily(local), ipFamily(ip), `${ip}: the endpoint is of the same family`);
      if (!balancer.includes(ip)) t.ok(clientIps.includes(remote), `${ip}: the client's own address is kept: ${remote}`);
      const socket = cluster.fabric.socketOf({ ip, port: 80 }, "TCP");
      const outside = await textOf({ host: socket?.ip, port: socket?.port });
      t.match(outside, /^web-/, `${ip}: from a program of this machine`);
      t.equal(ipFamily(outside.split(" saw ")[1] ?? ""), ipFamily(ip), "masqueraded as the node's address of the same family");
    }
    t.match(await (await cluster.fetch(`http://[${nodeIp}]:${nodePort}/`)).text(), /^web-/, "NodePort on the node's IPv6 address");
    await t.rejects(cluster.fetch(`http://${cluster.nodes[1]?.ip}:${nodePort}/`), { code: "ECONNREFUSED" }, "and on no IPv4 address");
  });

  await t.test("names", async (t) => {
    const rows: [string, string, number][] = [
      ["both", "A", 1],
      ["both", "AAAA", 1],
      ["single", "AAAA", 0],
      ["six", "A", 0],
      ["six", "AAAA", 1],
      ["headless", "A", 2],
      ["headless", "AAAA", 2],
    ];
    for (const [name, type, count] of rows) {
      const records = await cluster.resolve(`${name}.default.svc.cluster.local`, type);
      t.equal(records.filter((record) => record.type === type).length, count, `${name} ${type}`);
    }
    const [aaaa] = await cluster.resolve("both.default.svc.cluster.local", "AAAA");
    t.equal(aaaa?.data, service("both")?.clusterIPs?.[1]);
    const [ptr] = await cluster.resolve(reverse(service("both")?.clusterIPs?.[1] ?? ""), "PTR");
    t.equal(ptr?.data, "both.default.svc.cluster.local.");
    for (const name of ["both", "six", "headless:8080"]) {
      t.match(await (await cluster.fetch(`http://${name}/`, { from: "pod/client" })).text(), /^web-/, name);
    }
  });
});

t.test("a Service gains a second family and loses it again, in place", async (t) => {
  const cluster = await start(t, { ipFamilies: ["IPv4", "IPv6"], nodes: 1 });
  await cluster.apply([PODS, web("web", "type: LoadBalancer")].join("---"));
  await cluster.ready();
  const seen = async (): Promise<string> => {
    await cluster.settle();
    const service = cluster.store.get(Services, "default", "web");
    const slices = cluster.store.list(EndpointSlices, { labels: (labels) => labels?.["kubernetes.io/service-name"] === "web" });
    const ingress = service?.status?.loadBalancer?.ingress?.map(({ ip }) => ip);
    return [
      families(service?.spec?.clusterIPs),
      families(ingress),
      slices
        .map((slice) => slice.addressType)
        .sort()
        .join(" "),
    ].join("; ");
  };
  t.equal(await seen(), "IPv4; IPv4; IPv4");
  const first = cluster.store.get(Services, "default", "web")?.spec?.clusterIP;
  await cluster.store.mutate(Services, "default", "web", (draft) => void (draft.spec.ipFamilyPolicy = "PreferDualStack"));
  t.equal(await seen(), "IPv4 IPv6; IPv4 IPv6; IPv4 IPv6");
  const second = cluster.store.get(Services, "default", "web")?.spec?.clusterIPs?.[1] ?? "";
  t.match(await (await cluster.fetch(`http://[${second}]/`, { from: "pod/client" })).text(), /^web-/);
  await cluster.store.mutate(Services, "default", "web", (draft) => void (draft.spec.ipFamilyPolicy = "SingleStack"));
  t.equal(await seen(), "IPv4; IPv4; IPv4");
  t.equal(cluster.store.get(Services, "default", "web")?.spec?.clusterIP, first);
  t.equal(cluster.fabric.socketOf({ ip: second, port: 80 }, "TCP"), undefined, "its listener is gone");
});

t.test("what goes around Services: gateway, UDP, policies, explain", async (t) => {
  const cluster = await start(t, { ipFamilies: ["IPv4", "IPv6"] });
  t.equal(cluster.status()["addressPlan"], "mapped", "implied");
  const dnsSix = `
apiVersion: v1
kind: Service
metadata: {name: dns-six, namespace: kube-system}
spec: {selector: {k8s-app: kube-dns}, ipFamilies: [IPv6], ports: [{port: 53, protocol: UDP}]}
`;
  await cluster.apply([PODS, web("six", "ipFamilies: [IPv6]"), dnsSix].join("---"));
  await cluster.ready();
  await cluster.settle();
  const six = cluster.store.get(Services, "default", "six")?.spec?.clusterIP ?? "";

  await t.test("gateway", async (t) => {
    const [host = "", port] = String(cluster.status()["gateway"]).split(":");
    for (const url of [`http://[${six}]/`, "http://six.default/"])
      t.match(await textOf({ host, port: Number(port), path: url }), /^web-/, url);
  });
  await t.test("UDP, and a pod's environment and hosts file", async (t) => {
    const ip = cluster.store.get(Services, "kube-system", "dns-six")?.spec?.clusterIP ?? "";
    const socket = cluster.fabric.socketOf({ ip, port: 53 }, "UDP");
    const resolver = new dns.Resolver();
    resolver.setServers([`${socket?.ip === "::1" ? "[::1]" : socket?.ip}:${socket?.port}`]);
    t.strictSame(await resolver.resolve6("six.default.svc.cluster.local"), [six]);
    const { status } = cluster.store.get(Pods, "default", "client") ?? {};
    const [four, ips6] = status?.podIPs?.map((entry) => entry.ip) ?? [];
    const text = await (await cluster.fetch(`http://[${ips6}]:8080/pod`)).text();
    t.match(text, `${four},${ips6} ${status?.hostIPs?.map((entry) => entry.ip).join(",")}\n`, "fieldRef podIPs and hostIPs");
    t.match(text, `${four}\tclient\n${ips6}\tclient\n`, "hosts file");
  });
  await t.test("explain and dump", async (t) => {
    using client = createApiClient(cluster.kubeconfig);
    const explained = JSON.stringify(await client.request("GET", "/apis/loopkube.dev/v1alpha1/explain?from=pod/client&to=http://six/"));
    t.match(explained, `AAAA: NOERROR AAAA ${six}`, "a name that has no A record");
    t.match(explained, `ClusterIP [${six}]:80/TCP is default/six`);
    const rows: [string, string][] = [
      ["nft", `${six} . tcp . 80 : goto service-`],
      ["iptables", `-d ${six}/128`],
      ["ipvs", `TCP  [${six}]:80 rr`],
    ];
    for (const [as, line] of rows) {
      t.match(await client.text(`/apis/loopkube.dev/v1alpha1/dump?name=rules&node=loopkube-worker&as=${as}`), line, as);
    }
  });
  await t.test("policies", async (t) => {
    const policy = (peer: string): string => `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{from: [${peer}]}]}
`;
    const client = cluster.store.get(Pods, "default", "client")?.status?.podIPs?.[1]?.ip;
    const endpoint = cluster.store.list(Pods, { labels: (labels) => labels?.["app"] === "web" })[0]?.status?.podIPs?.[1]?.ip ?? "";
    const allowed = async (): Promise<boolean> => {
      const socket = await dialUnlessDropped(cluster.fabric, cluster.fabric.identify(client ?? ""), { ip: endpoint, port: 8080 });
      socket?.destroy();
      return socket !== undefined;
    };
    const rows: [string, boolean][] = [
      [`{ipBlock: {cidr: ${client}/128}}`, true],
      ["{ipBlock: {cidr: 0.0.0.0/0}}", false],
      ["{podSelector: {matchLabels: {app: other}}}", false],
      ["{podSelector: {}}", true],
    ];
    for (const [peer, expected] of rows) {
      await cluster.apply(policy(peer));
      await cluster.settle();
      t.equal(await allowed(), expected, peer);
    }
  });
});

t.test("RequireDualStack is refused where there is one family", async (t) => {
  const cluster = await start(t, { addressPlan: "mapped" });
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace: "default" },
    spec: { ipFamilyPolicy: "RequireDualStack", selector: { app: "web" }, ports: [{ port: 80 }] },
  } as const;
  await t.rejects(cluster.store.create(Services, service), {
    message:
      'Service "web" is invalid: spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
  });
});

t.test("dual-stack needs the mapped plan", async (t) => {
  await t.rejects(startCluster({ addressPlan: "direct", ipFamilies: ["IPv4", "IPv6"] }), {
    message: "dual-stack needs the mapped address plan: IPv6 has no loopback block whose addresses could be dialled directly",
  });
  await t.rejects(startCluster({ ipFamilies: ["IPv6", "IPv4"] }), { message: /^IP families IPv6,IPv4 are not supported/ });
});

/** As curl on this machine would. */
async function textOf(options: RequestOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ ...options, agent: false }, (answer) => {
      let text = "";
      answer
        .setEncoding("utf8")
        .on("data", (chunk: string) => (text += chunk))
        .on("end", () => resolve(text));
    }).on("error", reject);
  });
}

function reverse(ip: string): string {
  const groups = new URL(`http://[${ip}]`).hostname.slice(1, -1).split("::");
  const [head = [], tail = []] = groups.map((part) => part.split(":").filter((group) => group !== ""));
  const all = [...head, ...Array<string>(8 - head.length - tail.length).fill("0"), ...tail].map((group) => group.padStart(4, "0"));
  return `${[...all.join("")].reverse().join(".")}.ip6.arpa.`;
}
