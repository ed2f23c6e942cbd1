// What the catch-all server answers by itself: --health-check-path for balancers that look at the HTTP port, and nobody may see /nginx_status.
// Upstream: the template's locations of server "_". An Ingress's location counts where it is longer, equal, or a regular expression.
// Leaves out nginx-status-ipv4-whitelist, whose default is nginx's own machine: there is no other program on it.
import { type Answer, page } from "./answer.ts";
import type { LocationMatch } from "./match.ts";
import type { RouteTable } from "../routes/route-table.ts";

const STATUS = "/nginx_status";

export function ownPage(path: string, match: LocationMatch, { config, flags }: RouteTable): Answer | undefined {
  const { healthPath } = flags;
  const own = path.startsWith(healthPath) ? healthPath : path.startsWith(STATUS) ? STATUS : undefined;
  if (own === undefined || beats(match, own)) return undefined;
  const reason = `location ${own} of the catch-all server`;
  if (own === STATUS) return page(403, `${reason} is for nginx's own machine`);
  return { status: 200, headers: [["Content-Type", config.text("default-type", "text/html")]], body: "", reason };
}

function beats(match: LocationMatch, own: string): boolean {
  if (match.type !== "location") return match.type === "failed";
  const { match: found } = match.location;
  return found.type === "Prefix" ? found.path.length > own.length : true;
}
