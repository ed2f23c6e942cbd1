// The image of upstream's FastCGI test, asked by the ingress controller's engine.
import t from "tap";
import { createFastCgiEngine } from "../../../ingress/engine/fastcgi-engine.ts";
import { ClientSignal, type ForwardClient } from "../../../ingress/engine/forward.ts";
import { realClock } from "../../../model/clock.ts";
import { findImage } from "../../../workloads/images/index.ts";
import { fakeContainer, FakeNetwork } from "../../support/fake-container.ts";

const REFERENCE =
  "registry.k8s.io/ingress-nginx/fastcgi-helloserver:v1.2.9@sha256:0e3d0f312967bec687cc335accb989a6b72e3faa20c1d71e4e77ab842320b9c6";

t.test("greets at /hello, by name when one is given", async (t) => {
  const image = findImage(REFERENCE);
  if (image?.runtime !== "inline") throw new Error("no such image");
  const network = new FakeNetwork();
  const server = fakeContainer({ network, ip: "127.244.1.70", name: "hello", image: REFERENCE, argv: [...(image.cmd ?? [])] });
  const exit = image.program(server.context);
  const engine = createFastCgiEngine(realClock, (ip, port) => network.dial(realClock, "127.244.1.71", { ip, port }));
  for (const [uri, status, body] of [
    ["/hello", 200, "Hello world!"],
    ["/hello?name=you", 200, "Hello you!"],
    ["/hello?name=", 200, "Hello world!"],
    ["/other", 404, "404 page not found\n"],
  ] as const) {
    const answer = await engine.send({ signal: new ClientSignal() } as ForwardClient, {
      method: "GET",
      target: uri,
      headers: {},
      body: { type: "none" },
      peer: { id: "127.244.1.70:9000", host: "127.244.1.70", port: 9000 },
      cgi: [["REQUEST_URI", uri]],
      tls: undefined,
      httpVersion: "1.1",
      connectTimeoutMs: 5000,
      sendTimeoutMs: 5000,
      readTimeoutMs: 5000,
    });
    const chunks: Buffer[] = [];
    for await (const chunk of answer.stream) chunks.push(chunk as Buffer);
    t.strictSame([answer.status, Buffer.concat(chunks).toString()], [status, body], uri);
  }
  server.terminate();
  t.equal(await exit, 0);
});
