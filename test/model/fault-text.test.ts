// Faults as text, both ways.
import t from "tap";
import { faultPeerText, faultSettingsText, parseFaultPeer, parseFaultSettings } from "../../model/fault-text.ts";

t.test("selectors", async (t) => {
  const rows: readonly (readonly [text: string, peer: object | undefined, again?: string])[] = [
    ["any", undefined],
    ["*", undefined, "any"],
    ["host", { host: true }],
    ["app=web", { podSelector: { matchLabels: { app: "web" } } }],
    ["app==web,tier=front", { podSelector: { matchLabels: { app: "web", tier: "front" } } }, "app=web,tier=front"],
    [
      "app=web,env!=prod,!old",
      {
        podSelector: {
          matchLabels: { app: "web" },
          matchExpressions: [
            { key: "env", operator: "NotIn", values: ["prod"] },
            { key: "old", operator: "DoesNotExist" },
          ],
        },
      },
    ],
    ["app.kubernetes.io/name=web", { podSelector: { matchLabels: { "app.kubernetes.io/name": "web" } } }],
    ["pod/web-1", { namespace: "default", pod: "web-1" }, "pod/default/web-1"],
    ["pod/shop/web-1", { namespace: "shop", pod: "web-1" }],
    ["svc/web", { namespace: "default", service: "web" }, "svc/default/web"],
    ["service/shop/web", { namespace: "shop", service: "web" }, "svc/shop/web"],
    ["ns/shop app=web", { namespace: "shop", podSelector: { matchLabels: { app: "web" } } }],
    ["node/loopkube-worker", { node: "loopkube-worker" }],
    ["127.244.0.0/24", { cidr: "127.244.0.0/24" }],
    ["127.244.0.2", { cidr: "127.244.0.2/32" }, "127.244.0.2/32"],
    ["fd00::2", { cidr: "fd00::2/128" }, "fd00::2/128"],
  ];
  for (const [text, peer, again = text] of rows) {
    t.strictSame(parseFaultPeer(text), peer, text);
    t.equal(faultPeerText(parseFaultPeer(text)), again);
    t.strictSame(parseFaultPeer(again), peer, "and back");
  }
  for (const text of ["", "web", "pod/", "pod/a/b/c", "node/a/b", "svc/UPPER", "app=web,", "=x", "app in (a)"]) {
    t.throws(() => parseFaultPeer(text), { name: "RangeError", message: `"${text}" selects nothing: use pod/` }, JSON.stringify(text));
  }
});

t.test("settings", async (t) => {
  const rows: readonly (readonly [words: string, settings: object, again?: string])[] = [
    ["latency=50ms jitter=10ms rate=1Mbit reset=1%", { latency: "50ms", jitter: "10ms", rate: "1Mbit", reset: "1%" }],
    ["refuse first=3 partition", { refuse: true, first: 3, partition: true }],
    ["refuse=false loss=1%", { refuse: false, loss: "1%" }, "loss=1%"],
    ["slow-close=2s duplicate=1% reorder=2%", { slowClose: "2s", duplicate: "1%", reorder: "2%" }, "slowClose=2s duplicate=1% reorder=2%"],
    ["dns=SERVFAIL", { dns: { rcode: "SERVFAIL" } }],
    [
      "dns=web.default.svc,200ms,10%,NXDOMAIN",
      { dns: { rcode: "NXDOMAIN", delay: "200ms", share: "10%", name: "web.default.svc" } },
      "dns=NXDOMAIN,200ms,10%,web.default.svc",
    ],
    ["latency=5ms direction=back", { latency: "5ms", direction: "Back" }],
    ["latency=5ms direction=BOTH", { latency: "5ms", direction: "Both" }, "latency=5ms"],
  ];
  for (const [words, settings, again = words] of rows) {
    const parsed = parseFaultSettings(words.split(" "));
    t.strictSame(parsed, settings, words);
    t.equal(faultSettingsText(parsed), again);
  }
  const wrong: readonly (readonly [string, RegExp])[] = [
    ["latency", /"latency" needs a value: latency=…/],
    ["latency=", /"latency=" needs a value: latency=…/],
    ["first=abc", /"first=abc" needs a whole number: first=3/],
    ["refuse=maybe", /"refuse=maybe" takes no value/],
    ["direction=up", /the direction is both, forward or back/],
    ["lag=5ms", /"lag=5ms" is no fault: there are latency, jitter, rate, .*, slow-close, /],
    ["constructor", /is no fault/],
  ];
  for (const [word, complaint] of wrong) t.throws(() => parseFaultSettings([word]), { name: "RangeError", message: complaint }, word);
});
