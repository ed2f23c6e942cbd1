// server-tokens and allow-backend-server-header: whether answers and pages say that nginx gave them, and which.
// Upstream: server_tokens, more_clear_headers and proxy_pass_header of nginx.tmpl.
import type { ControllerConfig } from "../config.ts";

/** The image's nginx. */
export const NGINX_VERSION = "1.27.1";
export const NGINX = `nginx/${NGINX_VERSION}`;

/** Whether there is one at all, but for custom-headers. */
export const shown = (config: ControllerConfig): boolean => config.flag("server-tokens", false);

/** The Server header of an answer, the pod's where it may speak; undefined: the answer has none. */
export function serverHeader(config: ControllerConfig, pods?: string): string | undefined {
  if (!shown(config)) return undefined;
  return (config.flag("allow-backend-server-header", false) ? pods : undefined) ?? NGINX;
}

/** A page of nginx's with the version in its last line. */
export function signed(body: string, config: ControllerConfig): string {
  return shown(config) ? body.replace("<center>nginx</center>", `<center>${NGINX}</center>`) : body;
}
