// A cluster with one process pod whose program starts another; tells its parent their process ids and waits to be killed.
import { createReaper } from "../../workloads/runtimes/reaper.ts";
import { startChild } from "../../workloads/runtimes/child-program.ts";

const reaper = createReaper();
const folder = reaper.folder();
let text = "";
startChild(
  {
    argv: ["sh", "-c", "trap '' TERM HUP; sleep 1000 & echo $$ $!; wait"],
    env: { PATH: process.env["PATH"] ?? "" },
    cwd: undefined,
    stdin: undefined,
    onOutput(chunk) {
      text += chunk.toString();
      if (text.endsWith("\n")) process.send?.({ pids: text.trim().split(" ").map(Number), folder });
    },
  },
  reaper,
);
