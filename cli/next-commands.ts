// What to type next, with the addresses and ports that work for this user.
import { parseAllDocuments } from "yaml";
import type { Service, ServicePort } from "../model/kinds/core-v1.ts";
import type { JsonObject } from "../model/object.ts";

/** How a command names the cluster; nothing for the one that commands mean without it. */
export const nameOption = (name: string): string => (name === "loopkube" ? "" : ` --name ${name}`);

interface Options {
  readonly name: string;
  readonly demo: boolean;
  readonly detached: boolean;
  /** Texts of the manifests that were applied. */
  readonly manifests: readonly string[];
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
  } else if (options.manifests.length > 0) {
    const service = serviceOf(options.manifests);
    if (service) {
      const { name, namespace, port, isHttp } = service;
      const short = namespace === "default" ? name : `${name}.${namespace}`;
      const full = `${name}.${namespace}.svc.cluster.local`;
      const at = port === 80 ? "" : `:${port}`;
      if (isHttp) lines.push([`npx loopkube curl${nameOption(options.name)} -n 6 http://${short}${at}`, "which pods answer"]);
      lines.push([`npx loopkube explain${nameOption(options.name)} --to ${short}:${port}`, "which pods could, and why"]);
      if (isHttp) lines.push([`curl -x socks5h://${gateway} http://${full}${at}/`, "any name in the cluster, from any program"]);
      lines.push([`nslookup -port=${dnsPort} ${full} ${dnsHost}`, "cluster DNS"]);
    }
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
  const width = Math.min(88, Math.max(...lines.map(([command]) => command.length)));
  return lines.map(([command, what]) => `  ${command.padEnd(width)}  # ${what}`).join("\n");
}

interface Target {
  readonly name: string;
  readonly namespace: string;
  readonly port: number;
  readonly isHttp: boolean;
}

/** A Service with a TCP port, one that looks like HTTP if there is any. */
function serviceOf(manifests: readonly string[]): Target | undefined {
  const found = manifests.flatMap((text) =>
    [...parseAllDocuments(text)].flatMap((document): readonly Target[] => {
      const object = document.toJS() as Partial<Service> | null;
      if (object?.kind !== "Service" || !object.metadata) return [];
      const { name, namespace = "default" } = object.metadata;
      const ports = object.spec?.ports?.filter(({ protocol = "TCP" }) => protocol === "TCP") ?? [];
      return ports.map((port) => ({ name, namespace, port: port.port, isHttp: looksLikeHttp(port) }));
    }),
  );
  return found.find(({ isHttp }) => isHttp) ?? found[0];
}

const looksLikeHttp = ({ name = "", port, appProtocol = name }: ServicePort): boolean =>
  [80, 8000, 8080].includes(port) || /^(http|web)(?!s)/.test(appProtocol);

function split(address: string): readonly [host: string, port: string] {
  const colon = address.lastIndexOf(":");
  return [address.slice(0, colon).replace(/^https?:\/\//, ""), address.slice(colon + 1)];
}
