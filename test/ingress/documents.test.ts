// Upstream's user guide, FAQ and examples, where they say what a client or a pod sees.
import { type AddressInfo, createServer, type Server } from "node:net";
import t from "tap";
import { readCases } from "./case.ts";
import { runCases } from "./case-runner.ts";
import { ask } from "./client.ts";
import { createHarness } from "./harness.ts";
import { addIngress, ingress } from "./raw.ts";

await runCases(t, readCases("documents"));

await t.test("faq.md, Why is chunking not working: a pod that says Transfer-Encoding twice is 502", async (t) => {
  const harness = await createHarness(t);
  await using world = await harness.start();
  const server = (lines: string): Server =>
    createServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", () => socket.write(`HTTP/1.1 200 OK\r\n${lines}\r\n1\r\nx\r\n0\r\n\r\n`));
    });
  const line = "Transfer-Encoding: chunked\r\n";
  for (const [name, lines, status] of [
    ["once", line, 200],
    ["twice", line + line, 502],
    ["joined", "Transfer-Encoding: chunked, chunked\r\n", 200],
  ] as const) {
    const outside = server(lines);
    await new Promise<void>((resolve) => outside.listen(0, "127.0.0.1", resolve));
    t.teardown(() => outside.close());
    const { port } = outside.address() as AddressInfo;
    await world.service(`in-${name}`, { server: () => server(lines) });
    await world.service(`out-${name}`, { process: { ip: "127.0.0.1", port } });
    for (const kind of ["in", "out"]) {
      await addIngress(world, ingress(`${kind}-${name}`, `${kind}-${name}.example`, `${kind}-${name}`));
      const answer = await ask(world.socket(80), { host: `${kind}-${name}.example` });
      t.equal(answer.status, status, `${kind} ${name}`);
    }
  }
});
