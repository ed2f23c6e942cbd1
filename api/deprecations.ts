// Kinds that upstream warns of on every request: APILifecycleDeprecated of their Go types, worded as deprecation.WarningMessage does.
import { EndpointsResource, type ResourceType } from "../model/resources.ts";

/** The warning for requests of this resource, if it is deprecated. */
export function deprecationOf(type: ResourceType): string | undefined {
  return type === EndpointsResource ? "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice" : undefined;
}
