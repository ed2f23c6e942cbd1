// `up -d`: what is told of a cluster that ended before it was ready, and what becomes of it when nobody waits for it any more.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import t from "tap";
import { lastWords } from "../../cli/detach.ts";
import { run, runUntil, temporaryHome } from "../support/command.ts";

t.test("last words", (t) => {
  for (const [log, end, message, ...advice] of [
    [' ✗ cluster (0.1 s)\nerror: no node "b"\n  there is: a\n', 1, 'no node "b"', "there is: a"],
    ["TypeError: x\n  at y\n", 7, "the cluster ended with code 7", "TypeError: x", "at y"],
    [" ✓ stopping\n", 0, "the cluster was stopped before it was ready", "✓ stopping"],
    [" ✓ cluster (0.1 s)\n", "SIGKILL", "the cluster was killed by SIGKILL", "✓ cluster (0.1 s)"],
    ["", "SIGKILL", "the cluster was killed by SIGKILL"],
    ["", 1, "the cluster ended with code 1: is the disk full?"],
  ] as const) {
    t.strictSame(lastWords(log, end), { message, advice }, message);
  }
  t.end();
});

const NEVER_READY = `{apiVersion: v1, kind: Pod, metadata: {name: slow}, spec: {containers: [
  {name: slow, image: busybox, command: [sleep, infinity], readinessProbe: {tcpSocket: {port: 9}}}]}}`;

t.test("Ctrl-C while a cluster starts in the background ends it", async (t) => {
  const home = temporaryHome("self");
  const env = { HOME: home.path, XDG_STATE_HOME: join(home.path, "state"), KUBECONFIG: join(home.path, "config") };
  writeFileSync(join(home.path, "slow.yaml"), NEVER_READY);
  const args = ["bin/loopkube.mjs", "up", "-d", "--address-plan", "mapped", "-f", join(home.path, "slow.yaml")];
  const waiting = spawn(process.execPath, args, {
    cwd: join(import.meta.dirname, "../.."),
    env: { ...process.env, ...env },
    stdio: "ignore",
  });
  t.teardown(async () => {
    await run(`'${process.execPath}' bin/loopkube.mjs down`, { env });
    home.remove();
  });
  await runUntil(`cat '${home.path}/config'`, ({ stdout }) => stdout.includes("current-context: loopkube"));
  waiting.kill("SIGINT");
  const left = await runUntil(`ls '${home.path}/state/loopkube'`, ({ stdout }) => stdout === "loopkube.log\n");
  t.equal(left.stdout, "loopkube.log\n", "its state is gone");
  t.match((await run(`cat '${home.path}/config'`)).stdout, /^clusters: \[\]$/m, "and its context");
  t.notMatch((await run(`cat '${home.path}/state/loopkube/loopkube.log'`)).stdout, "Error", "without a stack");
});
