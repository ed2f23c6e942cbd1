import t from "tap";
import { fakeContainer, FakeNetwork, type FakeContainer, type FakeOptions } from "../../support/fake-container.ts";
import { findImage, programsOf } from "../../../workloads/images/index.ts";
import { encodeReply, RespReader } from "../../../workloads/images/redis/resp.ts";

function start(image: string, network: FakeNetwork, ip: string, options: FakeOptions = {}): FakeContainer {
  const found = findImage(image);
  if (found?.runtime !== "inline") throw new Error(`no image ${image}`);
  const container = fakeContainer({
    network,
    ip,
    name: `pod-${ip.split(".").at(-1) ?? ""}`,
    image,
    argv: [...(found.entrypoint ?? []), ...(found.cmd ?? [])],
    ...options,
  });
  const exit = found.program(container.context);
  t.teardown(() => (container.terminate(), exit));
  return container;
}

const cli = async (container: FakeContainer, command: string): Promise<string> =>
  (await container.run(["redis-cli", "--no-raw", ...command.split(" ")], undefined, programsOf(findImage("redis")))).out;

const commands: readonly (readonly [string, string])[] = [
  ["PING", "PONG\n"],
  ["PING hi", '"hi"\n'],
  ["ECHO x", '"x"\n'],
  ["GET k", "(nil)\n"],
  ["SET k v", "OK\n"],
  ["SET k v NX", "(nil)\n"],
  ["GET k", '"v"\n'],
  ["APPEND k w", "(integer) 2\n"],
  ["INCR n", "(integer) 1\n"],
  ["INCRBY n 41", "(integer) 42\n"],
  ["INCR k", "(error) ERR value is not an integer or out of range\n"],
  ["EXISTS k n none", "(integer) 2\n"],
  ["KEYS *", '1) "k"\n2) "n"\n'],
  ["TYPE k", "string\n"],
  ["RPUSH l a b c", "(integer) 3\n"],
  ["LRANGE l 0 -2", '1) "a"\n2) "b"\n'],
  ["GET l", "(error) WRONGTYPE Operation against a key holding the wrong kind of value\n"],
  ["SET e v EX 100", "OK\n"],
  ["TTL e", "(integer) 100\n"],
  ["TTL k", "(integer) -1\n"],
  ["DEL k none", "(integer) 1\n"],
  ["DBSIZE", "(integer) 3\n"],
  ["SELECT 99", "(error) ERR DB index is out of range\n"],
  ["GET", "(error) ERR wrong number of arguments for 'get' command\n"],
  ["NOPE a b", "(error) ERR unknown command 'NOPE', with args beginning with: 'a' 'b' \n"],
  ["CONFIG GET port", '1) "port"\n2) "6379"\n'],
];

t.test("commands", async (t) => {
  const redis = start("redis:6.0.5", new FakeNetwork(), "127.244.1.60");
  await redis.log.until(/Ready to accept/);
  for (const [command, expected] of commands) t.equal(await cli(redis, command), expected, command);
  t.match(await cli(redis, "INFO"), /redis_version:6.0.5\r\n[\s\S]*role:master\r\n/);
});

t.test("the wire", async (t) => {
  const network = new FakeNetwork();
  const redis = start("redis", network, "127.244.1.61");
  await redis.log.until(/Ready to accept/);
  const client = fakeContainer({ network });
  const raw = async (bytes: string): Promise<string> => (await client.run(["nc", "-w", "1", "127.244.1.61", "6379"], bytes)).out;
  t.equal(await raw("*1\r\n$4\r\nPING\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"), "+PONG\r\n+PONG\r\n$-1\r\n");
  t.equal(await raw("*x\r\n"), "-ERR Protocol error: invalid multibulk length\r\n");
  t.equal(await raw("*1\r\n!garbage\r\n"), "-ERR Protocol error: expected '$', got '!'\r\n");
  t.match(await raw("\0\u0001\u0002\r\n"), /^-ERR unknown command/);
  t.equal(await raw("PING\r\n"), "+PONG\r\n", "and it still answers");
  const reader = new RespReader();
  const bytes = encodeReply(["a", 1, null, { status: "OK" }, ["b"]]);
  for (const byte of bytes) {
    t.equal(reader.reply(), undefined);
    reader.push(Buffer.from([byte]));
  }
  t.strictSame(reader.reply()?.value, [Buffer.from("a"), 1, null, { status: "OK" }, [Buffer.from("b")]]);
});

t.test("the guestbook tutorial: front end, leader and followers by their Services' names", async (t) => {
  const network = new FakeNetwork();
  network.addName("redis-leader.default.svc.cluster.local", "127.244.1.70");
  network.addName("redis-follower.default.svc.cluster.local", "127.244.1.71");
  const leader = start("docker.io/redis:6.0.5", network, "127.244.1.70");
  await leader.log.until(/Ready to accept/);
  await cli(leader, "SET old 1");
  const follower = start("us-docker.pkg.dev/google-samples/containers/gke/gb-redis-follower:v2", network, "127.244.1.71");
  const frontend = start("us-docker.pkg.dev/google-samples/containers/gke/gb-frontend:v5", network, "127.244.1.72");
  await frontend.log.until(/resuming normal operations/);
  await follower.log.until(/Finished with success/);
  const client = fakeContainer({ network });
  const get = async (path: string): Promise<string> => (await client.run(["curl", "-s", `http://127.244.1.72${path}`])).out;
  t.match(await get("/"), /<h2>Guestbook<\/h2>/);
  t.equal(await get("/guestbook.php?cmd=get&key=messages"), '{"data":""}');
  t.equal(await get("/guestbook.php?cmd=set&key=messages&value=,hello%20there"), '{"message":"Updated"}');
  while ((await cli(follower, "GET messages")) === "(nil)\n") await new Promise((resolve) => setImmediate(resolve));
  t.equal(await get("/guestbook.php?cmd=get&key=messages"), '{"data":",hello there"}');
  t.equal(await cli(follower, "GET old"), '"1"\n', "the snapshot came too");
  t.equal(await cli(follower, "SET x 1"), "(error) READONLY You can't write against a read only replica.\n");
  t.match(await cli(leader, "INFO replication"), /connected_slaves:1/);
  leader.terminate();
  await follower.log.until(/Connection with master lost/);
  t.match(await get("/guestbook.php?cmd=set&key=messages&value=x"), /Connection refused \[tcp:\/\/redis-leader:6379\]/);
  t.equal(await get("/guestbook.php?cmd=get&key=messages"), '{"data":",hello there"}', "followers still read");
});

t.test("front end and back end of the second tutorial", async (t) => {
  const network = new FakeNetwork();
  const early = findImage("gcr.io/google-samples/hello-frontend:1.0");
  if (early?.runtime !== "inline") throw new Error("no hello-frontend");
  const lost = fakeContainer({ network, argv: early.cmd ?? [] });
  t.equal(await early.program(lost.context), 1);
  t.match(lost.log.text, /nginx: \[emerg\] host not found in upstream "hello"/);
  network.addName("hello.default.svc.cluster.local", "127.244.1.80");
  const backend = start("gcr.io/google-samples/hello-go-gke:1.0", network, "127.244.1.80");
  const frontend = start("gcr.io/google-samples/hello-frontend:1.0", network, "127.244.1.81");
  await frontend.log.until(/start worker/);
  const client = fakeContainer({ network });
  t.equal((await client.sh("curl -s 127.244.1.81")).out, '{"message":"Hello"}\n');
  backend.terminate();
  while (network.listens({ ip: "127.244.1.80", port: 80 })) await new Promise((resolve) => setImmediate(resolve));
  t.match((await client.sh("curl -s -w '%{http_code}' 127.244.1.81")).out, /502 Bad Gateway[\s\S]*502$/);
});
