// proxy-http-version 1.0: the request line says HTTP/1.0 and the connection ends with the answer.
// Upstream: ngx_http_proxy_module. Node's client has no such setting: the request line is changed where Node writes it.
import type { ClientRequest } from "node:http";

/** Where Node puts the head of a request together; its types leave it out. */
interface HeadWriter {
  _storeHeader(firstLine: string, headers: unknown): void;
}

/** To be called before the head of the request is written. Bodies need a length: HTTP/1.0 has no chunks. */
export function speakHttp10(request: ClientRequest): void {
  request.shouldKeepAlive = false;
  // Without a word of its own Node says close.
  if (!request.hasHeader("connection")) request.removeHeader("connection");
  const writer = request as unknown as HeadWriter;
  const write = writer._storeHeader.bind(request);
  writer._storeHeader = (firstLine, headers) => write(firstLine.replace(/HTTP\/1\.1\r\n$/, "HTTP/1.0\r\n"), headers);
}
