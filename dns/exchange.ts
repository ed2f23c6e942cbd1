// One DNS message to a server and one back, over a connection of its own. Upstream: miekg/dns client.go Exchange.
import type { DnsConnection, Limits } from "./connection.ts";

/** Rejects with an Error whose `code` is ETIMEDOUT, ECONNREFUSED and so on. */
export async function exchangeOnce(opened: Promise<DnsConnection>, message: Buffer, limits: Limits): Promise<Buffer> {
  const connection = await opened;
  try {
    return await connection.exchange(message, limits);
  } finally {
    connection.close();
  }
}
