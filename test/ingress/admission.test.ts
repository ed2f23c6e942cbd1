// What the admission webhook refuses, word for word, and what it lets pass.
import t from "tap";
import { checkIngress } from "../../ingress/admission.ts";
import { DEFAULT_FLAGS } from "../../ingress/config.ts";
import type { Ingress, IngressClass } from "../../model/kinds/networking-v1.ts";
import { IngressClasses, Ingresses } from "../../model/resources.ts";
import { testStore } from "../support/store.ts";
import { ingress } from "./raw.ts";

const { store } = await testStore();
const nginx: IngressClass = {
  apiVersion: "networking.k8s.io/v1",
  kind: "IngressClass",
  metadata: { name: "nginx" },
  spec: { controller: "k8s.io/ingress-nginx" },
};
await store.create(IngressClasses, nginx);
await store.create(Ingresses, ingress("web", "shop.example", "web", {}, "/cart"));

const other = (made: Ingress): Ingress => ({ ...made, spec: { ...made.spec, ingressClassName: "other" } });
const P = "nginx.ingress.kubernetes.io/";
const rows: readonly (readonly [name: string, object: Ingress, message: string | undefined])[] = [
  [
    "taken host and path",
    ingress("b", "shop.example", "web", {}, "/cart"),
    'host "shop.example" and path "/cart" is already defined in ingress default/web',
  ],
  ["itself", ingress("web", "shop.example", "other", {}, "/cart"), undefined],
  ["another path", ingress("b", "shop.example", "web", {}, "/"), undefined],
  ["a canary may overlap", ingress("b", "shop.example", "web", { canary: "true" }, "/cart"), undefined],
  ["a foreign class is not looked at", other(ingress("b", "shop.example", "web", {}, "/cart")), undefined],
  [
    "a regular expression as Prefix",
    ingress("b", "b.example", "web", {}, "/id/[0-9]+"),
    "ingress contains invalid paths: path /id/[0-9]+ cannot be used with pathType Prefix",
  ],
  ["the same as ImplementationSpecific", ingress("b", "b.example", "web", {}, "/id/[0-9]+", "ImplementationSpecific"), undefined],
  [
    "a snippet",
    ingress("b", "b.example", "web", { "server-snippet": "#" }),
    `${P}server-snippet annotation cannot be used. Snippet directives are disabled by the Ingress administrator`,
  ],
];
for (const [name, object, message] of rows) {
  t.test(name, async (t) => {
    t.equal(checkIngress(object, DEFAULT_FLAGS, store), message);
  });
}
