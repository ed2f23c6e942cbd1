// What PersistentVolumeClaims hold: files in memory that outlive the pods that mount them, by the claim's uid.
// Upstream: a volume plugin's provisioner. Left out: PersistentVolume and StorageClass objects, sizes, access modes.
import { MemoryFiles, type FileSource } from "./pod-files.ts";

export class ClaimVolumes {
  readonly #files = new Map<string, MemoryFiles>();

  /** The files of a claim, empty at first. */
  filesOf(uid: string): FileSource {
    const files = this.#files.get(uid) ?? new MemoryFiles();
    this.#files.set(uid, files);
    return files;
  }
  /** Forgets all but the claims that there are. */
  keepOnly(uids: ReadonlySet<string>): void {
    for (const uid of this.#files.keys()) if (!uids.has(uid)) this.#files.delete(uid);
  }
}
