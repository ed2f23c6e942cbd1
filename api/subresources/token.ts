// POST serviceaccounts/{name}/token: a signed token that this server accepts. Upstream: pkg/registry/core/serviceaccount/storage/token.go.
import { invalid, notFound } from "../../model/errors.ts";
import { defineResource, ServiceAccounts } from "../../model/resources.ts";
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
