// What curl prints about a transfer: the -w variables and the progress meter.
import { unescape } from "./printf.ts";

export interface TransferFigures {
  readonly url: string;
  readonly method: string;
  readonly status: number;
  readonly httpVersion: string;
  readonly contentType: string;
  readonly redirectUrl: string;
  readonly redirects: number;
  readonly bodyBytes: number;
  readonly headerBytes: number;
  readonly sentBytes: number;
  readonly remoteIp: string;
  readonly remotePort: number;
  readonly exitCode: number;
  readonly errorText: string;
  /** Milliseconds from the start. */
  readonly lookup: number;
  readonly connect: number;
  readonly tls: number;
  readonly firstByte: number;
  readonly total: number;
}

const seconds = (ms: number): string => (ms / 1000).toFixed(6);

/** The text of a -w format. */
export function writeOut(format: string, figures: TransferFigures, scheme: string): string {
  const variables: Readonly<Record<string, string>> = {
    http_code: String(figures.status).padStart(3, "0"),
    response_code: String(figures.status).padStart(3, "0"),
    http_version: figures.httpVersion,
    content_type: figures.contentType,
    size_download: String(figures.bodyBytes),
    size_header: String(figures.headerBytes),
    size_upload: String(figures.sentBytes),
    speed_download: String(figures.total > 0 ? Math.round((figures.bodyBytes * 1000) / figures.total) : 0),
    time_namelookup: seconds(figures.lookup),
    time_connect: seconds(figures.connect),
    time_appconnect: seconds(figures.tls),
    time_pretransfer: seconds(figures.tls || figures.connect),
    time_starttransfer: seconds(figures.firstByte),
    time_total: seconds(figures.total),
    time_redirect: seconds(0),
    num_connects: figures.remoteIp === "" ? "0" : "1",
    num_redirects: String(figures.redirects),
    redirect_url: figures.redirectUrl,
    remote_ip: figures.remoteIp,
    remote_port: String(figures.remotePort),
    url: figures.url,
    url_effective: figures.url,
    method: figures.method,
    scheme: scheme.replace(":", "").toUpperCase(),
    exitcode: String(figures.exitCode),
    errormsg: figures.errorText,
    ssl_verify_result: "0",
  };
  return unescape(format.replace(/%%|%\{(\w+)\}/g, (all, name?: string) => (all === "%%" ? "%" : (variables[name ?? ""] ?? "")))).text;
}

/** The meter's head and its last line. */
export function progressMeter(figures: TransferFigures): string {
  const size = (bytes: number): string =>
    (bytes < 100_000 ? String(bytes) : bytes < 10_240_000 ? `${Math.floor(bytes / 1024)}k` : `${Math.floor(bytes / 1048576)}M`).padStart(5);
  const speed = size(figures.total > 0 ? Math.round((figures.bodyBytes * 1000) / figures.total) : 0);
  const share = figures.bodyBytes > 0 ? "100" : "  0";
  return (
    "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n" +
    "                                 Dload  Upload   Total   Spent    Left  Speed\n" +
    `${share} ${size(figures.bodyBytes)}  ${share} ${size(figures.bodyBytes)}    0 ${size(figures.sentBytes)}  ${speed}      0 --:--:-- --:--:-- --:--:-- ${speed}\n`
  );
}
