// Applies manifests as `kubectl apply --server-side --force-conflicts` does, one document after the other.
import { type Document, parseAllDocuments } from "yaml";
import type { JsonObject } from "../model/object.ts";
import { apiVersionOf, qualifiedResource, type ResourceType, resourceOfKind } from "../model/resources.ts";
import { KUBERNETES_YAML } from "../model/schema/index.ts";
import type { ApiClient } from "./api-client.ts";

export interface Applied {
  /** `deployment.apps/web`. */
  readonly name: string;
  readonly object: JsonObject;
}

interface Manifest {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: { readonly name?: string; readonly namespace?: string };
  readonly items?: readonly Manifest[];
}

/** YAML or JSON text, one object, or a list of objects. */
export type Manifests = string | object;

/** Manifests as text: JSON is YAML. */
export function manifestText(manifests: Manifests): string {
  if (typeof manifests === "string") return manifests;
  return (Array.isArray(manifests) ? manifests : [manifests]).map((object) => JSON.stringify(object)).join("\n---\n");
}

/** A manifest that cannot be read or sent, with the file and line where it begins. */
export class ManifestError extends Error {
  override readonly name = "ManifestError";
}

/** The objects of a YAML stream (Lists are unfolded). `file` is named in errors. Throws ManifestError with file:line. */
export function parseManifests(text: string, file = "manifest"): readonly { readonly manifest: Manifest; readonly where: string }[] {
  const lineOf = (offset: number): number => text.slice(0, offset).split("\n").length;
  return [...parseAllDocuments(text, { ...KUBERNETES_YAML, prettyErrors: false })].flatMap((document: Document) => {
    const error = document.errors[0];
    if (error) throw new ManifestError(`${file}:${lineOf(error.pos[0])}: ${error.message}`);
    const manifest = document.toJS() as Manifest | null;
    if (manifest === null) return [];
    const where = `${file}:${lineOf(document.contents?.range?.[0] ?? document.range?.[0] ?? 0)}`;
    if (typeof manifest !== "object" || !manifest.apiVersion || !manifest.kind) {
      throw new ManifestError(`${where}: not a Kubernetes object: apiVersion and kind are required`);
    }
    const members = manifest.kind === "List" ? (manifest.items ?? []) : [manifest];
    return members.map((member) => ({ manifest: member, where }));
  });
}

/** Applies every object of the text in order; `onApplied` is called after each. */
export async function applyManifests(
  client: ApiClient,
  resources: readonly ResourceType[],
  text: string,
  options: { readonly file?: string; readonly onApplied?: (applied: Applied) => void } = {},
): Promise<readonly Applied[]> {
  const all: Applied[] = [];
  for (const { manifest, where } of parseManifests(text, options.file)) {
    const type = resourceOfKind(resources, manifest.apiVersion ?? "", manifest.kind ?? "");
    if (!type) throw new ManifestError(`${where}: no matches for kind "${manifest.kind}" in version "${manifest.apiVersion}"`);
    const name = manifest.metadata?.name;
    if (!name) throw new ManifestError(`${where}: ${manifest.kind} without metadata.name`);
    const path = `${pathOf(type, manifest.metadata?.namespace)}/${name}?fieldManager=loopkube&force=true&fieldValidation=Strict`;
    try {
      const object = await client.request("PATCH", path, manifest, "application/apply-patch+yaml");
      const applied = { name: `${qualifiedResource(type).replace(type.resource, type.singular)}/${name}`, object };
      options.onApplied?.(applied);
      all.push(applied);
    } catch (error) {
      throw new ManifestError(`${where}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
  return all;
}

/** The collection URL of a resource. */
export function pathOf(type: ResourceType, namespace = "default"): string {
  const root = type.group === "" ? `/api/${type.version}` : `/apis/${apiVersionOf(type)}`;
  return type.namespaced ? `${root}/namespaces/${namespace}/${type.resource}` : `${root}/${type.resource}`;
}
