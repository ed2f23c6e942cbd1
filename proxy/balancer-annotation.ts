// What an annotation `loopkube.dev/balancer` comes to in the cluster's proxy modes: a user who asks for an algorithm in vain is told.
import { balancerKind, balancerKinds } from "../balancers/index.ts";
import { isIpvsScheduler } from "./chooser.ts";
import type { ProxyMode } from "./proxy-config.ts";

/** Why the annotation has no effect on any node; undefined when it has one, or there is no annotation (""). */
export function balancerProblem(name: string, modes: readonly ProxyMode[]): string | undefined {
  if (name === "") return undefined;
  const text = `loopkube.dev/balancer: ${name}`;
  if (!balancerKind(name)) return `${text} is not known; there is: ${balancerKinds.map((kind) => kind.name).join(", ")}`;
  if (modes.some((mode) => mode === "userspace" || (mode === "ipvs" && isIpvsScheduler(name)))) return undefined;
  const where = isIpvsScheduler(name) ? "ipvs and userspace do" : "userspace does";
  return `${text} has no effect: proxy mode ${modes.join(" and ")} does not choose by it, ${where}`;
}
