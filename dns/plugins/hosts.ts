// hosts: names from an /etc/hosts file of the pod and from lines in the stanza.
// Upstream: CoreDNS plugin/hosts. The file is read at set-up; wildcards are left out.
import { canonicalIp } from "../../model/ip.ts";
import type { Directive } from "../corefile.ts";
import { emptyReply } from "../message.ts";
import type { Reply } from "../message.ts";
import { fqdn, matchZone, reverseOfAddress } from "../name.ts";
import { durationArgument, fallsThrough, fallthroughZones, integerArgument, unknownProperty, zonesFrom } from "../plugin.ts";
import type { PluginType } from "../plugin.ts";
import type { ResourceRecord } from "../record.ts";

const [A, PTR, AAAA] = [1, 12, 28];

export const hostsPlugin: PluginType = {
  name: "hosts",
  setup(stanza, env) {
    const file = stanza.args[0]?.text ?? "/etc/hosts";
    const zones = zonesFrom(stanza.args.slice(1), env);
    const inline = stanza.body.filter((line) => canonicalIp(line.name.text) !== undefined);
    const options = stanza.body.filter((line) => !inline.includes(line));
    const { ttl, reverse, fallthrough } = readOptions(options);
    const byName = new Map<string, string[]>();
    const byAddress = new Map<string, string[]>();
    const add = (ip: string, names: readonly string[]): void => {
      const address = canonicalIp(ip);
      if (address === undefined) return;
      for (const name of names.map((text) => fqdn(text.toLowerCase()))) {
        byName.set(name, [...(byName.get(name) ?? []), address]);
        if (reverse) byAddress.set(reverseOfAddress(address), [...(byAddress.get(reverseOfAddress(address)) ?? []), name]);
      }
    };
    for (const line of inline)
      add(
        line.name.text,
        line.args.map((token) => token.text),
      );
    for (const line of (env.readFile(file) ?? "").split("\n")) {
      const [ip = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
      add(ip, names);
    }
    env.metrics.counter("coredns_hosts_entries", {}).value = byName.size;
    return {
      name: "hosts",
      serve(query, next) {
        if (matchZone(query.name, zones) === undefined) return next(query);
        const { name, type } = query.question;
        const addresses = byName.get(query.name) ?? [];
        const names = type === PTR ? (byAddress.get(query.name) ?? []) : [];
        const answers: ResourceRecord[] = names.map((target) => ({ name, type: "PTR", ttl, target }));
        for (const address of addresses) {
          const recordType = address.includes(":") ? "AAAA" : "A";
          if (type === (recordType === "A" ? A : AAAA)) answers.push({ name, type: recordType, ttl, address });
        }
        const found = (rcode: Reply["rcode"], text: string): Reply => ({ ...emptyReply(rcode, "hosts", text), aa: true, answers });
        if (answers.length > 0) return found("NOERROR", `entry in ${file} or the Corefile`);
        if (addresses.length > 0) return found("NOERROR", "the name has an entry, but not of this type");
        return fallthrough === undefined
          ? found("NXDOMAIN", "no entry")
          : fallsThrough(fallthrough, query.name)
            ? next(query)
            : found("NXDOMAIN", "no entry");
      },
    };
  },
};

function readOptions(lines: readonly Directive[]): {
  readonly ttl: number;
  readonly reverse: boolean;
  readonly fallthrough: readonly string[] | undefined;
} {
  const options = { ttl: 3600, reverse: true, fallthrough: undefined as readonly string[] | undefined };
  for (const line of lines) {
    switch (line.name.text) {
      case "ttl":
        options.ttl = integerArgument(line.args[0], line, 1, 65_535);
        break;
      case "no_reverse":
        options.reverse = false;
        break;
      case "reload":
        if (line.args[0]?.text !== "0") durationArgument(line.args[0], line);
        break;
      case "fallthrough":
        options.fallthrough = fallthroughZones(line);
        break;
      case "fallthrough_unsupported":
        break;
      default:
        unknownProperty(line);
    }
  }
  return options;
}
