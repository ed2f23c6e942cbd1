// POST serviceaccounts/{name}/token: a signed token that this server accepts. Upstream: pkg/registry/core/serviceaccount/storage/token.go.
import { badRequest, invalid, notFound, StatusError } from "../../model/errors.ts";
import type { KubeObject } from "../../model/object.ts";
import type { Store } from "../../store/index.ts";
import { defineResource, Nodes, Pods, Secrets, ServiceAccounts } from "../../model/resources.ts";
import { TOKEN_AUDIENCE } from "../authentication.ts";
import { type Answer, type ApiContext, type ApiRequest, objectAnswer } from "../context.ts";
import { decodeAnyBody } from "../decode.ts";
import type { Target } from "../target.ts";

const TOKEN_REQUESTS = defineResource("authentication.k8s.io/v1", "authentication/v1", "TokenRequest", "tokenrequests");
const SHORTEST_SECONDS = 600;
const LONGEST_SECONDS = 2 ** 32;

interface TokenRequestSpec {
  readonly audiences?: readonly string[];
  readonly expirationSeconds?: number;
  readonly boundObjectRef?: BoundObjectReference;
}

interface BoundObjectReference {
  readonly kind?: string;
  readonly apiVersion?: string;
  readonly name?: string;
  readonly uid?: string;
}

export async function createToken(request: ApiRequest, context: ApiContext, { namespace, name = "" }: Target): Promise<Answer> {
  const account = context.store.get(ServiceAccounts, namespace, name);
  if (!account) throw notFound(ServiceAccounts, name);
  const body = (await decodeAnyBody(request, "TokenRequest")) ?? {};
  const spec = (body["spec"] ?? {}) as TokenRequestSpec;
  const audiences = spec.audiences && spec.audiences.length > 0 ? spec.audiences : [TOKEN_AUDIENCE];
  const expirationSeconds = Number(spec.expirationSeconds ?? 3600);
  const refusal = { type: "Invalid", field: "spec.expirationSeconds", value: expirationSeconds } as const;
  if (!(expirationSeconds >= SHORTEST_SECONDS)) {
    throw invalid(TOKEN_REQUESTS, "", [{ ...refusal, detail: "may not specify a duration less than 10 minutes" }]);
  }
  if (expirationSeconds > LONGEST_SECONDS) {
    throw invalid(TOKEN_REQUESTS, "", [{ ...refusal, detail: "may not specify a duration larger than 2^32 seconds" }]);
  }
  if (spec.boundObjectRef) checkBoundObject(context.store, namespace, name, spec.boundObjectRef);
  const subject = { namespace, name, uid: account.metadata.uid ?? "" };
  return objectAnswer(
    {
      kind: "TokenRequest",
      apiVersion: "authentication.k8s.io/v1",
      metadata: { name, namespace, creationTimestamp: account.metadata.creationTimestamp },
      spec: { ...spec, audiences, expirationSeconds },
      status: context.authenticator.issue(subject, audiences, expirationSeconds),
    },
    201,
  );
}

/** The object that a token is to be bound to must be there, and a pod must run under this account. */
function checkBoundObject(store: Store, namespace: string, account: string, reference: BoundObjectReference): void {
  const { kind = "", apiVersion = "", name = "", uid } = reference;
  const type = apiVersion === "v1" ? [Pods, Secrets, Nodes].find((each) => each.kind === kind) : undefined;
  if (!type) {
    const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
    throw badRequest(`cannot bind token to object of type ${group}/${version}, Kind=${kind}`);
  }
  const object = store.get<KubeObject>(type, type.namespaced ? namespace : "", name);
  if (!object) throw notFound(type, name);
  const runsAs = type === Pods ? store.get(Pods, namespace, name)?.spec.serviceAccountName : account;
  if (runsAs !== account) {
    throw badRequest(`cannot bind token for serviceaccount ${JSON.stringify(account)} to pod running with different serviceaccount name.`);
  }
  if (uid && uid !== object.metadata.uid) {
    throw new StatusError(
      409,
      "Conflict",
      `Operation cannot be fulfilled on ${kind} ${JSON.stringify(name)}: the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`,
      { name, kind },
    );
  }
}
