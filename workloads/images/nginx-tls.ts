// The TLS listeners that nginx's mounted configuration asks for: `listen 443 ssl` with its certificate and key.
// Counterpart: ngx_http_ssl_module. Nothing else of the configuration is interpreted.
import { createServer, type Server } from "node:https";
import { walk } from "../tools/file-tree.ts";
import type { ToolIo } from "../tools/tool.ts";

export interface TlsListener {
  readonly port: number;
  readonly server: Server;
}

const DIRECTIVE = (name: string): RegExp => new RegExp(`^\\s*${name}\\s+([^;]+);`, "m");

/** The listeners of all files below `folder`; nginx's own words when a certificate cannot be used. */
export function tlsListeners(io: ToolIo, folder: string): readonly TlsListener[] | string {
  const listeners: TlsListener[] = [];
  for (const { path, folder: isFolder } of walk(io.files, folder)) {
    if (isFolder || !path.endsWith(".conf")) continue;
    const text = (io.files.read(path) ?? "").replace(/#.*$/gm, "");
    const ports = [...text.matchAll(/^\s*listen\s+(?:[\d.*]+:)?(\d+)\s+[^;]*\bssl\b[^;]*;/gm)].map(([, port]) => Number(port));
    if (ports.length === 0) continue;
    const made = createTls(
      io,
      DIRECTIVE("ssl_certificate").exec(text)?.[1]?.trim(),
      DIRECTIVE("ssl_certificate_key").exec(text)?.[1]?.trim(),
    );
    if (typeof made === "string") return made;
    for (const port of new Set(ports)) listeners.push({ port, server: made() });
  }
  return listeners;
}

function createTls(io: ToolIo, certificate: string | undefined, key: string | undefined): (() => Server) | string {
  if (certificate === undefined || key === undefined) return 'no "ssl_certificate" is defined for the "listen ... ssl" directive';
  const cert = io.files.read(certificate);
  const secret = io.files.read(key);
  const missing = cert === undefined ? certificate : secret === undefined ? key : undefined;
  if (missing !== undefined)
    return `cannot load certificate${missing === key ? " key" : ""} "${missing}": BIO_new_file() failed (No such file or directory)`;
  try {
    createServer({ cert, key: secret }).close();
  } catch {
    return `cannot load certificate "${certificate}": PEM_read_bio_X509_AUX() failed`;
  }
  return () => createServer({ cert, key: secret });
}
