// Loaded before a Node program that stands in for a container: its listen() on one of the pod's ports binds the private port
// that the pod's address leads to. Plain JavaScript, so that any Node can load it.
import { Server } from "node:net";
import { isMainThread, parentPort } from "node:worker_threads";

const ports = new Map(
  (process.env.LOOPKUBE_PORTS ?? "")
    .split(",")
    .filter((pair) => pair !== "")
    .map((pair) => pair.split("=").map(Number)),
);

const listen = Server.prototype.listen;
Server.prototype.listen = function (...args) {
  const [first, ...rest] = args;
  const options = typeof first === "object" && first !== null ? first : undefined;
  const wanted = Number(options ? options.port : first);
  const mapped = ports.get(wanted) ?? ([...ports.values()].includes(wanted) ? wanted : undefined);
  if (mapped === undefined) return listen.apply(this, args);
  if (options) return listen.call(this, { ...options, port: mapped, host: "127.0.0.1", ipv6Only: false }, ...rest);
  return listen.call(this, { port: mapped, host: "127.0.0.1" }, ...rest.filter((arg) => typeof arg === "function"));
};

// A worker thread gets no signals: the runtime sends them as messages.
if (!isMainThread && parentPort) {
  parentPort.on("message", (message) => {
    if (message?.loopkube !== "SIGTERM") return;
    if (!process.emit("SIGTERM", "SIGTERM")) process.exit(143);
  });
  parentPort.unref();
}
