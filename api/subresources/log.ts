// GET pods/{name}/log. Upstream: kubernetes pkg/registry/core/pod/rest/log.go.
import { Pods } from "../../model/resources.ts";
import { notFound } from "../../model/errors.ts";
import type { Answer, ApiContext, ApiRequest } from "../context.ts";
import { serveLogs } from "../streams/index.ts";
import type { Target } from "../target.ts";

export async function podLogs(request: ApiRequest, context: ApiContext, { namespace, name = "" }: Target): Promise<Answer> {
  const pod = context.store.get(Pods, namespace, name);
  if (!pod) throw notFound(Pods, name);
  await serveLogs(request.response, pod, request.url, context.streams);
  return { type: "sent" };
}
