// ssl-redirect, force-ssl-redirect, preserve-trailing-slash, use-port-in-redirects: plain HTTP is sent to https.
// Upstream: rootfs/etc/nginx/lua/nginx/ngx_rewrite.lua. The condition (a certificate entry for the host) is asked of the table by the https-redirect step.
import { annotationGroup } from "./annotation.ts";

export interface SslRedirect {
  readonly redirect: boolean;
  readonly force: boolean;
  readonly preserveTrailingSlash: boolean;
  readonly usePort: boolean;
}

export const sslRedirect = annotationGroup<SslRedirect>({
  name: "sslRedirect",
  annotations: ["ssl-redirect", "force-ssl-redirect", "preserve-trailing-slash", "use-port-in-redirects"],
  parse: (read) => ({
    redirect: read.flag("ssl-redirect", read.config.flag("ssl-redirect", true)),
    force: read.flag("force-ssl-redirect", read.config.flag("force-ssl-redirect", false)),
    preserveTrailingSlash: read.flag("preserve-trailing-slash", read.config.flag("preserve-trailing-slash", false)),
    usePort: read.flag("use-port-in-redirects", read.config.flag("use-port-in-redirects", false)),
  }),
});
