// server-alias as nginx's server_name reads it: names, a `*` at either end, a dot before, regular expressions, and their order.
import t from "tap";
import { compileRoutes } from "../../ingress/routes/route-compiler.ts";
import { DEFAULT_FLAGS } from "../../ingress/config.ts";
import { findServer } from "../../ingress/request/match.ts";
import { ingress } from "./raw.ts";

const alias = (host: string, names: string): ReturnType<typeof ingress> =>
  ingress(host.replace("*", "any"), host, "web", { "server-alias": names });

const table = compileRoutes(DEFAULT_FLAGS, {
  classes: [
    { apiVersion: "networking.k8s.io/v1", kind: "IngressClass", metadata: { name: "nginx" }, spec: { controller: "k8s.io/ingress-nginx" } },
  ],
  ingresses: [
    alias("a.test", "www.a.test, *.deep.test, start.*, .dotted.test"),
    alias("b.test", String.raw`~^www\d+\.b\.test$, ~^(one|two)\.c\.test$, *.very.deep.test`),
    alias("c.test", "a.test, *.host.test, ~*[, www.a.test"),
    alias("*.host.test", "other.test"),
    alias("*.wild.test", String.raw`~^never\.`),
  ],
});

/** Name, and the server that answers. */
const ROWS: readonly (readonly [name: string, host: string])[] = [
  ["www.a.test", "a.test"],
  ["x.www.a.test", "_"],
  // ngx_hash_find_wc_head: any number of labels, the longest name first.
  ["x.deep.test", "a.test"],
  ["x.y.deep.test", "a.test"],
  ["deep.test", "_"],
  ["x.very.deep.test", "b.test"],
  ["start.com", "a.test"],
  ["start.co.uk", "a.test"],
  ["start", "_"],
  ["restart.com", "_"],
  ["dotted.test", "a.test"],
  ["x.y.dotted.test", "a.test"],
  ["www1.b.test", "b.test"],
  ["wwwx.b.test", "_"],
  ["one.c.test", "b.test"],
  ["three.c.test", "_"],
  // A name that is a host is no alias; an Ingress wildcard is one label.
  ["a.test", "a.test"],
  ["x.host.test", "*.host.test"],
  ["x.y.host.test", "_"],
  ["other.test", "*.host.test"],
  // Wildcard hosts, and then regular expressions of aliases.
  ["x.wild.test", "*.wild.test"],
  ["never.wild.test", "*.wild.test"],
  ["never.nowhere.test", "*.wild.test"],
  ["", "_"],
];

t.test("which server answers for a name", (t) => {
  for (const [name, host] of ROWS) t.equal(findServer(table, name).host, host, name);
  t.end();
});
