// http-proxy as its README has it, with a keep-alive agent, in front of TARGET.
import { Agent, createServer } from "node:http";
import { createRequire } from "node:module";
import util from "node:util";
import type HttpProxy from "http-proxy";

(util as unknown as { _extend: typeof Object.assign })._extend = Object.assign;
const { createProxyServer } = createRequire(import.meta.url)("http-proxy") as typeof HttpProxy;

const agent = new Agent({ keepAlive: true, maxFreeSockets: 320 });
const proxy = createProxyServer({ target: process.env["TARGET"] ?? "", agent, xfwd: true });
proxy.on("error", () => {});
createServer({ keepAliveTimeout: 60_000 }, (request, response) => proxy.web(request, response)).listen(
  Number(process.env["PORT"]),
  "127.0.0.1",
);
