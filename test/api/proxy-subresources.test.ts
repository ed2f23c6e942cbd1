// HTTP and upgrades through the proxy subresources of pods and services.
import { createServer } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import t, { type Test } from "tap";
import type { Pod } from "../../model/kinds/core-v1.ts";
import { EndpointSlices, Pods, Services } from "../../model/resources.ts";
import { CORE } from "./example-objects.ts";
import { startApi, TOKEN } from "./in-process-api.ts";

t.test("HTTP through the proxy subresources", async (t) => {
  const backend = createServer((request, response) => {
    response.setHeader("X-Seen", `${request.method ?? ""} ${request.url ?? ""}`);
    request.pipe(response);
  });
  await new Promise<void>((resolve) => void backend.listen(0, "127.0.0.1", resolve));
  t.teardown(() => backend.close());
  const { port } = backend.address() as AddressInfo;
  const dialled: string[] = [];
  const { call, store, url } = await startApi(t, {
    dial(to) {
      dialled.push(`${to.ip}:${to.port}`);
      return Promise.resolve(connect(port, "127.0.0.1"));
    },
  });
  const webPod: Pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "default" },
    spec: { containers: [{ name: "c", image: "nginx", ports: [{ containerPort: 8080 }] }] },
    status: { phase: "Running", podIP: "127.244.1.5" },
  };
  await store.create(Pods, webPod);
  await store.create(Services, {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace: "default" },
    spec: { ports: [{ port: 80 }] },
  });
  t.match((await call("GET", `${CORE}/services/web/proxy/x`)).json, { code: 503, message: 'no endpoints available for service "web"' });
  await store.create(EndpointSlices, {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "web-1", namespace: "default", labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv4",
    endpoints: [{ addresses: ["127.244.1.5"], conditions: { ready: true } }],
    ports: [{ name: "", port: 8080, protocol: "TCP" }],
  });
  const echoed = await call("POST", `${CORE}/pods/web/proxy/a//b%20c?d=e`, { body: "hello" });
  t.equal(echoed.text, "hello");
  t.equal(echoed.headers.get("x-seen"), "POST /a//b%20c?d=e");
  t.equal((await call("GET", `${CORE}/services/web:80/proxy/x`)).headers.get("x-seen"), "GET /x");
  t.equal((await call("GET", `${CORE}/pods/http:web:9000/proxy/`)).headers.get("x-seen"), "GET /");
  t.same(dialled, ["127.244.1.5:8080", "127.244.1.5:8080", "127.244.1.5:9000"]);
  t.match((await call("GET", `${CORE}/pods/none/proxy/`)).json, { code: 404 });
  backend.on("upgrade", (request, socket: Socket, head) => {
    const seen = `${request.url ?? ""} ${request.headers.authorization ?? "no credentials"} ${request.headers["x-own"] ?? ""}`;
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-Seen: ${seen}\r\n\r\n`);
    socket.write(head);
    socket.pipe(socket);
  });
  t.match(
    await upgraded(t, Number(new URL(url).port), `${CORE}/services/web/proxy/ws?a=b`),
    /^HTTP\/1\.1 101 [^]*X-Seen: \/ws\?a=b no credentials 1\r\n\r\nhello$/,
  );
  t.match(await upgraded(t, Number(new URL(url).port), `${CORE}/pods/none/proxy/ws`), /^HTTP\/1\.1 404 /);
});

/** Asks for an upgrade to an echo protocol and says hello; all that comes back until it has, or until the end. */
function upgraded(t: Test, port: number, path: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  t.teardown(() => socket.destroy());
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nX-Own: 1\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello`,
  );
  let text = "";
  return new Promise((resolve) => {
    socket.on("data", (chunk) => {
      text += String(chunk);
      if (text.endsWith("hello")) resolve(text);
    });
    socket.on("close", () => resolve(text));
  });
}
