// The handler that all HTTP contestants serve, in a bare Node server: what a pod's server would be without a cluster.
import { createServer } from "node:http";
import { answer } from "./payload.ts";

const server = createServer(answer);
server.keepAliveTimeout = 60_000;
server.listen(Number(process.env["PORT"]), "127.0.0.1");
