// ssl-redirect, force-ssl-redirect, preserve-trailing-slash: plain HTTP is sent to https.
// Upstream: rootfs/etc/nginx/lua/nginx/ngx_rewrite.lua. The condition (a certificate entry for the host) is asked of the table by the https-redirect step.
import { annotationGroup, low, medium } from "./annotation.ts";
import { BOOL } from "./validators.ts";

export interface SslRedirect {
  readonly redirect: boolean;
  readonly force: boolean;
  readonly preserveTrailingSlash: boolean;
}

export const sslRedirect = annotationGroup<SslRedirect>({
  upstream: "Rewrite",
  annotations: {
    "ssl-redirect": low(BOOL),
    "force-ssl-redirect": medium(BOOL),
    "preserve-trailing-slash": medium(BOOL),
  },
  parse: (read) => ({
    redirect: read.flag("ssl-redirect", read.config.flag("ssl-redirect", true)),
    force: read.flag("force-ssl-redirect", read.config.flag("force-ssl-redirect", false)),
    preserveTrailingSlash: read.flag("preserve-trailing-slash", read.config.flag("preserve-trailing-slash", false)),
  }),
});
