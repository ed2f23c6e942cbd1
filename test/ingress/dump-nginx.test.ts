// `dump routes --as nginx` of the clusters of many cases, served by the real nginx: it answers as the controller does, wherever the dump
// does not say that something is not written in it. Without nginx installed there is nothing to compare with.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { type Case, type CaseRequest, readCases, setUp } from "./case.ts";
import { ask } from "./client.ts";
import { createHarness, type Harness } from "./harness.ts";

interface Compared {
  readonly id: string;
  readonly request: CaseRequest;
  readonly dump: string;
  /** `upstream path`, or `status Location`. */
  readonly ours: string;
}

/** Every other one, for time. */
const cases = ["combined-paths", "combined-servers", "combined-redirects"].flatMap(readCases).filter((_, at) => at % 2 === 0);

if (spawnSync("nginx", ["-v"]).error) {
  t.comment("nginx is not installed: nothing to compare with");
  t.plan(0, "nginx is not installed");
} else await t.test("nginx with the dump answers as the controller", compareAll);

async function compareAll(t: Test): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "loopkube-dump-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const harness = await createHarness(t);
  const compared: Compared[] = [];
  for (const test of cases) {
    const one = await answeredHere(harness, test);
    if (one) compared.push(one);
  }
  t.ok(compared.length > 70, `only ${compared.length} cases have a dump that says all`);

  const pod = createServer((asked, response) => response.end(`${String(asked.headers["x-upstream"])} ${asked.url}`));
  pod.listen(join(folder, "pod"));
  t.teardown(() => void (pod.close(), pod.closeAllConnections()));
  await once(pod, "listening");
  // nginx's worker is another user when its master is root.
  chmodSync(folder, 0o755);
  chmodSync(join(folder, "pod"), 0o777);
  writeFileSync(join(folder, "nginx.conf"), configuration(folder, compared));
  const command = ["-p", folder, "-c", join(folder, "nginx.conf")];
  const tried = spawnSync("nginx", ["-t", ...command]);
  t.equal(tried.status, 0, tried.stderr.toString());
  if (tried.status !== 0) return;
  const nginx = spawn("nginx", command, { stdio: ["ignore", "ignore", "inherit"] });
  t.teardown(async () => {
    nginx.kill("SIGTERM");
    if (nginx.exitCode === null) await once(nginx, "exit");
  });
  while (!existsSync(join(folder, `${compared.length - 1}`)) && nginx.exitCode === null)
    await new Promise((resolve) => setImmediate(resolve));
  for (const [at, { id, request, dump, ours }] of compared.entries()) {
    const theirs = await answeredThere(join(folder, `${at}`), request);
    if (theirs !== ours) t.comment(dump);
    t.equal(ours, theirs, id);
  }
}

/** Undefined: another protocol, or its dump says that it does not say all. */
async function answeredHere(harness: Harness, test: Case): Promise<Compared | undefined> {
  const { request, setup = {} } = test;
  const plain =
    request?.scheme === "http" && typeof request.host === "string" && request.body_bytes === undefined && request.count === undefined;
  // Pods there say all the same: those of the cases that answer otherwise are left out.
  const others = /"service":"(?:httpbun|http-cookie)/.test(JSON.stringify(test)) || setup.services?.some(({ replicas }) => replicas === 0);
  if (!plain || !request || request.method !== "GET" || others) return undefined;
  await using world = await setUp(harness, test);
  const dump = (await world.diagnostics.dump?.({ as: "nginx" })) ?? "";
  if (/# not written here/.test(dump)) return undefined;
  const { host = null, path = "/", headers = {} } = request;
  const got = await ask(world.socket(80), { host, path, headers });
  const service = got.headers["x-service"];
  const ours =
    service === undefined
      ? `${got.status} ${String(got.headers["location"] ?? "")}`
      : `default-${String(service)}-80 ${(JSON.parse(got.body.toString()) as { path: string }).path}`;
  return { id: test.id, request, dump, ours };
}

function answeredThere(socketPath: string, { host, path = "/", headers = {} }: CaseRequest): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path, headers: { ...headers, Host: host ?? "" }, agent: false });
    sent.on("error", reject);
    sent.on("response", (answer) => {
      let body = "";
      answer.on("data", (chunk: Buffer) => (body += chunk.toString()));
      answer.on("end", () => {
        const controllers = body.startsWith("upstream-default-backend ");
        if (answer.statusCode === 200 && !controllers) return resolve(body === "" ? "200 " : body);
        resolve(controllers ? "404 " : `${answer.statusCode} ${answer.headers.location ?? ""}`);
      });
    });
    sent.end();
  });
}

/** Each cluster's servers on a socket of their own. */
function configuration(folder: string, compared: readonly Compared[]): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`).join(" ");
  const servers = compared.map(({ dump }, at) =>
    dump
      .replace(/^geo .*$/m, "")
      .replaceAll(/listen \d+( default_server)? ssl;/g, "")
      .replaceAll(/listen \d+( default_server)?;/g, `listen unix:${folder}/${at}$1;`)
      // A socket has no port.
      .replaceAll("$server_port", "80"),
  );
  return `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 512; }
http {
  access_log off; port_in_redirect off; server_names_hash_bucket_size 256; ${temporary}
  geo $literal_dollar { default "$"; }
  upstream upstream_balancer { server unix:${folder}/pod; }
  proxy_set_header Host $http_host; proxy_set_header X-Upstream $proxy_upstream_name;
${servers.join("\n")}
}
`;
}
