// redis, and the follower of the guestbook tutorial: redis-server and redis-cli.
import { fail, type NamedTool, type ToolIo } from "../../tools/tool.ts";
import { imageTag, type ImageSpec } from "../image.ts";
import { redisCli } from "./client.ts";
import { serveRedis, type RedisOptions } from "./server.ts";

const ACCEPTED = [
  "--save",
  "--appendonly",
  "--protected-mode",
  "--loglevel",
  "--bind",
  "--maxmemory",
  "--maxmemory-policy",
  "--dir",
  "--logfile",
  "--tcp-keepalive",
  "--timeout",
  "--slave-read-only",
  "--replica-read-only",
  "--io-threads",
];

function parse(argv: readonly string[], io: ToolIo): RedisOptions | string {
  let port = 6379;
  let password: string | undefined;
  let replicaOf: RedisOptions["replicaOf"];
  const words = argv.flatMap((word) => (word.startsWith("--") ? word.split(" ") : [word]));
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? "";
    const values: string[] = [];
    while (word.startsWith("--") && i + 1 < words.length && !(words[i + 1] ?? "").startsWith("--")) values.push(words[++i] ?? "");
    if (word === "--port") port = Number(values[0]);
    else if (word === "--requirepass") password = values[0];
    else if (word === "--replicaof" || word === "--slaveof") {
      const [host = "", at = "6379"] = values.join(" ").split(" ");
      replicaOf = { host, port: Number(at) };
    } else if (word.startsWith("--") && !ACCEPTED.includes(word))
      return `*** FATAL CONFIG FILE ERROR (Redis) ***\nReading the configuration file, at line 2\n>>> '${[word.slice(2), ...values].join(" ")}'\nBad directive or wrong number of arguments`;
    else if (!word.startsWith("--")) io.stderr.write(`redis-server: ${word} is not read by loopkube's stand-in\n`);
  }
  if (!Number.isInteger(port) || port < 1 || port > 65535) return "Invalid port";
  const version = /^\d+\.\d+\.\d+/.exec(imageTag(io.context))?.[0] ?? "7.4.1";
  return { port, version, ...(password === undefined || password === "" ? {} : { password }), ...(replicaOf ? { replicaOf } : {}) };
}

const server: NamedTool = {
  name: "redis-server",
  async run(argv, io) {
    if (argv[1] === "--version" || argv[1] === "-v") return fail(io, "Redis server v=7.4.1", 0);
    const options = parse(argv.slice(1), io);
    return typeof options === "string" ? fail(io, options) : serveRedis(options, io);
  },
};

/** run.sh of the guestbook's followers: replicate from the leader's Service, by name or by its environment variable. */
function follower(leader: string): NamedTool {
  return {
    name: "run.sh",
    run(_argv, io) {
      const variable = `${leader.toUpperCase().replaceAll("-", "_")}_SERVICE_HOST`;
      const host = io.env["GET_HOSTS_FROM"] === "env" ? (io.env[variable] ?? leader) : leader;
      return server.run(["redis-server", "--replicaof", host, "6379"], io);
    },
  };
}

const entrypoint: NamedTool = {
  name: "docker-entrypoint.sh",
  run: (argv, io) => server.run(argv[1] === "redis-server" ? argv.slice(1) : argv, io),
};

export const redis: ImageSpec = {
  repositories: ["redis", "google_containers/redis", "e2e-test-images/redis", "bitnami/redis"],
  cmd: ["redis-server"],
  ports: [6379],
  programs: [server, redisCli, entrypoint],
};
export const redisFollower: ImageSpec = {
  repositories: ["google_samples/gb-redis-follower", "google-samples/gb-redis-follower", "google-samples/containers/gke/gb-redis-follower"],
  cmd: ["/run.sh"],
  ports: [6379],
  programs: [follower("redis-leader"), server, redisCli],
};
export const redisSlave: ImageSpec = {
  repositories: ["google_samples/gb-redisslave", "google-samples/gb-redisslave"],
  cmd: ["/run.sh"],
  ports: [6379],
  programs: [follower("redis-master"), server, redisCli],
};
