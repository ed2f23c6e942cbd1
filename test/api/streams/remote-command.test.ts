import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { examplePod, kubectls, ProcessStreams, startFixture } from "./kubectl-fixture.ts";

const scriptMissing = spawnSync("script", ["--version"]).error ? "script(1) is not installed" : false;
if (kubectls.size === 0) t.test("exec with kubectl", { skip: "no kubectl.1.xx is installed beside kubectl" }, () => undefined);

for (const [version, kubectl] of kubectls) {
  const transport = version === "1.27" || version === "1.29" ? "POST SPDY/3.1" : "GET websocket";
  t.test(`kubectl ${version}: exec and attach over ${transport}`, async (t) => {
    const streams = new ProcessStreams();
    const api = await startFixture(examplePod("app"), streams);
    t.teardown(() => api.close());
    const exec = (args: readonly string[], input?: string | Buffer) => api.run(kubectl, ["exec", "web", ...args], input);

    t.match(await exec(["--", "echo", "a", "b"]), { code: 0, stdout: "a b\n", stderr: "" }, "output");
    t.same(api.upgrades, [transport], "one upgrade, no fallback");
    t.match(await exec(["--", "sh", "-c", "echo out; echo err >&2"]), { code: 0, stdout: "out\n", stderr: "err\n" }, "both outputs");
    t.match(
      await exec(["--", "sh", "-c", "exit 3"]),
      { code: 3, stdout: "", stderr: "command terminated with exit code 3\n" },
      "exit code",
    );
    t.match(await exec(["-i", "--", "cat"], "typed\n"), { code: 0, stdout: "typed\n" }, "stdin and its end");
    const big = await exec(["-i", "--", "sha256sum"], Buffer.alloc(3_000_000, "x"));
    t.match(big, { code: 0, stdout: `${createHash("sha256").update(Buffer.alloc(3_000_000, "x")).digest("hex")}  -\n` }, "3 MB in");
    const out = await exec(["--", "head", "-c", "3000000", "/dev/zero"]);
    t.equal(out.stdout.length, 3_000_000, "3 MB out");
    const round = await exec(["-i", "--", "cat"], Buffer.alloc(1_000_000, "y"));
    t.ok(round.stdout === "y".repeat(1_000_000), "1 MB both ways");
    t.match(
      await exec(["-i", "--", "head", "-c", "2"], Buffer.alloc(1_000_000, "z")),
      { code: 0, stdout: "zz" },
      "a program that leaves its input unread",
    );
    t.match(await exec(["--", "refuse"]), { code: 1, stderr: /it does not want to/ }, "a failure of the runtime");
    t.match(
      await exec(["-c", "none", "--", "true"]),
      { code: 1, stderr: /container not found|container none is not valid for pod web/ },
      "no such container",
    );
    const attached = await api.run(kubectl, ["attach", "web", "-i"], "to pid 1\n");
    t.match(attached, { code: 0, stdout: /attached\nto pid 1\n/ }, "attach");
  });

  t.test(`kubectl ${version}: over TLS with a client certificate`, async (t) => {
    const api = await startFixture(examplePod("app"), new ProcessStreams(), "https");
    t.teardown(() => api.close());
    const result = await api.run(kubectl, ["exec", "-i", "web", "--", "cat"], Buffer.alloc(500_000, "y"));
    t.equal(result.stderr, "");
    t.ok(result.stdout === "y".repeat(500_000));
  });

  t.test(`kubectl ${version}: a terminal`, { skip: scriptMissing }, async (t) => {
    const api = await startFixture(examplePod("app"), new ProcessStreams());
    t.teardown(() => api.close());
    const command = [kubectl, ...api.args, "exec", "-it", "web", "--", "size"].join(" ");
    const child = spawn("script", ["-qec", `stty cols 101 rows 31; ${command}`, "/dev/null"], {
      env: api.env,
      stdio: ["pipe", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text) => (output += text));
    const [code] = await once(child, "close");
    t.equal(code, 0);
    t.match(output, "101x31 tty=true");
  });

  t.test(`kubectl ${version}: cp`, async (t) => {
    const api = await startFixture(examplePod("app"), new ProcessStreams());
    const folder = mkdtempSync(join(tmpdir(), "loopkube-cp-"));
    t.teardown(async () => {
      await api.close();
      rmSync(folder, { recursive: true });
    });
    writeFileSync(join(folder, "here"), "x".repeat(200_000));
    const into = await api.run(kubectl, ["cp", join(folder, "here"), `web:${folder}/there`]);
    t.equal(into.code, 0, into.stderr);
    t.equal(readFileSync(join(folder, "there"), "utf8").length, 200_000);
    const back = await api.run(kubectl, ["cp", `web:${folder}/there`, join(folder, "back")]);
    t.equal(back.code, 0, back.stderr);
    t.equal(readFileSync(join(folder, "back"), "utf8").length, 200_000);
  });

  t.test(`kubectl ${version}: a client that goes away`, async (t) => {
    const streams = new ProcessStreams();
    const api = await startFixture(examplePod("app"), streams);
    t.teardown(() => api.close());
    const child = spawn(kubectl, [...api.args, "exec", "web", "--", "sh", "-c", "echo started; exec sleep 60"], { env: api.env });
    await once(child.stdout, "data");
    const [inPod] = streams.children;
    t.ok(inPod, "runs");
    const ended = new Promise((resolve) => inPod?.once("close", resolve));
    child.kill("SIGKILL");
    await ended;
    t.equal(inPod?.signalCode, "SIGTERM", "its program was stopped");
  });
}
