// Requests for another protocol whose pod does not answer: other pods are asked, as for any request (proxy_next_upstream).
import { createServer } from "node:http";
import t from "tap";
import { createHarness } from "./harness.ts";
import { addIngress, ingress, raw } from "./raw.ts";

const harness = await createHarness(t);
await using world = await harness.start();

const asking = (host: string): string => `GET /chat HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
const statusOf = (answer: string): string => answer.slice(0, 12);

/** Pods that take upgrades, but for those that `fails` names. */
async function service(name: string, fails: (pod: string) => boolean, more: Readonly<Record<string, string>> = {}): Promise<string[]> {
  const calls: string[] = [];
  await world.service(name, {
    replicas: 2,
    server: (pod) =>
      createServer().on("upgrade", (_, socket) => {
        calls.push(pod);
        socket.on("error", () => {});
        if (fails(pod)) socket.destroy();
        else socket.end("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
      }),
  });
  await addIngress(world, ingress(name, `${name}.example`, name, more));
  return calls;
}

await t.test("the next pod", async (t) => {
  const calls = await service("one-fails", (pod) => pod === "one-fails-0");
  const answer = await raw(world.socket(80), asking("one-fails.example"));
  t.equal(statusOf(answer), "HTTP/1.1 101");
  t.strictSame(calls, ["one-fails-0", "one-fails-1"]);
});

await t.test("no more than proxy-next-upstream-tries", async (t) => {
  const calls = await service("all-fail", () => true);
  t.equal(statusOf(await raw(world.socket(80), asking("all-fail.example"), /<\/html>/)), "HTTP/1.1 502");
  t.equal(calls.length, 3);
  const single = await service("single", () => true, { "proxy-next-upstream-tries": "1" });
  t.equal(statusOf(await raw(world.socket(80), asking("single.example"), /<\/html>/)), "HTTP/1.1 502");
  t.equal(single.length, 1);
});
