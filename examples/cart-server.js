// A program of your own as a pod: it listens on $PORT and knows its pod by $HOSTNAME and $POD_IP.
//   npx loopkube image add shop/cart:1 -- node examples/cart-server.js
//   kubectl create deployment cart2 --image=shop/cart:1 --replicas=2 --port=8080
//   kubectl expose deployment cart2 --port=80 --target-port=8080
import { createServer } from "node:http";

const { PORT = "8080", HOSTNAME = "localhost", POD_IP = "127.0.0.1" } = process.env;
const items = [];

const server = createServer(async (request, response) => {
  if (request.method === "POST") {
    let body = "";
    for await (const chunk of request) body += chunk;
    items.push(body);
  }
  response.setHeader("content-type", "application/json");
  response.end(`${JSON.stringify({ pod: HOSTNAME, ip: POD_IP, items })}\n`);
});
server.listen(Number(PORT), () => console.log(`cart on ${PORT} in ${HOSTNAME}`));
process.on("SIGTERM", () => server.close(() => process.exit(0)));
