// Imported before the program. Importing node:http as an ES module reads each of its exports, and three of them are getters that load
// Node's fetch (16 MB of memory and 20 ms). They are aliases of globals, which stay; nothing here asks node:http for them.
import { createRequire } from "node:module";

const http = createRequire(import.meta.url)("node:http");
for (const name of ["WebSocket", "CloseEvent", "MessageEvent"]) {
  if (Object.getOwnPropertyDescriptor(http, name)?.configurable) delete http[name];
}
