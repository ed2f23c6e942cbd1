// An answer that the controller gives itself, without a pod: nginx's pages and redirects.
// Upstream: ngx_http_special_response.c with server_tokens off.
import { STATUS_CODES } from "node:http";

/** Name and value; several of one name are several lines. */
export type HeaderLine = readonly [name: string, value: string];

export interface Answer {
  readonly status: number;
  readonly headers: readonly HeaderLine[];
  readonly body: string;
  /** Who answered and why, for traces. */
  readonly reason: string;
  /** nginx's `return`, which takes the body before it answers: who waits for 100 Continue is told so. */
  readonly returned?: true;
  /** Close the connection afterwards. */
  readonly close?: boolean;
  /** Over HTTP/2 the connection is ended instead, for ENHANCE_YOUR_CALM. */
  readonly goaway?: boolean;
}

/** Reason phrases where nginx's words differ from Node's. */
const TITLES: Readonly<Record<number, string>> = {
  302: "Found",
  400: "Bad Request",
  401: "Authorization Required",
  405: "Not Allowed",
  408: "Request Time-out",
  413: "Request Entity Too Large",
  414: "Request-URI Too Large",
  416: "Requested Range Not Satisfiable",
  494: "Request Header Or Cookie Too Large",
  495: "SSL Certificate Error",
  496: "No required SSL certificate was sent",
  497: "The plain HTTP request was sent to HTTPS port",
  503: "Service Temporarily Unavailable",
  504: "Gateway Time-out",
};

export const titleOf = (status: number): string => TITLES[status] ?? STATUS_CODES[status] ?? "";

/** What stands behind the number in nginx's status line. */
export const reasonOf = (status: number): string => REASONS[status] ?? titleOf(status);

/** Status lines that say it otherwise than the page does, or nothing. */
const REASONS: Readonly<Record<number, string>> = { 300: "", 305: "", 306: "", 302: "Moved Temporarily", 401: "Unauthorized" };

/** nginx's page for a status. */
export function pageOf(status: number, detail?: string): string {
  const shown = status === 494 || status === 495 || status === 496 || status === 497 ? 400 : status;
  const heading = `${shown} ${shown === status ? titleOf(status) : titleOf(400)}`;
  const inner =
    shown === status
      ? `<center><h1>${heading}</h1></center>`
      : `<center><h1>${heading}</h1></center>\r\n<center>${titleOf(status)}</center>`;
  const more = detail === undefined ? "" : `<center>${detail}</center>\r\n`;
  const title = shown === status ? heading : `${shown} ${titleOf(status)}`;
  return `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n${inner}\r\n${more}<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n`;
}

/** Pages after which nginx closes (ngx_http_special_response_handler). */
const CLOSING: ReadonlySet<number> = new Set([400, 413, 414, 494, 495, 496, 497, 500, 501]);

/** An error or redirect page. 494 to 497 go out as 400. */
export function page(status: number, reason: string, headers: readonly HeaderLine[] = []): Answer {
  return {
    status: status >= 494 && status <= 497 ? 400 : status,
    headers: [["Content-Type", "text/html"], ...headers],
    body: pageOf(status),
    reason,
    ...(CLOSING.has(status) ? { close: true } : {}),
  };
}

export function redirect(status: number, location: string, reason: string): Answer {
  return page(status, reason, [["Location", location]]);
}
