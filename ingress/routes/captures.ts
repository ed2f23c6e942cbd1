// What `$1`, `$2` … and the names of groups stand for: the last regular expression that the request went through, its location's or
// that of its server's name. Upstream: ngx_http_regex_exec; buildServerName in template.go names the label of a wildcard `subdomain`.
import { type BoundedRegex, RegexTimeout } from "../bounded-regex.ts";
import type { Exchange } from "../request/exchange.ts";

export interface Captures {
  readonly numbered: readonly (string | undefined)[];
  readonly named: Readonly<Record<string, string | undefined>>;
}

const NONE: Captures = { numbered: [], named: {} };

export function capturesOf(exchange: Pick<Exchange, "facts" | "location" | "server" | "table">): Captures {
  const { match } = exchange.location;
  const byName = serverCaptures(exchange);
  const found = match.type === "Regex" ? captured(match.regex, exchange.facts.parsed.path) : undefined;
  return found ? { numbered: found.numbered, named: { ...byName.named, ...found.named } } : byName;
}

function serverCaptures({ facts: { host }, server, table }: Pick<Exchange, "facts" | "server" | "table">): Captures {
  if (host === server.host || server.aliases.includes(host)) return NONE;
  if (server.host.startsWith("*.")) {
    const subdomain = host.slice(0, 1 - server.host.length);
    if (`${subdomain}${server.host.slice(1)}` === host) return { numbered: [host, subdomain], named: { subdomain } };
  }
  const alias = table.patterns.regexes.find(({ server: of, regex }) => of === server && captured(regex, host));
  return (alias && captured(alias.regex, host)) ?? NONE;
}

function captured(regex: BoundedRegex, text: string): Captures | undefined {
  try {
    const found = regex.exec(text);
    return found ? { numbered: found, named: found.groups ?? {} } : undefined;
  } catch (error) {
    if (error instanceof RegexTimeout) return undefined;
    throw error;
  }
}
