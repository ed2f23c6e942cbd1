// The files that a pod mounts, as real files for a program that is a process: below a folder of its own, named by LOOPKUBE_ROOT, so that
// /etc/config/app.yaml is $LOOPKUBE_ROOT/etc/config/app.yaml. Written when the container starts, removed when it has ended.
// Left out: following changes of ConfigMaps and Secrets; sharing an emptyDir between containers; modes.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { PodFiles } from "../../model/ports.ts";

export interface RootFolder {
  readonly path: string;
  remove(): void;
}

/** Writes all that a container sees into a new folder below `parent`. */
export function createRootFolder(parent: string, files: PodFiles): RootFolder {
  const path = mkdtempSync(join(parent, "pod-"));
  copy(files, "/", path);
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

function copy(files: PodFiles, folder: string, root: string): void {
  mkdirSync(join(root, folder), { recursive: true, mode: 0o700 });
  for (const found of files.list(folder)) {
    if (found.endsWith("/")) copy(files, found, root);
    else {
      const text = files.read(found);
      if (text === undefined) continue;
      const target = join(root, found);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, text);
    }
  }
}
