// What is told of a cluster that ended in the background before it was ready.
import t from "tap";
import { lastWords } from "../../cli/detach.ts";

for (const [log, end, message, ...advice] of [
  [' ✗ cluster (0.1 s)\nerror: no node "b"\n  there is: a\n', 1, 'no node "b"', "there is: a"],
  ["one\ntwo\n", 1, "one", "two"],
  [" ✓ cluster (0.1 s)\n", "SIGKILL", "the cluster was killed by SIGKILL", "✓ cluster (0.1 s)"],
  ["", "SIGKILL", "the cluster was killed by SIGKILL"],
  ["", 1, "the cluster ended with code 1: is the disk full?"],
] as const) {
  t.strictSame(lastWords(log, end), { message, advice }, message);
}
