// What `up` prints to type next.
import t from "tap";
import { nextCommands } from "../../cli/next-commands.ts";

const STATUS = { dns: "127.0.0.1:10053", gateway: "127.0.0.1:1080", ingress: { http: "127.0.0.1:8080", https: "127.0.0.1:8443" } };
const SERVICE = "kind: Service\nmetadata: {name: api, namespace: shop}\nspec: {ports: [{port: 53, protocol: UDP}, {port: 8000}]}\n";
const commands = (manifests: readonly string[], demo = false, name = "loopkube"): readonly string[] =>
  nextCommands(STATUS, { name, demo, detached: true, manifests })
    .split("\n")
    .map((line) => line.split("  #")[0]?.trim() ?? "");

t.strictSame(commands([]).slice(1, 3), [
  "kubectl create deployment web --image=hashicorp/http-echo --replicas=3",
  "kubectl expose deployment web --port=80 --target-port=5678",
]);
t.match(commands([], true).join("\n"), "http://shop.default.svc.cluster.local/");
t.strictSame(
  commands([`kind: Deployment\nmetadata: {name: api}\n---\n${SERVICE}`], false, "lab"),
  [
    "kubectl get nodes,pods,svc -A -o wide",
    "npx loopkube curl --name lab -n 6 http://api.shop:8000",
    "npx loopkube explain --name lab --to api.shop:8000",
    "curl -x socks5h://127.0.0.1:1080 http://api.shop.svc.cluster.local:8000/",
    "nslookup -port=10053 api.shop.svc.cluster.local 127.0.0.1",
    "npx loopkube down --name lab",
  ],
  "of one's own manifests: their Service",
);
t.strictSame(
  commands([SERVICE.replace("8000", "6379")]).slice(1, -1),
  ["npx loopkube explain --to api.shop:6379", "nslookup -port=10053 api.shop.svc.cluster.local 127.0.0.1"],
  "no HTTP",
);
t.equal(
  commands([SERVICE.replace("8000", "6379"), SERVICE.replaceAll("api", "front")])[1],
  "npx loopkube curl -n 6 http://front.shop:8000",
);
t.match(commands([SERVICE.replace(", namespace: shop", "").replace("8000", "80")])[1], "npx loopkube curl -n 6 http://api");
t.strictSame(commands(["kind: ConfigMap\nmetadata: {name: x}\n---\n"]), ["kubectl get nodes,pods,svc -A -o wide", "npx loopkube down"]);
