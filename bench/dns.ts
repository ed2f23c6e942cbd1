// Repeated DNS questions over UDP (dnsperf), beside dnsmasq with the same names.
import { fork } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { interleave, output, ratioTable, startPeer, temporaryFolder } from "./measure.ts";

const DNSMASQ = 42_053;
const NAME = "web.default.svc.cluster.local";

interface Ready {
  readonly status: { readonly dns: string };
  readonly service: readonly { readonly data: string }[];
}

export async function benchDns(rounds: number, seconds: number): Promise<string> {
  using folder = temporaryFolder();
  const questions = join(folder.path, "questions");
  writeFileSync(questions, `${NAME} A\nkubernetes.default.svc.cluster.local A\nnope.default.svc.cluster.local A\n`);
  const cluster = fork(join(import.meta.dirname, "bench-cluster.ts"), { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const ready = await new Promise<Ready>((resolve, reject) => {
    cluster.once("message", (message) => resolve(message as Ready));
    cluster.once("exit", (code) => reject(new Error(`the cluster ended with code ${code}`)));
  });
  const address = ready.service[0]?.data ?? "127.0.0.1";
  const dnsmasq = startPeer("dnsmasq", [
    ...["--keep-in-foreground", "--no-resolv", "--no-hosts", "--no-daemon", "--cache-size=10000", "--local=/cluster.local/"],
    ...["--listen-address=127.0.0.1", "--bind-interfaces", `--port=${DNSMASQ}`, "--conf-file=/dev/null", `--pid-file=${folder.path}/pid`],
    ...[`--host-record=${NAME},${address}`, `--host-record=kubernetes.default.svc.cluster.local,127.96.0.1`],
  ]);
  const ask = async (host: string, port: string): Promise<number> => {
    const text = await output("dnsperf", ["-s", host, "-p", port, "-d", questions, "-l", String(seconds), "-c", "10", "-q", "200"]);
    return Number(/Queries per second:\s+([\d.]+)/.exec(text)?.[1]);
  };
  try {
    const dns = ready.status.dns;
    const results = await interleave(
      [
        { name: "dnsmasq", measure: () => ask("127.0.0.1", String(DNSMASQ)) },
        { name: "cluster DNS", measure: () => ask(dns.slice(0, dns.lastIndexOf(":")), dns.slice(dns.lastIndexOf(":") + 1)) },
      ],
      rounds,
    );
    return ratioTable("Repeated questions over UDP (`dnsperf`)", "questions/s", results);
  } finally {
    cluster.kill("SIGTERM");
    await dnsmasq.close();
  }
}
