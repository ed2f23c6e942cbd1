// What a new user does, line by line, with the real kubectl, curl, dig and nslookup against one running cluster.
import type { Test } from "tap";
import type { Output } from "../support/command.ts";
import type { User } from "../support/command.ts";
import { type RunningCluster, startLoopkube } from "../support/running-cluster.ts";

interface Step {
  readonly title: string;
  readonly command: string;
  readonly expect: RegExp;
  /** Exit code, default 0. */
  readonly code?: number;
  /** Repeat until it passes: the step waits for something that the cluster does by itself. */
  readonly waits?: true;
}

/** Runs every acceptance line as the user. */
export async function acceptance(t: Test, user: User): Promise<void> {
  const cluster = await startLoopkube(t, "--demo", user);
  const portOf = (port: number): number => (user === "self" ? port : port + 8000);
  t.match(cluster.printed, /Ready in \d+\.\d+ s/);
  for (const step of steps(cluster, portOf)) await runStep(t, cluster, step);
  await printedCommandsWork(t, cluster);
  t.equal(await cluster.stop(), 0, "ends cleanly on SIGTERM");
}

async function runStep(t: Test, cluster: RunningCluster, step: Step): Promise<void> {
  const passes = (output: Output): boolean => output.code === (step.code ?? 0) && step.expect.test(output.stdout + output.stderr);
  const output = step.waits ? await cluster.until(step.command, passes) : await cluster.sh(step.command);
  t.ok(passes(output), step.title, { command: step.command, expected: String(step.expect), ...output });
}

/** The commands that `up` printed are run as they stand (those that end by themselves). */
async function printedCommandsWork(t: Test, cluster: RunningCluster): Promise<void> {
  const commands = [...cluster.printed.matchAll(/^ {2}((?:kubectl|curl|nslookup|npx loopkube explain) .*?)\s+# /gm)].map(
    (match) => match[1] ?? "",
  );
  t.ok(commands.length >= 5, "up prints what to type next");
  for (const command of commands) {
    const output = await cluster.sh(command.replace(/^npx /, ""));
    t.equal(output.code, 0, `printed: ${command}`, { ...output });
  }
}

function steps(cluster: RunningCluster, portOf: (port: number) => number): readonly Step[] {
  const { status } = cluster;
  const dnsIp = `127.${96 + status.index}.0.10`;
  const nodeIp = status.nodes[0]?.ip;
  const webIp = `$(kubectl get svc web -o jsonpath='{.spec.clusterIP}')`;
  const colon = portOf(80) === 80 ? "" : `:${portOf(80)}`;
  const [httpHost, httpPort] = hostPort(status.ingress.http);
  const [, httpsPort] = hostPort(status.ingress.https);
  return [
    {
      title: "kubectl get shows upstream's columns",
      command: "kubectl get nodes,pods,svc,endpointslices,ingress -A -o wide",
      expect:
        /NAME +STATUS +ROLES +AGE +VERSION +INTERNAL-IP +EXTERNAL-IP +OS-IMAGE +KERNEL-VERSION +CONTAINER-RUNTIME[\s\S]*NAMESPACE +NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +NOMINATED NODE +READINESS GATES[\s\S]*service\/kubernetes[\s\S]*ADDRESSTYPE +PORTS +ENDPOINTS[\s\S]*CLASS +HOSTS +ADDRESS +PORTS/,
    },
    {
      title: "create a deployment",
      command: "kubectl create deployment web --image=hashicorp/http-echo --replicas=3",
      expect: /deployment\.apps\/web created/,
    },
    { title: "expose it", command: "kubectl expose deployment web --port=80 --target-port=5678", expect: /service\/web exposed/ },
    {
      title: "rollout status",
      command: "kubectl rollout status deployment/web --timeout=60s",
      expect: /deployment "web" successfully rolled out/,
    },
    {
      title: "scale",
      command: "kubectl scale deployment/web --replicas=5 && kubectl rollout status deployment/web --timeout=60s",
      expect: /scaled[\s\S]*successfully rolled out/,
    },
    {
      title: "watch pods",
      command: "grep -m 5 '^web-.* 1/1 *Running *0' < <(exec timeout 60 kubectl get pods -l app=web -w 2>/dev/null)",
      expect: /(web-\S+ +1\/1 +Running +0[\s\S]*){5}/,
    },
    { title: "logs", command: "kubectl logs deployment/web", expect: /./ },
    {
      title: "the ClusterIP that kubectl printed answers",
      command: `curl -sS -m 30 http://${webIp}${colon}/`,
      expect: /hello-world/,
      waits: true,
    },
    { title: "connections go to different pods", command: "loopkube curl -n 40 http://web", expect: /(web-\S+ +\d+ +\d+ %[\s\S]*){3}/ },
    {
      title: "a pod's own IP",
      command: `curl -sS -m 30 http://$(kubectl get pods -l app=web -o jsonpath='{.items[0].status.podIP}'):5678/`,
      expect: /hello-world/,
    },
    { title: "a NodePort", command: `curl -sS -m 30 http://${nodeIp}:30080/`, expect: /Hostname: shop-/ },
    { title: "a deleted pod is replaced with a new IP, and the Service follows", command: deleteAndCompare(), expect: /^replaced$/m },
    { title: "exec nslookup", command: "kubectl exec deploy/web -- nslookup web", expect: /web\.default\.svc\.cluster\.local/ },
    {
      title: "exec -it sh on a terminal",
      command: onTerminal("kubectl exec -it deploy/web -- sh", "hostname; exit 3"),
      expect: /web-\w+-\w+[\s\S]*exit code 3/,
    },
    {
      title: "run --rm -it on a terminal",
      command: onTerminal("kubectl run tty --rm -it --restart=Never --image=busybox -- sh", "wget -qO- http://web; exit"),
      expect: /hello-world[\s\S]*pod "tty" deleted/,
    },
    {
      title: "exec -i sh",
      command: `printf 'hostname\\nexit 3\\n' | kubectl exec -i deploy/web -- sh`,
      expect: /web-[\s\S]*exit code 3/,
      code: 3,
    },
    {
      title: "run --rm with an attached program",
      command: "kubectl run t --rm -i --restart=Never --image=busybox -- wget -qO- http://web",
      expect: /hello-world[\s\S]*pod "t" deleted/,
    },
    { title: "port-forward", command: portForward(), expect: /hello-world/ },
    {
      title: "nslookup at the DNS Service",
      command: `nslookup -port=${portOf(53)} web.default.svc.cluster.local ${dnsIp}`,
      expect: /Address: 127\.\d+\.\d+\.\d+/,
    },
    {
      title: "dig over UDP",
      command: `dig +short +notcp -p ${portOf(53)} @${dnsIp} web.default.svc.cluster.local`,
      expect: /^127\.\d+\.\d+\.\d+\n$/,
    },
    {
      title: "dig over TCP, headless names list the pods",
      command: `dig +short +tcp -p ${portOf(53)} @${dnsIp} shop-pods.default.svc.cluster.local`,
      expect: /^(127\.\d+\.\d+\.\d+\n){3}$/,
    },
    {
      title: "dig at the host port",
      command: `dig +short @${hostPort(status.dns)[0]} -p ${hostPort(status.dns)[1]} SRV _http._tcp.shop.default.svc.cluster.local`,
      expect: /0 100 80 shop\.default\.svc\.cluster\.local\./,
    },
    {
      title: "the gateway by SOCKS5h",
      command: `curl -sS -m 30 -x socks5h://${status.gateway} http://web.default.svc.cluster.local/`,
      expect: /hello-world/,
    },
    {
      title: "the gateway by svc.localhost",
      command: `curl -sS -m 30 -H 'Host: web.default.svc.localhost' http://${status.gateway}/`,
      expect: /hello-world/,
    },
    {
      title: "the Ingress routes by host and path",
      command: `curl -sS -m 30 -H 'Host: shop.example' http://${httpHost}:${httpPort}/cart`,
      expect: /your cart is empty/,
    },
    {
      title: "the Ingress answers 404 for an unknown host",
      command: `curl -sS -m 30 -o /dev/null -w '%{http_code}' -H 'Host: other.example' http://${httpHost}:${httpPort}/`,
      expect: /^404$/,
    },
    {
      title: "the controller's container: its configuration, dbg, the status port",
      command:
        "kubectl exec -n ingress-nginx deploy/ingress-nginx-controller -- sh -c 'grep -m1 server_name.shop /etc/nginx/nginx.conf; /dbg backends list; curl -s http://127.0.0.1:10246/nginx_status'",
      expect: /server_name shop\.example;\n(default-.*\n)+upstream-default-backend\nActive connections: \d+ \n/,
    },
    {
      title: "CoreDNS's container: its version",
      command: "kubectl exec -n kube-system deploy/coredns -- /coredns -version",
      expect: /^CoreDNS-1\.14\.7\n/,
    },
    {
      title: "a command of its own in the controller's image",
      command:
        "kubectl run look --image=registry.k8s.io/ingress-nginx/controller:v1.15.1 --rm -i --restart=Never --command -- /nginx-ingress-controller --version",
      expect: /Release: {7}v1\.15\.1/,
    },
    {
      title: "the Ingress speaks TLS",
      command: `curl -sSk -m 30 --resolve shop.example:${httpsPort}:127.0.0.1 https://shop.example:${httpsPort}/`,
      expect: /Hostname: shop-/,
    },
    {
      title: "my own program is the image",
      command:
        "loopkube image add shop/cart:1 -- node examples/cart-server.js && kubectl create deployment mycart --image=shop/cart:1 --port=8080 && kubectl expose deployment mycart --port=80 --target-port=8080 && kubectl rollout status deployment/mycart --timeout=60s",
      expect: /successfully rolled out/,
    },
    {
      title: "my own program answers",
      command: `curl -sS -m 30 -x http://${status.gateway} http://mycart.default/`,
      expect: /"pod":"mycart-/,
      waits: true,
    },
    {
      title: "explain names DNS, rules and the endpoint",
      command: "loopkube explain --from pod/client-0 --to http://web/",
      expect: /web\.default\.svc\.cluster\.local[\s\S]*KUBE-SVC|web[\s\S]*verdict/,
    },
    {
      title: "faults as data",
      command: "loopkube fault add --from pod/nobody latency=5ms --as slow && loopkube fault list -o json && loopkube fault remove slow",
      expect: /"name": "slow",\s+"spec": \{\s+"from": \{[\s\S]*"latency": "5ms"/,
    },
    { title: "images as data", command: "loopkube image list -o json", expect: /"images": \[\s+\{\s+"image": / },
    {
      title: "explain knows the published port of the Ingress",
      command: `loopkube explain --to http://${status.ingress.http}/`,
      expect: /is the Ingress \(HTTP\)[\s\S]*verdict: DNAT/,
    },
    {
      title: "apply a folder",
      command: "kubectl apply -f examples/guestbook/",
      expect: /deployment\.apps\/frontend created[\s\S]*service\/frontend created/,
    },
    {
      title: "apply server-side",
      command: "kubectl create namespace textbook && kubectl apply --server-side -n textbook -f examples/textbook/",
      expect: /pod\/nginx serverside-applied[\s\S]*replicaset\.apps\/frontend serverside-applied/,
    },
    {
      title: "the guestbook's tiers work together",
      command: `kubectl rollout status deployment/frontend --timeout=60s >/dev/null && curl -sS -m 30 -x http://${status.gateway} 'http://frontend.default/guestbook.php?cmd=set&key=messages&value=hi' && curl -sS -m 30 -x http://${status.gateway} 'http://frontend.default/guestbook.php?cmd=get&key=messages'`,
      expect: /Updated[\s\S]*hi/,
      waits: true,
    },
    {
      title: "textbook pods say hello",
      command: "kubectl logs -n textbook busybox && kubectl get -n textbook rs frontend",
      expect: /Hello from busybox[\s\S]*frontend +3 +3/,
      waits: true,
    },
    {
      title: "hello-world: frontend, backend and Ingress",
      command: `kubectl create namespace hello; kubectl apply -n hello -f examples/hello/ && kubectl rollout status -n hello deployment/frontend --timeout=60s && curl -sS -m 30 -H 'Host: hello-world.example' http://${httpHost}:${httpPort}/`,
      expect: /"message": ?"Hello"/,
      waits: true,
    },
    { title: "status -o json", command: "loopkube status -o json", expect: /"addressPlan": "direct"/ },
    {
      title: "unknown kinds are refused with kubectl's words",
      command: "printf 'apiVersion: v1\\nkind: Nope\\nmetadata: {name: x}\\n' | kubectl apply -f -",
      expect: /no matches for kind "Nope" in version "v1"/,
      code: 1,
    },
    {
      title: "unknown fields are refused with kubectl's words",
      command: "printf 'apiVersion: v1\\nkind: Service\\nmetadata: {name: x}\\nspec: {prots: []}\\n' | kubectl apply -f -",
      expect: /strict decoding error: unknown field "spec\.prots"/,
      code: 1,
    },
  ];
}

const deleteAndCompare = (): string => `
  pod=$(kubectl get pods -l app=web -o jsonpath='{.items[0].metadata.name}'); ip=$(kubectl get pod $pod -o jsonpath='{.status.podIP}')
  kubectl delete pod $pod >/dev/null && kubectl rollout status deployment/web --timeout=60s >/dev/null
  ips=$(kubectl get pods -l app=web -o jsonpath='{.items[*].status.podIP}')
  slice=$(kubectl get endpointslices -l kubernetes.io/service-name=web -o jsonpath='{.items[*].endpoints[*].addresses[0]}')
  [ "$(echo $ips | tr ' ' '\\n' | sort)" = "$(echo $slice | tr ' ' '\\n' | sort)" ] && ! echo $slice | grep -qw "$ip" && echo replaced || echo "pods: $ips slice: $slice old: $ip"`;

/** Runs a command on a pseudo-terminal and types one line into it. */
const onTerminal = (command: string, line: string): string => `
  mkfifo "$HOME/typed" && (script -qec '${command}' /dev/null <"$HOME/typed" >"$HOME/screen" 2>&1 & echo $! >"$HOME/pid"; exec 3>"$HOME/typed"
  for i in $(seq 1200); do grep -q '[#$] ' "$HOME/screen" 2>/dev/null && break; sleep 0.05; done
  printf '%s\\r' '${line}' >&3; wait); cat "$HOME/screen"; rm -f "$HOME/typed"`;

const portForward = (): string => `
  kubectl port-forward svc/web :80 >"$HOME/pf" 2>&1 & pid=$!
  for i in $(seq 1200); do port=$(sed -n 's/.*127.0.0.1:\\([0-9]*\\) .*/\\1/p' "$HOME/pf" | head -1); [ -n "$port" ] && break; sleep 0.05; done
  curl -sS -m 30 http://127.0.0.1:$port/; kill $pid; rm -f "$HOME/pf"`;

function hostPort(address: string): readonly [host: string, port: string] {
  const bare = address.replace(/^https?:\/\//, "").replace(/\/$/, "");
  const colon = bare.lastIndexOf(":");
  return [bare.slice(0, colon), bare.slice(colon + 1)];
}
