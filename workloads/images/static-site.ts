// Serving a folder of the pod's files over HTTP, in the manner of nginx, Apache or Go's file server.
import { type HttpRequest } from "../http/index.ts";
import { posix } from "node:path";
import { folderNames, isFolder } from "../tools/file-tree.ts";
import type { ToolIo } from "../tools/tool.ts";

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html",
  htm: "text/html",
  css: "text/css",
  js: "application/javascript",
  mjs: "application/javascript",
  json: "application/json",
  txt: "text/plain",
  xml: "text/xml",
  svg: "image/svg+xml",
  md: "text/markdown",
  csv: "text/csv",
  yaml: "text/yaml",
};

/** What a request for a path finds. */
export type Found =
  | { readonly type: "file"; readonly path: string; readonly text: string; readonly contentType: string }
  | { readonly type: "redirect"; readonly to: string }
  | { readonly type: "listing"; readonly names: readonly string[] }
  | { readonly type: "forbidden"; readonly path: string }
  | { readonly type: "absent"; readonly path: string }
  | { readonly type: "bad" };

/** Media type by extension; `otherwise` for one that is not known. */
export function contentTypeOf(path: string, otherwise: string): string {
  return TYPES[posix.extname(path).slice(1).toLowerCase()] ?? otherwise;
}

/** Looks a request up below `root`: index.html in folders, a listing instead of "forbidden" when `listings`. */
export function findFile(request: HttpRequest, root: string, io: ToolIo, listings: boolean): Found {
  const target = (request.url ?? "/").replace(/^https?:\/\/[^/]*/i, "").split(/[?#]/)[0] ?? "/";
  let path: string;
  try {
    path = decodeURIComponent(target);
  } catch {
    return { type: "bad" };
  }
  if (!path.startsWith("/") || path.includes("\0")) return { type: "bad" };
  const normal = posix.normalize(path);
  const full = normal === "/" ? root : posix.join(root, normal).replace(/\/$/, "");
  if (isFolder(io.files, full)) {
    if (!path.endsWith("/")) return { type: "redirect", to: `${target}/` };
    const index = `${full === "/" ? "" : full}/index.html`;
    const text = io.files.read(index);
    if (text !== undefined) return { type: "file", path: index, text, contentType: "text/html" };
    if (!listings) return { type: "forbidden", path: full };
    return {
      type: "listing",
      names: folderNames(io.files, full).map((name) => (isFolder(io.files, posix.join(full, name)) ? `${name}/` : name)),
    };
  }
  const text = normal.endsWith("/") ? undefined : io.files.read(full);
  return text === undefined
    ? { type: "absent", path: full }
    : { type: "file", path: full, text, contentType: contentTypeOf(full, "application/octet-stream") };
}
