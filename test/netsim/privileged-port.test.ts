// Port 80 without privilege: the same address at port + 8000, or a free port of 127.0.0.1 when that is taken too. A child of this
// file plays the unprivileged user.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import t from "tap";
import { testFabric } from "./test-fabric.ts";

const firstUnprivileged = (): number => {
  try {
    return Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8"));
  } catch {
    return 1024;
  }
};

if (process.argv[2] === "child") {
  const cleanups: (() => Promise<void>)[] = [];
  const { fabric, pod } = await testFabric({ teardown: (callback) => void cleanups.push(callback) });
  const [web, tcpOnly] = [pod("web", 5), pod("taken", 6)];
  const holder = createServer();
  await new Promise<void>((done) => holder.listen(8080, tcpOnly.ip, done));
  const lines: string[] = [];
  for (const [owner, port, protocol] of [
    [web, 80, "TCP"],
    [web, 443, "TCP"],
    [web, 53, "UDP"],
    [tcpOnly, 80, "TCP"],
  ] as const) {
    const backend =
      protocol === "TCP"
        ? { type: "server" as const, server: createServer((socket) => socket.end()) }
        : { type: "datagram" as const, handler: () => {} };
    const { socket } = await fabric.expose({ ip: owner.ip, port }, protocol, backend, owner);
    lines.push(`${owner.name} ${port}/${protocol} ${socket.ip === owner.ip ? socket.port : socket.ip}`);
  }
  holder.close();
  for (const cleanup of cleanups) await cleanup();
  process.stdout.write(`${process.getuid?.()}: ${lines.join(", ")}\n`);
} else if (process.getuid?.() !== 0) {
  t.pass("needs root to become another user", { skip: "not root" });
} else if (firstUnprivileged() <= 443) {
  t.pass("needs privileged ports", { skip: "net.ipv4.ip_unprivileged_port_start lets everyone bind port 80" });
} else {
  const args = ["--reuid", "65534", "--regid", "65534", "--clear-groups", process.execPath, fileURLToPath(import.meta.url), "child"];
  const output = await new Promise<string>((done) =>
    execFile("setpriv", args, { timeout: 20_000 }, (error, stdout, stderr) => done(error ? `${error.message} ${stderr}` : stdout)),
  );
  t.equal(output, "65534: web 80/TCP 8080, web 443/TCP 8443, web 53/UDP 8053, taken 80/TCP 127.0.0.1\n");
}
