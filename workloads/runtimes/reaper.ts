// Cleans up after process pods when this process dies without stopping them: a tiny shell that reads process groups from a pipe and, when
// the pipe ends, kills those that are left and removes the pods' files. Started with the first process pod, in a session of its own, so that
// Ctrl-C spares it. Left out: Windows, which has no process groups.
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Writable } from "node:stream";

const SCRIPT = `
trap '' HUP INT TERM
groups=' '
while read -r sign group; do
  case $sign in
    +) groups="$groups$group " ;;
    -) case $groups in *" $group "*) groups="\${groups%% $group *} \${groups#* $group }" ;; esac ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
exec rm -rf -- "$1"
`;

export interface Reaper {
  /** From now on the group dies with this process; the returned function ends that. */
  watch(group: number): () => void;
  /** A folder for the files of process pods, which goes with this process. */
  folder(): string;
  /** Kills what is left, removes the folder. */
  close(): void;
}

/** A reaper whose helper starts with the first group. */
export function createReaper(): Reaper {
  let helper: ChildProcess | undefined;
  let pipe: Writable | null = null;
  let folder: string | undefined;
  const start = (): string => {
    if (folder !== undefined) return folder;
    folder = mkdtempSync(join(tmpdir(), "loopkube-"));
    if (process.platform === "win32") return folder;
    const env = { PATH: process.env["PATH"] ?? "/usr/bin:/bin" };
    helper = spawn("/bin/sh", ["-c", SCRIPT, "loopkube", folder], { stdio: ["pipe", "ignore", "ignore"], detached: true, cwd: "/", env });
    pipe = helper.stdin;
    helper.on("error", () => {});
    pipe?.on("error", () => {});
    // Neither the helper nor its pipe keeps a program of the library's user alive.
    helper.unref();
    if (pipe && "unref" in pipe && typeof pipe.unref === "function") pipe.unref();
    return folder;
  };
  return {
    watch(group) {
      start();
      pipe?.write(`+ ${group}\n`);
      return () => void (pipe?.writable && pipe.write(`- ${group}\n`));
    },
    folder: start,
    close() {
      pipe?.end();
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
      folder = undefined;
      helper = undefined;
      pipe = null;
    },
  };
}
