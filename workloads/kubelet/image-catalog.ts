// What an image name stands for: the user's own programs first (ConfigMap, then configuration), then the built-in stand-ins.
// Left out: registries; nothing is ever downloaded.
import { pathToFileURL } from "node:url";
import { resolve as resolvePath } from "node:path";
import type { Image, InlineProgram } from "../../model/ports.ts";
import { ConfigMaps } from "../../model/resources.ts";
import type { Reader } from "../../store/contract.ts";

/** Where `loopkube image add` keeps its images: one JSON entry per image. */
export const IMAGES_NAMESPACE = "kube-system";
export const IMAGES_CONFIG_MAP = "loopkube-images";

export interface ImageCatalog {
  /** The image, or undefined for an unknown name. */
  find(reader: Reader, name: string): Image | undefined;
}

/** `docker.io/library/nginx:1.27@sha256:…` as names to try: as written, without tag and digest, without registry and `library/`. */
export function imageNameCandidates(name: string): readonly string[] {
  const bare = name.replace(/@sha256:[0-9a-f]+$/i, "").replace(/:[\w][\w.-]*$/, "");
  const tag = name.slice(bare.length);
  const short = bare.replace(/^[^/]*[.:][^/]*\/|^localhost\//, "").replace(/^library\//, "");
  return [...new Set([name, bare, `${short}${tag}`, short])];
}

/** The name as containerd prints it: `nginx` → `docker.io/library/nginx:latest`. */
export function fullImageName(name: string): string {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const hasHost = first.includes(".") || first.includes(":") || first === "localhost";
  const withHost = hasHost ? name : `docker.io/${slash < 0 ? "library/" : ""}${name}`;
  return /[:@][^/]+$/.test(withHost) ? withHost : `${withHost}:latest`;
}

/** A catalog of these maps, searched in order, behind the images of the running cluster's ConfigMap. */
export function createImageCatalog(
  maps: readonly ReadonlyMap<string, Image>[],
  findBuiltIn: (name: string) => Image | undefined,
): ImageCatalog {
  let parsedFrom: unknown;
  let added: ReadonlyMap<string, Image> = new Map();
  return {
    find(reader, name) {
      const map = reader.get(ConfigMaps, IMAGES_NAMESPACE, IMAGES_CONFIG_MAP);
      if (map !== parsedFrom) {
        parsedFrom = map;
        added = parseImages(map?.data ?? {});
      }
      const candidates = imageNameCandidates(name);
      for (const images of [added, ...maps]) {
        for (const candidate of candidates) {
          const image = images.get(candidate);
          if (image) return image;
        }
      }
      for (const candidate of candidates) {
        const image = findBuiltIn(candidate);
        if (image) return image;
      }
      return undefined;
    },
  };
}

/** Entries that are not well-formed are passed over: the image is then unknown, and its pods say so. */
function parseImages(data: Readonly<Record<string, string>>): ReadonlyMap<string, Image> {
  const images = new Map<string, Image>();
  for (const text of Object.values(data)) {
    const entry = parseEntry(text);
    if (entry) images.set(entry.name, entry.image);
  }
  return images;
}

function parseEntry(text: string): { readonly name: string; readonly image: Image } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const fields = new Map(Object.entries(value));
  const [name, command, cwd, module, runtime, ports] = ["image", "command", "cwd", "module", "runtime", "ports"].map((key): unknown =>
    fields.get(key),
  );
  if (typeof name !== "string" || name === "") return undefined;
  const exposed = Array.isArray(ports) ? { ports: ports.filter((port): port is number => Number.isInteger(port)) } : {};
  if (Array.isArray(command) && command.length > 0 && command.every((part): part is string => typeof part === "string")) {
    return { name, image: { runtime: "process", command, ...(typeof cwd === "string" ? { cwd } : {}), ...exposed } };
  }
  if (typeof module !== "string") return undefined;
  const file = typeof cwd === "string" ? resolvePath(cwd, module) : module;
  return {
    name,
    image:
      runtime === "inline"
        ? { runtime: "inline", program: moduleProgram(file), ...exposed }
        : { runtime: "worker", module: file, ...exposed },
  };
}

/** An inline program that is the default export of a module, loaded when a pod first needs it. */
export function moduleProgram(file: string): InlineProgram {
  return async (context) => {
    const loaded: { readonly default?: unknown } = await import(file.startsWith("file:") ? file : pathToFileURL(file).href);
    if (!isProgram(loaded.default)) throw new TypeError(`${file} has no default export of the form async (context) => exitCode`);
    return loaded.default(context);
  };
}

function isProgram(value: unknown): value is InlineProgram {
  return typeof value === "function";
}
