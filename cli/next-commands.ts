// What to type next, with the addresses and ports that work for this user.
import type { JsonObject } from "../model/object.ts";

/** How a command names the cluster; nothing for the one that commands mean without it. */
export const nameOption = (name: string): string => (name === "loopkube" ? "" : ` --name ${name}`);

interface Options {
  readonly name: string;
  readonly demo: boolean;
  readonly detached: boolean;
}

/** A few commands to try, aligned, each with what it shows. */
export function nextCommands(status: JsonObject, options: Options): string {
  const ingress = status["ingress"] as { readonly http: string; readonly https: string };
  const [dnsHost, dnsPort] = split(String(status["dns"]));
  const gateway = String(status["gateway"]);
  const reachable = (status["reachable"] ?? {}) as { readonly dns?: string; readonly nodePort?: string };
  const lines: [string, string][] = [["kubectl get nodes,pods,svc -A -o wide", "everything there is"]];
  if (options.demo) {
    if (reachable.nodePort) lines.push([`curl http://${reachable.nodePort}/`, "the shop through a NodePort; again: the next pod"]);
    lines.push([`curl -H 'Host: shop.example' http://${ingress.http}/cart`, "through the Ingress"]);
    const [, httpsPort] = split(ingress.https);
    lines.push([`curl -k --resolve shop.example:${httpsPort}:127.0.0.1 https://shop.example:${httpsPort}/cart`, "with TLS"]);
    lines.push([`nslookup -port=${dnsPort} shop.default.svc.cluster.local ${dnsHost}`, "cluster DNS"]);
    lines.push([`curl -x socks5h://${gateway} http://shop.default.svc.cluster.local/`, "any name in the cluster, from any program"]);
    lines.push(["kubectl exec client-0 -- wget -qO- http://shop", "from inside a pod"]);
    lines.push([`npx loopkube explain${nameOption(options.name)} --from pod/client-0 --to http://shop/`, "which pod, and why"]);
  } else {
    lines.push(["kubectl create deployment web --image=hashicorp/http-echo --replicas=3", "three pods"]);
    lines.push(["kubectl expose deployment web --port=80 --target-port=5678", "a Service in front of them"]);
    lines.push([`curl -x socks5h://${gateway} http://web.default.svc.cluster.local/`, "any name in the cluster, from any program"]);
    lines.push([`nslookup -port=${dnsPort} web.default.svc.cluster.local ${dnsHost}`, "cluster DNS"]);
  }
  lines.push(
    options.detached
      ? [`npx loopkube down${nameOption(options.name)}`, "stop it"]
      : [`npx loopkube status${nameOption(options.name)}`, "all addresses; Ctrl-C here stops the cluster"],
  );
  const width = Math.min(76, Math.max(...lines.map(([command]) => command.length)));
  return lines.map(([command, what]) => `  ${command.padEnd(width)}  # ${what}`).join("\n");
}

function split(address: string): readonly [host: string, port: string] {
  const colon = address.lastIndexOf(":");
  return [address.slice(0, colon).replace(/^https?:\/\//, ""), address.slice(colon + 1)];
}
