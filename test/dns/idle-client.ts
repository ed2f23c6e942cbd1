// Opens many TCP connections to a DNS server and says nothing on them: a process of its own, so that its descriptors are its own.
// Arguments: address, port, how many, how many are expected to stay. Sends what became of them, then asks on one of those that stayed.
import { connect, type Socket } from "node:net";
import { encodeQuery } from "../../dns/encode.ts";

const [ip = "", port = "", count = "", staying = ""] = process.argv.slice(2);
const total = Number(count);
const atOnce = 200;
const open = new Set<Socket>();
const seen = { ended: 0, reset: 0, other: [] as string[] };
let started = 0;

function next(): void {
  if (started === total) return;
  started++;
  const socket = connect({ host: ip, port: Number(port) });
  socket.once("connect", () => {
    open.add(socket);
    next();
  });
  socket.once("end", () => void seen.ended++);
  socket.once("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "ECONNRESET") seen.reset++;
    else seen.other.push(error.code ?? error.message);
    if (!open.has(socket)) next();
  });
  socket.once("close", () => {
    open.delete(socket);
    if (seen.ended + seen.reset + seen.other.length === total - Number(staying)) finish();
  });
  socket.resume();
}

function finish(): void {
  const [socket] = open;
  if (!socket) return void process.send?.({ ...seen, answer: "nobody stayed" });
  const question = encodeQuery(7, "dns-version.cluster.local.", 16);
  socket.once("data", (answer: Buffer) => {
    process.send?.({ ...seen, stayed: open.size, answer: answer.toString("latin1").includes("1.1.0") });
    for (const each of open) each.destroy();
    if (process.connected) process.disconnect?.();
  });
  socket.write(Buffer.concat([Buffer.from([0, question.length]), question]));
}
for (let i = 0; i < atOnce; i++) next();
