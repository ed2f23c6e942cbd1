// The token in a pod's /var/run/secrets: a JWT with upstream's claims but without a signature; it names the account and proves nothing.
import { createHash } from "node:crypto";
import type { Clock } from "../model/clock.ts";
import type { Pod } from "../model/kinds/core-v1.ts";

const LIFETIME_SECONDS = 3607;

/** An unsigned token of the pod's ServiceAccount. */
export function unsignedToken(clock: Clock): (pod: Pod) => string {
  return (pod) => {
    const now = Math.floor(clock.now() / 1000);
    const namespace = pod.metadata.namespace ?? "";
    const account = pod.spec.serviceAccountName ?? "default";
    const payload = {
      aud: ["https://kubernetes.default.svc.cluster.local"],
      exp: now + LIFETIME_SECONDS,
      iat: now,
      iss: "https://kubernetes.default.svc.cluster.local",
      jti: createHash("sha256").update(`${pod.metadata.uid}/${now}`).digest("hex").slice(0, 32),
      "kubernetes.io": { namespace, pod: { name: pod.metadata.name, uid: pod.metadata.uid }, serviceaccount: { name: account } },
      sub: `system:serviceaccount:${namespace}:${account}`,
    };
    const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString("base64url");
    return `${encode({ alg: "none", typ: "JWT" })}.${encode(payload)}.`;
  };
}
