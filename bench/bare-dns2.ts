// The 10,000 names in a bare dns2 server: what cluster DNS would be without anything of ours.
import DNS from "dns2";
import { addressOf, COUNT, hostOf } from "./dns-names.ts";

const addresses = new Map(Array.from({ length: COUNT }, (_, index) => [hostOf(index), addressOf(index)]));

const server = DNS.createServer({
  udp: true,
  handle(request, send) {
    const response = DNS.Packet.createResponseFromRequest(request);
    const [question] = request.questions;
    const address = question && addresses.get(question.name.toLowerCase());
    if (question && address !== undefined) {
      const record: unknown = { name: question.name, type: DNS.Packet.TYPE.A, class: DNS.Packet.CLASS.IN, ttl: 30, address };
      response.answers.push(record as DNS.Packet.Resource);
    } else response.header.rcode = DNS.Packet.RCODE.NXDOMAIN;
    send(response);
  },
});
await server.listen({ udp: { port: Number(process.env["PORT"]), address: "127.0.0.1" } });
