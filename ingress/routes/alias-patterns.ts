// Names of server-alias that are more than a name: a `*` at either end, a dot before, a regular expression.
// Upstream: server_name of ngx_http_core_module, in its order: exact, longest with a leading `*`, longest with a trailing one, regular ones.
import { BoundedRegex } from "../bounded-regex.ts";
import type { AliasPatterns, Server } from "./route-table.ts";

export interface CompiledAliases {
  /** Names as they are. */
  readonly exact: ReadonlyMap<string, Server>;
  readonly patterns: AliasPatterns;
}

/** `servers` in the order of nginx's configuration; of equal names the first counts, and none that is a host itself. */
export function compileAliases(servers: readonly Server[], isHost: (name: string) => boolean): CompiledAliases {
  const exact = new Map<string, Server>();
  const leading = new Map<string, Server>();
  const trailing = new Map<string, Server>();
  const regexes: { regex: BoundedRegex; server: Server }[] = [];
  const put = (map: Map<string, Server>, name: string, server: Server): void => {
    if (!map.has(name)) map.set(name, server);
  };
  for (const server of servers)
    for (const alias of server.aliases) {
      if (isHost(alias)) continue;
      if (alias.startsWith("~")) regexes.push(...regexOf(alias.slice(1)).map((regex) => ({ regex, server })));
      else if (alias.startsWith("*.")) put(leading, alias.slice(2), server);
      else if (alias.endsWith(".*")) put(trailing, alias.slice(0, -2), server);
      else if (alias.startsWith(".")) {
        put(exact, alias.slice(1), server);
        put(leading, alias.slice(1), server);
      } else put(exact, alias, server);
    }
  return { exact, patterns: { leading, trailing, regexes } };
}

/** None for what does not compile: nginx would not take the configuration. */
function regexOf(source: string): readonly BoundedRegex[] {
  try {
    return [new BoundedRegex(source, "i")];
  } catch {
    return [];
  }
}

/** Aliases with a `*`; regular expressions are asked after the wildcards of Ingress hosts. */
export function byWildcardAlias({ leading, trailing }: AliasPatterns, host: string): Server | undefined {
  if (leading.size > 0)
    for (let dot = host.indexOf("."); dot > 0; dot = host.indexOf(".", dot + 1)) {
      const found = leading.get(host.slice(dot + 1));
      if (found) return found;
    }
  if (trailing.size > 0)
    for (let dot = host.lastIndexOf("."); dot > 0; dot = host.lastIndexOf(".", dot - 1)) {
      const found = trailing.get(host.slice(0, dot));
      if (found) return found;
    }
  return undefined;
}

export function byRegexAlias({ regexes }: AliasPatterns, host: string): Server | undefined {
  return regexes.find(({ regex }) => {
    try {
      return regex.test(host);
    } catch {
      return false;
    }
  })?.server;
}
