// /openapi/v3: the index and one document per group-version. Upstream: kube-openapi pkg/handler3. /openapi/v2 is not served.
import { createHash } from "node:crypto";
import type { JsonObject } from "../model/object.ts";
import type { ResourceType } from "../model/resources.ts";
import { openApiV3, openApiV3Root } from "../model/schema/index.ts";
import type { Answer, ApiContext, ApiRequest } from "./context.ts";

interface Document {
  readonly text: string;
  readonly etag: string;
}

const documents = new WeakMap<readonly ResourceType[], Map<string, Document | undefined>>();

function documentOf(resources: readonly ResourceType[], name: string, make: () => JsonObject | undefined): Document | undefined {
  const known = documents.get(resources) ?? new Map<string, Document | undefined>();
  documents.set(resources, known);
  if (!known.has(name)) {
    const made = make();
    const text = made && JSON.stringify(made);
    known.set(name, text === undefined ? undefined : { text, etag: createHash("sha256").update(text).digest("hex").toUpperCase() });
  }
  return known.get(name);
}

/** Answers /openapi/v3, /openapi/v3/api/v1 and /openapi/v3/apis/{group}/{version}; undefined for any other path. */
export function openApiAnswer(segments: readonly string[], request: ApiRequest, { store }: ApiContext): Answer | undefined {
  const [major, root, ...rest] = segments;
  if (major !== "v3") return undefined;
  const { resources } = store;
  if (root === undefined) return documentAnswer(documentOf(resources, "", () => openApiV3Root(resources)), request);
  const [group, version, ...more] = root === "api" ? ["", ...rest] : root === "apis" ? rest : [];
  if (version === undefined || more.length > 0) return undefined;
  const groupVersion = group === "" ? version : `${group}/${version}`;
  return documentAnswer(documentOf(resources, groupVersion, () => openApiV3(groupVersion, resources)), request);
}

function documentAnswer(document: Document | undefined, { incoming }: ApiRequest): Answer | undefined {
  if (!document) return undefined;
  const etag = `"${document.etag}"`;
  const unchanged = incoming.headers["if-none-match"] === etag;
  return {
    type: "text",
    code: unchanged ? 304 : 200,
    body: unchanged ? "" : document.text,
    contentType: "application/json",
    headers: { ETag: etag, "Cache-Control": "public, max-age=31536000" },
  };
}
