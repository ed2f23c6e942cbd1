// What to type when the host of a URL leads nowhere: the Ingress that serves it, a Service with nearly that name, the explanation.
import type { ApiClient } from "../cluster/api-client.ts";
import type { Service } from "../model/kinds/core-v1.ts";
import type { Ingress } from "../model/kinds/networking-v1.ts";
import type { ObjectMeta } from "../model/object.ts";

/** Lines of advice; none when the host is an address, a Service's name, or like nothing there is. `command` is what was typed, with its name; `ingress` where the cluster's is. */
export async function unknownHostAdvice(client: ApiClient, url: URL, command: string, ingress: string): Promise<readonly string[]> {
  const { hostname: host, pathname, search } = url;
  if (/^[\d.]+$|:/.test(host)) return [];
  const ingresses = await list<Ingress>(client, "/apis/networking.k8s.io/v1/ingresses");
  const served = ingresses.some(({ spec }) => spec?.rules?.some((rule) => rule.host === host) ?? false);
  if (served) return [`an Ingress serves ${host}: ${command} -H 'Host: ${host}' http://${ingress}${pathname}${search}`];
  return nearServices(client, host);
}

/** `Did you mean web?` for a name that is no Service's as it is written. */
export async function nearServices(client: ApiClient, host: string): Promise<readonly string[]> {
  const [name = "", namespace = "default"] = host.split(".");
  const services = await list<Service>(client, "/api/v1/services");
  const written = ({ metadata }: { readonly metadata: ObjectMeta }): string =>
    metadata.namespace === "default" ? metadata.name : `${metadata.name}.${metadata.namespace}`;
  if (services.some(({ metadata }) => metadata.name === name && metadata.namespace === namespace)) return [];
  const same = services.filter(({ metadata }) => metadata.name === name);
  const found = same.length > 0 ? same.map(written) : nearest(name, services.map(written));
  return found.length === 0 ? [] : [`Did you mean ${found.slice(0, 3).join(" or ")}?`];
}

/** Candidates that are one or two slips of the keyboard away, the nearest first; one for short names. */
export function nearest(text: string, candidates: readonly string[]): readonly string[] {
  const allowed = text.length <= 3 ? 1 : 2;
  return candidates
    .map((candidate) => [candidate, distance(text, candidate)] as const)
    .filter(([, slips]) => slips > 0 && slips <= allowed)
    .sort(([, a], [, b]) => a - b)
    .map(([candidate]) => candidate);
}

/** Letters to add, drop, change or swap (optimal string alignment). */
function distance(a: string, b: string): number {
  let [before, above]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const best = Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, change);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(isSwap ? Math.min(best, (before[j - 2] ?? 0) + 1) : best);
    }
    [before, above] = [above, row];
  }
  return above[b.length] ?? 0;
}

async function list<T>(client: ApiClient, path: string): Promise<readonly T[]> {
  return ((await client.request("GET", path)) as unknown as { items: readonly T[] }).items;
}
