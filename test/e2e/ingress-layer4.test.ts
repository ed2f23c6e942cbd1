// ssl-passthrough, tcp-services, udp-services and PROXY protocol as a user of kubectl, curl, openssl, nc and dig meets them.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { selfSignedCertificate } from "../../model/x509.ts";
import { missingPrograms } from "../support/command.ts";
import { type RunningCluster, startLoopkube } from "../support/running-cluster.ts";

const MANIFEST = `
apiVersion: v1
kind: ConfigMap
metadata: { name: tcp-services, namespace: ingress-nginx }
data: { "9000": "default/whoami:80", "9005": "default/whoami:web:PROXY", "9006": "default/none:1" }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: udp-services, namespace: ingress-nginx }
data: { "5300": "kube-system/kube-dns:dns" }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: whoami }
spec:
  selector: { matchLabels: { app: whoami } }
  template:
    metadata: { labels: { app: whoami } }
    spec: { containers: [{ name: whoami, image: traefik/whoami }] }
---
apiVersion: v1
kind: Service
metadata: { name: whoami }
spec: { selector: { app: whoami }, ports: [{ name: web, port: 80 }] }
`;

/** `kubectl patch --type=json` of additions to a list. */
const additions = (path: string, values: readonly unknown[]): string =>
  `'${JSON.stringify(values.map((value) => ({ op: "add", path, value })))}'`;

const FLAGS = [
  "--enable-ssl-passthrough",
  "--tcp-services-configmap=ingress-nginx/tcp-services",
  "--udp-services-configmap=ingress-nginx/udp-services",
];
const PORTS = [
  { name: "tcp-9000", port: 9000, targetPort: 9000, protocol: "TCP" },
  { name: "tcp-9005", port: 9005, targetPort: 9005, protocol: "TCP" },
  { name: "udp-5300", port: 5300, targetPort: 5300, protocol: "UDP" },
];

t.test("below HTTP", { skip: missingPrograms("kubectl", "curl", "openssl", "nc", "dig") }, async (t) => {
  t.setTimeout(120_000);
  const cluster = await startLoopkube(t, "");
  const home = cluster.env["HOME"] ?? "";
  const pair = selfSignedCertificate({
    commonName: "the pod's own",
    organizations: [],
    dnsNames: ["pass.example"],
    usages: ["server"],
    days: 1,
    now: Date.now(),
  });
  for (const name of ["key", "cert"] as const) writeFileSync(join(home, `pod.${name}`), pair[name]);
  writeFileSync(join(home, "manifest.yaml"), MANIFEST);
  const controller = "deployment/ingress-nginx-controller -n ingress-nginx";
  for (const command of [
    `loopkube image add tls-pod -- sh -c 'exec openssl s_server -quiet -www -accept $PORT -cert ${home}/pod.cert -key ${home}/pod.key'`,
    `kubectl apply -f ${home}/manifest.yaml`,
    "kubectl create deployment tls --image=tls-pod --port=8443 && kubectl expose deployment tls --port=443 --target-port=8443",
    "kubectl create ingress pass --class=nginx --rule='pass.example/*=tls:443' --annotation nginx.ingress.kubernetes.io/ssl-passthrough=true",
    "kubectl create ingress who --class=nginx --rule='who.example/*=whoami:80'",
    `kubectl patch ${controller} --type=json -p ${additions("/spec/template/spec/containers/0/args/-", FLAGS)}`,
    `kubectl patch service/ingress-nginx-controller -n ingress-nginx --type=json -p ${additions("/spec/ports/-", PORTS)}`,
    `kubectl rollout status ${controller} --timeout=60s`,
    "kubectl rollout status deployment/tls --timeout=60s && kubectl rollout status deployment/whoami --timeout=60s",
  ]) {
    const output = await cluster.sh(command);
    t.equal(output.code, 0, command, { ...output });
  }
  await cluster.until("loopkube status -o json", ({ stdout }) => /"5300": ?"/.test(stdout));
  for (const { title, command, expect } of await steps(cluster)) {
    const output = await cluster.until(command, ({ stdout, stderr }) => expect.test(stdout + stderr));
    t.match(output.stdout + output.stderr, expect, title, { command });
  }
  t.equal(await cluster.stop(), 0);
});

interface Step {
  readonly title: string;
  readonly command: string;
  readonly expect: RegExp;
}

async function steps(cluster: RunningCluster): Promise<readonly Step[]> {
  const { ingress } = JSON.parse((await cluster.sh("loopkube status -o json")).stdout);
  const [host = "", https = ""] = String(ingress.https).split(":");
  const tcp = (port: number): string => String(ingress.tcp[String(port)]).replace(":", " ");
  const [dnsHost = "", dnsPort = ""] = String(ingress.udp["5300"]).split(":");
  const toHttps = (name: string): string => `curl -sSkv -m 30 --resolve ${name}:${https}:${host} https://${name}:${https}/ 2>&1`;
  const configure = "kubectl -n ingress-nginx create configmap ingress-nginx-controller --from-literal=use-proxy-protocol=true";
  return [
    {
      title: "curl gets the pod's certificate and answer",
      command: toHttps("pass.example"),
      expect: /subject: CN=the pod's own[\s\S]*s_server/,
    },
    {
      title: "other names end at the controller",
      command: toHttps("who.example"),
      expect: /Kubernetes Ingress Controller Fake Certificate[\s\S]*Hostname: whoami-/,
    },
    {
      title: "openssl too",
      command: `echo | openssl s_client -connect ${host}:${https} -servername pass.example 2>/dev/null`,
      expect: /subject=CN = ?the pod's own/,
    },
    {
      title: "without SNI the controller answers",
      command: `echo | openssl s_client -connect ${host}:${https} -noservername 2>/dev/null`,
      expect: /subject=.*Kubernetes Ingress Controller Fake Certificate/,
    },
    {
      title: "explain tells it",
      command: "loopkube explain request https://pass.example/",
      expect: /sends the connection unopened to Service default\/tls/,
    },
    {
      title: "a TCP service by nc",
      command: `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 30 ${tcp(9000)}`,
      expect: /^HTTP\/1\.1 200 OK[\s\S]*Hostname: whoami-/,
    },
    {
      title: "a TCP service that decodes PROXY protocol",
      command: `curl -sS -m 30 --haproxy-protocol http://${tcp(9005).replace(" ", ":")}/`,
      expect: /^Hostname: whoami-/,
    },
    {
      title: "without the header it hangs up",
      command: `curl -sS -m 30 http://${tcp(9005).replace(" ", ":")}/`,
      expect: /Empty reply from server|reset by peer/,
    },
    {
      title: "a UDP service by dig",
      command: `dig +short +time=30 +tries=1 @${dnsHost} -p ${dnsPort} whoami.default.svc.cluster.local`,
      expect: /^127\./,
    },
    {
      title: "a wrong entry is a Warning",
      command: "kubectl -n ingress-nginx get events --field-selector involvedObject.kind=ConfigMap",
      expect: /Warning +Rejected +configmap\/tcp-services +Error getting Service "default\/none"/,
    },
    {
      title: "and in the controller's log",
      command: "kubectl -n ingress-nginx logs deployment/ingress-nginx-controller",
      expect: /Error getting Service "default\/none"/,
    },
    {
      title: "dump routes lists them",
      command: "loopkube dump routes",
      expect: /tcp 9000 -> default\/whoami:80 .*[\s\S]*udp 5300 -> kube-system\/kube-dns:dns/,
    },
    {
      title: "use-proxy-protocol takes effect while it runs",
      command: `${configure} >/dev/null 2>&1; curl -sS -m 30 --haproxy-protocol -H 'Host: who.example' http://${ingress.http}/`,
      expect: /X-Forwarded-For: 127\.0\.0\.1/,
    },
    {
      title: "and a plain request is hung up on",
      command: `curl -sS -m 30 -H 'Host: who.example' http://${ingress.http}/`,
      expect: /Empty reply from server|reset by peer/,
    },
  ];
}
