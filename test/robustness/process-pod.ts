// The line server as a program of its own, for pods of the process runtime.
import { createLineServer } from "./line-server.ts";

const server = createLineServer(process.env["HOSTNAME"] ?? "");
server.listen(Number(process.env["PORT"]));
process.on("SIGTERM", () => process.exit(0));
