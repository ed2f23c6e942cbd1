// chaos: version.bind, hostname.bind and their like, TXT of class CH. Upstream: CoreDNS plugin/chaos. Without authors given, none are told.
import { emptyReply } from "../message.ts";
import { unknownProperty } from "../plugin.ts";
import type { PluginType } from "../plugin.ts";
import { characterStrings } from "../record.ts";
import { VERSION } from "../version.ts";

const [TXT, CHAOS] = [16, 3];

export const chaosPlugin: PluginType = {
  name: "chaos",
  setup(stanza, env) {
    for (const line of stanza.body) unknownProperty(line);
    const [version = `CoreDNS-${VERSION}`, ...authors] = stanza.args.map(({ text }) => text);
    const left = [...new Set(authors)].sort();
    const texts = (name: string): readonly string[] | undefined => {
      switch (name) {
        case "authors.bind.": {
          const rest = [...left];
          return left.flatMap(() => rest.splice(env.random.int(rest.length), 1));
        }
        case "version.bind.":
        case "version.server.":
          return [version];
        case "hostname.bind.":
        case "id.server.":
          return [env.hostname];
        default:
          return undefined;
      }
    };
    return {
      name: "chaos",
      serve(query, next) {
        const { name, type, class: cls } = query.question;
        const found = cls === CHAOS && type === TXT ? texts(query.name) : undefined;
        if (!found) return next(query);
        const answers = found.map(
          (text) => ({ name, type: "RAW", code: TXT, class: CHAOS, ttl: 0, data: characterStrings(text) }) as const,
        );
        return { ...emptyReply("NOERROR", "chaos", "this server, told in class CH"), answers };
      },
    };
  },
};
