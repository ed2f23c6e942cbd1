// What a controller tells of its work: Sync Events on Ingresses, RELOAD Events on its pod, and its log.
// Facts: ingress-nginx internal/ingress/controller/store/store.go, controller.go syncIngress, nginx.go OnUpdate;
// test/e2e/settings/{disable_sync_events,configmap_change}.go.
import t from "tap";
import type { Ingress } from "../../model/kinds/networking-v1.ts";
import { ConfigMaps, Events, Ingresses, Secrets } from "../../model/resources.ts";
import { issueCertificate, type KeyPair } from "../../model/x509.ts";
import { ca, pair } from "./case.ts";
import { createHarness, type World } from "./harness.ts";
import { addIngress, ingress } from "./raw.ts";

const harness = await createHarness(t);

const told = (world: World, reason: string): readonly string[] =>
  world.store
    .list(Events)
    .filter((event) => event.reason === reason)
    .map(({ type, involvedObject, message, count }) => `${type} ${involvedObject.kind} ${involvedObject.name} ${message} x${count}`);

async function start(flags: readonly string[] = []): Promise<World> {
  const world = await harness.start({ flags });
  await world.component.start();
  await world.service("echo");
  return world;
}

await t.test("an Ingress is scheduled at its creation and at each change", async (t) => {
  await using world = await start();
  await addIngress(world, ingress("web", "web.example", "echo"));
  t.strictSame(told(world, "Sync"), ["Normal Ingress web Scheduled for sync x1"]);
  await world.store.mutate(Ingresses, "default", "web", (edited) => void (edited.metadata.annotations = { a: "b" }));
  await world.settle();
  t.strictSame(told(world, "Sync"), ["Normal Ingress web Scheduled for sync x2"]);
  const other = ingress("other", "other.example", "echo");
  await addIngress(world, { ...other, spec: { ...other.spec, ingressClassName: "else" } });
  await addIngress(world, ingress("bad", "bad.example", "echo", {}, "/{alias /etc/passwd;}"));
  t.strictSame(told(world, "Sync"), ["Normal Ingress web Scheduled for sync x2"], "not those that do not count");
  await world.component.stop();
});

await t.test("the log says of each Ingress which class it has, or why it is ignored (k8s-122-migration.md)", async (t) => {
  await using world = await start();
  const said = (): readonly string[] =>
    [...world.log.join("").matchAll(/^I\d{4} \S+ +7 (store\.go:\d+\] .*)$/gm)].map(([, text = ""]) => text);
  const web = ingress("web", "web.example", "echo");
  const { ingressClassName, ...spec } = web.spec;
  const annotated = { ...web.metadata, name: "old", annotations: { "kubernetes.io/ingress.class": "other" } };
  await addIngress(world, web, { ...web, metadata: { ...web.metadata, name: "else" }, spec: { ...spec, ingressClassName: "else" } });
  await addIngress(world, { ...web, metadata: annotated, spec }, { ...web, metadata: { ...web.metadata, name: "none" }, spec });
  const ignoring = '"Ignoring ingress because of error while validating ingress class"';
  const found = [
    'store.go:443] "Found valid IngressClass" ingress="default/web" ingressclass="nginx"',
    `store.go:439] ${ignoring} ingress="default/else" error="no object matching key \\"else\\" in local store"`,
    `store.go:439] ${ignoring} ingress="default/old" error="ingress class annotation is not equal to the expected by Ingress Controller"`,
    `store.go:439] ${ignoring} ingress="default/none" error="ingress does not contain a valid IngressClass"`,
  ];
  t.strictSame(said(), found);
  await world.store.mutate(Ingresses, "default", "none", (edited) => void (edited.spec.ingressClassName = ingressClassName ?? ""));
  await world.settle();
  await world.store.mutate(Ingresses, "default", "web", (edited) => void (edited.spec.ingressClassName = "else"));
  await world.settle();
  await world.store.delete(Ingresses, "default", "old");
  await world.settle();
  t.strictSame(said().slice(found.length), [
    'store.go:489] "creating ingress" ingress="default/none" ingressclass="nginx"',
    'store.go:492] "removing ingress because of unknown ingressclass" ingress="default/web"',
    `store.go:406] ${ignoring} ingress="default/old" error="ingress class annotation is not equal to the expected by Ingress Controller"`,
  ]);
  await world.component.stop();
});

await t.test("--disable-sync-events", async (t) => {
  await using world = await start(["--disable-sync-events=true"]);
  await addIngress(world, ingress("web", "web.example", "echo"));
  t.strictSame(told(world, "Sync"), []);
  await world.component.stop();
});

await t.test("an object that annotations name and that is not there, or not as it has to be: AnnotationParsingFailed", async (t) => {
  await using world = await start();
  const rows: readonly (readonly [name: string, annotations: Readonly<Record<string, string>>, reason: string])[] = [
    [
      "auth",
      { "auth-type": "basic", "auth-secret": "users" },
      'unexpected error reading secret default/users: no object matching key "default/users" in local store',
    ],
    ["certified", { "proxy-ssl-secret": "default/pair" }, "error obtaining certificate: local SSL certificate default/pair was not found"],
    ["headers", { "custom-headers": "default/lines" }, 'location denied, reason: unable to find configMap "default/lines"'],
    [
      "asked",
      { "auth-url": "http://a.example", "auth-proxy-set-headers": "default/sent" },
      'location denied, reason: unable to find configMap "default/sent"',
    ],
    [
      "fcgi",
      { "backend-protocol": "FCGI", "fastcgi-params-configmap": "params" },
      'unexpected error reading configmap default/params: no object matching key "default/params" in local store',
    ],
  ];
  const failed = (name: string): readonly string[] =>
    told(world, "AnnotationParsingFailed").filter((text) => text.startsWith(`Warning Ingress ${name} `));
  for (const [name, annotations, reason] of rows) {
    await addIngress(world, ingress(name, `${name}.example`, "echo", annotations));
    t.strictSame(failed(name), [`Warning Ingress ${name} Error parsing annotations: ${reason} x1`], name);
  }
  await world.create(Secrets, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { namespace: "default", name: "users" },
    data: { foo: "YmFy" },
  });
  await world.create(ConfigMaps, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace: "default", name: "lines" },
    data: { "X-A": "b" },
  });
  await world.settle();
  t.match(failed("auth")[1], "the secret users does not contain a key with value auth x1");
  t.match(failed("headers")[1], "header X-A is not allowed, defined allowed headers inside global-allowed-response-headers [] x1");
  await world.store.mutate(Secrets, "default", "users", (edited) => void (edited.data = { auth: "YmFy" }));
  await world.settle();
  t.equal(failed("auth").length, 2, "nothing is wrong any more");
  await world.component.stop();
});

await t.test("what is wrong with a host is in the log, when it is new and when it changes", async (t) => {
  await using world = await start();
  const warnings = (): readonly string[] =>
    [...world.log.join("").matchAll(/^W\d{4} \S+ +7 (?:controller|backend_ssl)\.go:\d+\] (.*)$/gm)].map(([, text = ""]) => text);
  await world.service("empty", { replicas: 0 });
  const secured = (name: string, secretName: string): Ingress => {
    const made = ingress(name, `${name}.example`, "echo");
    return { ...made, spec: { ...made.spec, tls: [{ hosts: [`${name}.example`], secretName }] } };
  };
  await world.create(Secrets, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { namespace: "default", name: "invalid-ssl" },
    type: "Opaque",
    data: { foo: "YmFy" },
  });
  const rows: readonly (readonly [object: Ingress, expected: readonly string[]])[] = [
    [ingress("fine", "fine.example", "echo"), []],
    [
      ingress("none", "none.example", "none"),
      ['Error obtaining Endpoints for Service "default/none": no object matching key "default/none" in local store'],
    ],
    [ingress("idle", "idle.example", "empty"), ['Service "default/empty" does not have any active Endpoint.']],
    [
      ingress("regex", "regex.example", "echo", { affinity: "cookie", "use-regex": "true" }, "/foo/.*", "ImplementationSpecific"),
      ["session-cookie-path should be set when use-regex is true"],
    ],
    [
      secured("missing", "missing"),
      ['Error getting SSL certificate "default/missing": local SSL certificate default/missing was not found. Using default certificate'],
    ],
    [
      secured("invalid", "invalid-ssl"),
      [
        'Error obtaining X.509 certificate: secret "default/invalid-ssl" contains no keypair or CA certificate',
        'Error getting SSL certificate "default/invalid-ssl": local SSL certificate default/invalid-ssl was not found. Using default certificate',
      ],
    ],
  ];
  const tls = async (name: string, cert: string, key: string): Promise<void> => {
    const data = { "tls.crt": Buffer.from(cert).toString("base64"), "tls.key": Buffer.from(key).toString("base64") };
    await world.create(Secrets, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { namespace: "default", name },
      type: "kubernetes.io/tls",
      data,
    });
  };
  const [own, strange] = [pair("covered.example", "server"), pair("other.example", "server")];
  await tls("covered", own.cert, own.key);
  // docs/user-guide/tls.md: the authority stands before the certificate.
  await tls("disordered", ca.cert + own.cert, own.key);
  await tls("keyless", own.cert, "nothing");
  await tls("swapped", own.key, own.cert);
  await tls("other", strange.cert, strange.key);
  const day = 86_400_000;
  const late = (days: number, days2: number): KeyPair =>
    issueCertificate(ca, {
      commonName: "x",
      dnsNames: ["late.example", "soon.example"],
      usages: ["server"],
      days,
      now: world.clock.now() - days2 * day,
    });
  const [expired, soon] = [late(1, 10), late(5, 1)];
  await tls("late", expired.cert, expired.key);
  await tls("soon", soon.cert, soon.key);
  const creating = (why: string): string => `Error obtaining X.509 certificate: unexpected error creating SSL Cert: ${why}`;
  const unfound = (name: string): string =>
    `Error getting SSL certificate "default/${name}": local SSL certificate default/${name} was not found. Using default certificate`;
  const unlike = "certificate and private key does not have a matching public key: tls:";
  const notIt = "x509: certificate is valid for other.example, not foreign.example";
  const certificates: readonly (readonly [object: Ingress, expected: readonly (string | RegExp)[]])[] = [
    [secured("covered", "covered"), []],
    [secured("disordered", "disordered"), [creating(`${unlike} private key does not match public key`), unfound("disordered")]],
    [secured("keyless", "keyless"), [creating(`${unlike} failed to find any PEM data in key input`), unfound("keyless")]],
    [
      secured("swapped", "swapped"),
      [creating("no certificate PEM data found, make sure certificate content starts with 'BEGIN CERTIFICATE'"), unfound("swapped")],
    ],
    [
      secured("foreign", "other"),
      [
        `Unexpected error validating SSL certificate "default/other" for server "foreign.example": ${notIt}`,
        "Validating certificate against DNS names. This will be deprecated in a future version",
        `SSL certificate "default/other" does not contain a Common Name or Subject Alternative Name for server "foreign.example": ${notIt}`,
        "Using default certificate",
      ],
    ],
    [secured("late", "late"), [/^SSL certificate for server "late\.example" expired \(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC\)$/]],
    [secured("soon", "soon"), [/^SSL certificate for server "soon\.example" is about to expire \(/]],
  ];
  for (const [object, expected] of certificates) {
    const before = warnings().length;
    await addIngress(world, object);
    const said = warnings().slice(before);
    t.match(said, expected, object.metadata.name);
    t.equal(said.length, expected.length, object.metadata.name);
  }
  for (const [object, expected] of rows) {
    const before = warnings().length;
    await addIngress(world, object);
    t.strictSame(warnings().slice(before), expected, object.metadata.name);
  }
  const before = warnings().length;
  await world.store.mutate(Ingresses, "default", "idle", (edited) => void (edited.metadata.annotations = { a: "b" }));
  await world.settle();
  t.strictSame(warnings().slice(before), ['Service "default/empty" does not have any active Endpoint.']);
  await world.component.stop();
});

await t.test("a configuration that changes is a reload, endpoints are none", async (t) => {
  await using world = await start();
  const reloads = (): number =>
    world.log.join("").match(/^I\d{4} \d\d:\d\d:\d\d\.\d{6} +7 controller\.go:231\] "Backend successfully reloaded"$/gm)?.length ?? 0;
  await world.settle();
  const before = reloads();
  t.ok(before > 0, "the first");
  await world.scale("echo", 2);
  await world.settle();
  t.equal(reloads(), before);
  await addIngress(world, ingress("web", "web.example", "echo"));
  t.equal(reloads(), before + 1);
  await world.create(ConfigMaps, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace: "ingress-nginx", name: "ingress-nginx-controller" },
    data: { "whitelist-source-range": "1.1.1.1" },
  });
  await world.settle();
  t.equal(reloads(), before + 2);
  t.match(told(world, "RELOAD"), [/^Normal Pod controller-\S+ NGINX reload triggered due to a change in configuration x\d$/]);
  await world.component.stop();
});

await t.test("the controller's ConfigMaps: CREATE when they come, UPDATE when they change", async (t) => {
  const streams = ["--tcp-services-configmap=default/tcp"];
  const put = async (world: World, name: string, data: Readonly<Record<string, string>>): Promise<void> => {
    const metadata = { namespace: name === "ingress-nginx-controller" ? "ingress-nginx" : "default", name };
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata, data } as const;
    if (world.store.get(ConfigMaps, metadata.namespace, name)) await world.store.update(ConfigMaps, object);
    else await world.create(ConfigMaps, object);
    await world.settle();
  };
  await using world = await start(streams);
  await put(world, "ingress-nginx-controller", {});
  await put(world, "other", {});
  const reload = (): string => told(world, "RELOAD").join().replace(/.* x/, "");
  const before = Number(reload());
  await put(world, "tcp", { "9000": "default/echo:80" });
  t.equal(Number(reload()), before + 1, "a stream service is configuration (test/e2e/tcpudp/tcp.go)");
  await put(world, "tcp", { "9000": "default/echo:80:PROXY" });
  t.equal(Number(reload()), before + 2);
  await world.scale("echo", 2);
  await world.settle();
  t.equal(Number(reload()), before + 2, "endpoints are not");
  t.strictSame(told(world, "CREATE").toSorted(), [
    "Normal ConfigMap ingress-nginx-controller ConfigMap ingress-nginx/ingress-nginx-controller x1",
    "Normal ConfigMap tcp ConfigMap default/tcp x1",
  ]);
  t.strictSame(told(world, "UPDATE"), ["Normal ConfigMap tcp ConfigMap default/tcp x1"]);
  await world.component.stop();
  await using quiet = await start([...streams, "--disable-sync-events"]);
  await put(quiet, "tcp", {});
  await addIngress(quiet, ingress("denied", "denied.example", "echo", { "auth-type": "basic" }));
  t.strictSame([told(quiet, "CREATE"), told(quiet, "AnnotationParsingFailed")], [[], []]);
  await quiet.component.stop();
});
