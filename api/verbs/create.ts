// POST: one new object. Upstream: apiserver handlers/create.go. A taken generated name is tried again, as upstream does (KEP 4420).
import { badRequest, isStatus, StatusError } from "../../model/errors.ts";
import { timestamp } from "../../model/clock.ts";
import type { JsonObject, KubeObject } from "../../model/object.ts";
import { qualifiedResource, type ResourceType } from "../../model/resources.ts";
import type { WriteOptions } from "../../store/index.ts";
import { managerName, trackCreate } from "../patch/index.ts";
import { type Answer, type ApiContext, type ApiRequest, objectAnswer } from "../context.ts";
import { asJsonObject, asKubeObject, decodeObject } from "../decode.ts";
import { presentationOf } from "../present.ts";
import { methodNotAllowed, type Target } from "../target.ts";
import { writeOptions } from "../write-options.ts";

const GENERATE_TRIES = 8;

/** The name that managedFields record for a request. */
export function managerOf(request: ApiRequest): string {
  return managerName(request.query.get("fieldManager") ?? undefined, request.incoming.headers["user-agent"]);
}

/** The object placed in the namespace of the URL. Throws 400 when it says another. */
export function placed(object: JsonObject, type: ResourceType, namespace: string): KubeObject {
  const made = asKubeObject(object);
  const said = made.metadata.namespace ?? "";
  if (type.namespaced && said !== "" && said !== namespace) {
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
  return type.namespaced ? { ...made, metadata: { ...made.metadata, namespace } } : made;
}

export async function createObject(request: ApiRequest, context: ApiContext, target: Target): Promise<Answer> {
  const { type, namespace } = target;
  if (target.everywhere) throw methodNotAllowed();
  const presentation = presentationOf(request, context, type);
  const options = writeOptions(request);
  const object = placed(await decodeObject(request, type), type, namespace);
  const created = await createTracked(request, context, type, object, options);
  return objectAnswer(presentation.object(created), 201);
}

/** Creates an object with its managedFields; retries while a generated name is taken. */
export async function createTracked(
  request: ApiRequest,
  { store, clock }: ApiContext,
  type: ResourceType,
  object: KubeObject,
  options: WriteOptions,
): Promise<KubeObject> {
  const tracked = trackCreate(asJsonObject(object), { type, manager: managerOf(request), now: timestamp(clock) });
  for (let tries = 1; ; tries++) {
    try {
      return await store.create(type, asKubeObject(tracked), options);
    } catch (error) {
      const generated = object.metadata.name === undefined || object.metadata.name === "";
      if (!generated || !isStatus(error, "AlreadyExists")) throw error;
      if (tries === GENERATE_TRIES) throw generationFailed(type, error);
    }
  }
}

function generationFailed(type: ResourceType, error: unknown): StatusError {
  const details = error instanceof StatusError ? error.status.details : undefined;
  const message = `${qualifiedResource(type)} "${details?.name ?? ""}" already exists, the server was not able to generate a unique name for the object`;
  return new StatusError(409, "AlreadyExists", message, { ...details, retryAfterSeconds: 1 });
}
