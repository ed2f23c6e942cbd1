// What the controller says of itself. Upstream: version/version.go, internal/nginx Version; nginx is the one of the image.
export const CONTROLLER_VERSION = "v1.15.1";
export const NGINX_VERSION = "nginx version: nginx/1.27.1";

const RULE = "-".repeat(79);

/** The first lines of the log, and the answer to --version. */
export const BANNER = `${RULE}
NGINX Ingress controller
  Release:       ${CONTROLLER_VERSION}
  Build:         loopkube
  Repository:    https://github.com/kubernetes/ingress-nginx
  ${NGINX_VERSION}

${RULE}

`;
