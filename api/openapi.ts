// /openapi/v3: the index and one document per group-version; /openapi/v2: one document for all, in protobuf or JSON.
// Upstream: kube-openapi pkg/handler3 and pkg/handler.
import { createHash } from "node:crypto";
import type { JsonObject } from "../model/object.ts";
import type { ResourceType } from "../model/resources.ts";
import { encodeOpenApiV2, openApiV2, openApiV3, openApiV3Root } from "../model/schema/index.ts";
import type { Answer, ApiContext, ApiRequest } from "./context.ts";
import { parseMediaTypes } from "./media-types.ts";

interface Document {
  readonly body: string | Buffer;
  readonly contentType: string;
  readonly etag: string;
}

const JSON_TYPE = "application/json";
const PROTOBUF_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/** Clients ask with an @, which is no legal media type: the answer's has a dot. */
const PROTOBUF_TYPES: readonly string[] = [PROTOBUF_TYPE, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"];

const documents = new WeakMap<readonly ResourceType[], Map<string, Document | undefined>>();

function documentOf(
  resources: readonly ResourceType[],
  name: string,
  make: () => JsonObject | Buffer | undefined,
  contentType = JSON_TYPE,
): Document | undefined {
  const known = documents.get(resources) ?? new Map<string, Document | undefined>();
  documents.set(resources, known);
  if (!known.has(name)) {
    const made = make();
    const body = Buffer.isBuffer(made) ? made : made && JSON.stringify(made);
    const etag = (whole: string | Buffer): string => createHash("sha256").update(whole).digest("hex").toUpperCase();
    known.set(name, body === undefined ? undefined : { body, contentType, etag: etag(body) });
  }
  return known.get(name);
}

/** Answers /openapi/v2, /openapi/v3, /openapi/v3/api/v1 and /openapi/v3/apis/{group}/{version}; undefined for any other path. */
export function openApiAnswer(segments: readonly string[], request: ApiRequest, { store }: ApiContext): Answer | undefined {
  const [major, root, ...rest] = segments;
  const { resources } = store;
  if (major === "v2" && root === undefined) return documentAnswer(versionTwo(resources, request), request);
  if (major !== "v3") return undefined;
  if (root === undefined)
    return documentAnswer(
      documentOf(resources, "", () => openApiV3Root(resources)),
      request,
    );
  const [group, version, ...more] = root === "api" ? ["", ...rest] : root === "apis" ? rest : [];
  if (version === undefined || more.length > 0) return undefined;
  const groupVersion = group === "" ? version : `${group}/${version}`;
  return documentAnswer(
    documentOf(resources, groupVersion, () => openApiV3(groupVersion, resources)),
    request,
  );
}

function versionTwo(resources: readonly ResourceType[], { incoming }: ApiRequest): Document | undefined {
  const asJson = parseMediaTypes(incoming.headers.accept ?? "").every(({ type }) => !PROTOBUF_TYPES.includes(type));
  if (asJson) return documentOf(resources, "v2 JSON", () => openApiV2(resources));
  return documentOf(resources, "v2", () => encodeOpenApiV2(openApiV2(resources)), PROTOBUF_TYPE);
}

function documentAnswer(document: Document | undefined, { incoming }: ApiRequest): Answer | undefined {
  if (!document) return undefined;
  const etag = `"${document.etag}"`;
  const unchanged = incoming.headers["if-none-match"] === etag;
  return {
    type: "text",
    code: unchanged ? 304 : 200,
    body: unchanged ? "" : document.body,
    contentType: document.contentType,
    headers: { ETag: etag, "Cache-Control": "public, max-age=31536000" },
  };
}
