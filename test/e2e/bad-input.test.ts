// Things that go wrong around a running cluster: it says so and keeps running, and leaves nothing behind.
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { createSocket } from "node:dgram";
import { join } from "node:path";
import t from "tap";
import { seededRandom } from "../../model/random.ts";
import { missingPrograms } from "../support/command.ts";
import { type RunningCluster, startLoopkube } from "../support/running-cluster.ts";

t.test("garbage, second clusters, kill -9", async (t) => {
  t.setTimeout(120_000);
  const cluster = await startLoopkube(t, "--demo --name bad");
  const { status } = cluster;
  const stateFile = join(cluster.env["XDG_STATE_HOME"] ?? "", "loopkube", "bad", "run.json");

  await t.test("garbage bytes on every listener", { skip: missingPrograms("kubectl", "curl", "dig") }, async (t) => {
    const addresses = [status.api, status.gateway, status.ingress.http, status.ingress.https, status.dns, `${status.nodes[0]?.ip}:30080`];
    for (const address of addresses) await throwGarbage(address.replace(/^https?:\/\//, ""));
    await throwDatagrams(status.dns);
    t.equal((await cluster.sh("kubectl get nodes -o name | wc -l")).stdout.trim(), "3");
    t.equal((await cluster.sh(`curl -sS -m 30 -o /dev/null -w '%{http_code}' http://${status.nodes[0]?.ip}:30080/`)).stdout, "200");
    t.match((await cluster.sh(`dig +short -p ${status.dns.split(":")[1]} @127.0.0.1 shop.default.svc.cluster.local`)).stdout, /^127\./);
    t.match(
      (await cluster.sh(`curl -sS -m 30 -H 'Host: shop.example' http://${status.ingress.http.replace(/^http:\/\//, "")}/cart`)).stdout,
      /cart/,
    );
  });

  await t.test("the API needs credentials on loopback too", { skip: missingPrograms("curl") }, async (t) => {
    const answer = await cluster.sh(`curl -sSk -m 30 ${status.api}/api/v1/pods`);
    t.match(JSON.parse(answer.stdout), { kind: "Status", reason: "Unauthorized", code: 401 });
  });

  await t.test("malformed manifests", { skip: missingPrograms("kubectl") }, async (t) => {
    const broken = await cluster.sh("printf 'kind: [\\n' | kubectl apply -f -");
    t.equal(broken.code, 1);
    t.match(broken.stderr, /error parsing STDIN|error converting YAML/);
    const refused = await cluster.sh(
      "printf 'apiVersion: v1\\nkind: Service\\nmetadata: {name: x}\\nspec: {ports: [{port: 80, nodePort: 30080}], type: NodePort}\\n' | kubectl apply -f -",
    );
    t.match(refused.stderr, /spec\.ports\[0\]\.nodePort: Invalid value: 30080: provided port is already allocated/);
  });

  await t.test("a fault on what there is not says so, and so does dump", async (t) => {
    const added = await cluster.sh("loopkube fault add --from app=client --to svc/nobody refuse --as early && loopkube fault remove early");
    t.equal(
      added.stdout,
      "fault/early added: from app=client to svc/default/nobody: refuse\nthere is no svc/default/nobody: it waits for one\nfault/early removed\n",
    );
    t.equal(
      (await cluster.sh("loopkube fault add --to svc/shop latency=1ms --as there && loopkube fault remove there")).stdout.includes(
        "there is no",
      ),
      false,
    );
    const deaf = await cluster.sh("loopkube fault add --from app=client --to svc/shop dns=SERVFAIL,10% latency=5ms");
    t.equal(deaf.code, 1);
    t.equal(
      deaf.stderr,
      "error: svc/default/shop is asked no DNS questions; what fails is questions about it:\n" +
        "  loopkube fault add --from 'app=client' dns=SERVFAIL,10%,shop.default.svc.cluster.local\n" +
        "  loopkube fault add --from 'app=client' --to 'svc/default/shop' latency=5ms\n",
    );
    const all = await cluster.sh(
      "for f in a b; do loopkube fault add refuse --to svc/nobody --as $f >/dev/null; done; loopkube fault remove --all; loopkube fault remove --all",
    );
    t.equal(all.stdout, "fault/a removed\nfault/b removed\nthere are no faults\n");
    t.match((await cluster.sh("loopkube dump rules --service nobody")).stderr, 'services "default/nobody" not found');
    t.match((await cluster.sh("loopkube dump rules --service shop --as iptables")).stdout, /default\/shop/);
  });

  await t.test("a second cluster of the name is refused, one of another name lives beside it", async (t) => {
    const same = await cluster.sh("loopkube up --name bad --own-kubeconfig");
    t.equal(same.code, 1);
    t.match(same.stderr, /a cluster named "bad" is already running \(pid \d+\)\n {2}stop it: loopkube down/);
    const other = await cluster.sh(
      "loopkube up --name beside -d --own-kubeconfig && loopkube status --name beside -o json && loopkube down --name beside",
    );
    t.equal(other.code, 0, "started, answered and stopped", { ...other });
    t.notMatch(other.stdout, new RegExp(`"api": "${status.api}"`), "the next free ports are taken");
  });

  await t.test("kill -9 leaves a stale state that the next up and down clean", async (t) => {
    cluster.process.kill("SIGKILL");
    await once(cluster.process, "exit");
    t.ok(existsSync(stateFile));
    t.match((await cluster.sh("loopkube status --name bad")).stderr, /no cluster named "bad" is running/);
    t.match(kubeconfigOf(cluster), /loopkube-bad/);
    t.equal((await cluster.sh("loopkube down --name bad")).code, 0);
    t.notOk(existsSync(stateFile));
    t.notMatch(kubeconfigOf(cluster), /loopkube/);
  });
});

t.test("Ctrl-C leaves no context, state or listener", async (t) => {
  t.setTimeout(60_000);
  const cluster = await startLoopkube(t, "--name gone --nodes 1");
  t.match(kubeconfigOf(cluster), /^current-context: loopkube-gone$/m);
  const exited = once(cluster.process, "exit");
  cluster.process.kill("SIGINT");
  t.strictSame(await exited, [0, null]);
  t.notOk(existsSync(join(cluster.env["XDG_STATE_HOME"] ?? "", "loopkube", "gone")));
  t.notMatch(kubeconfigOf(cluster), /loopkube/);
  const { hostname, port } = new URL(cluster.status.api);
  const [error] = await once(
    connect(Number(port), hostname).on("connect", () => t.fail("somebody still listens")),
    "error",
  );
  t.match(error, { code: "ECONNREFUSED" }, "nothing listens any more");
});

const kubeconfigOf = (cluster: RunningCluster): string => readFileSync(cluster.env["KUBECONFIG"] ?? "", "utf8");

const RANDOM = seededRandom("garbage");
const bytes = (length: number): Buffer => Buffer.from(Array.from({ length }, () => RANDOM.int(256)));

/** Random bytes, half a request, and nothing at all; each connection is given up by this side. */
async function throwGarbage(address: string): Promise<void> {
  const [host = "", port = ""] = address.replace(/\/$/, "").split(":");
  const payloads = [
    bytes(1),
    bytes(64),
    bytes(5000),
    Buffer.from("GET / HTTP/1.1\r\nHost"),
    Buffer.from("\x05\x01\x00\x03"),
    Buffer.alloc(0),
  ];
  for (const payload of payloads) {
    const socket = connect(Number(port), host);
    socket.on("error", () => undefined);
    await once(socket, "connect");
    socket.write(payload);
    socket.end();
    socket.resume();
    await Promise.race([once(socket, "close"), once(socket, "end")]);
    socket.destroy();
  }
}

async function throwDatagrams(address: string): Promise<void> {
  const [host = "", port = ""] = address.split(":");
  const socket = createSocket("udp4");
  for (let i = 0; i < 200; i++)
    await new Promise<void>((resolve) => socket.send(bytes(1 + RANDOM.int(600)), Number(port), host, () => resolve()));
  socket.close();
}
