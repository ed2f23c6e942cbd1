// The controller's flags as pflag reads them (pkg/flags/flags_test.go, which writes values as words of their own).
import { PassThrough } from "node:stream";
import t from "tap";
import { realClock } from "../../model/clock.ts";
import { createIds } from "../../model/ids.ts";
import type { ContainerContext } from "../../model/ports.ts";
import { seededRandom } from "../../model/random.ts";
import { createIngress } from "../../ingress/index.ts";
import { createStore } from "../../store/index.ts";
import { DEFAULT_FLAGS, flagProblem, parseFlags } from "../../ingress/config.ts";

t.test("values", (t) => {
  const flags = (...args: string[]): Readonly<Record<string, unknown>> => {
    t.equal(flagProblem(args), undefined, args.join(" "));
    return Object.fromEntries(Object.entries(parseFlags(args)).filter(([name, value]) => Reflect.get(DEFAULT_FLAGS, name) !== value));
  };
  const changed = (...args: string[]): Readonly<Record<string, unknown>> => {
    const { ownPorts, buckets, excludeSocketMetrics, ...rest } = flags(...args);
    void [ownPorts, buckets, excludeSocketMetrics];
    return rest;
  };
  t.strictSame(changed(), {});
  t.strictSame(changed("--ingress-class", "inner", "--http-port", "8080"), { ingressClass: "inner", httpPort: 8080 });
  t.strictSame(changed("--enable-ssl-passthrough", "--ssl-passthrough-proxy-port", "9999"), {
    enableSslPassthrough: true,
    sslPassthroughProxyPort: 9999,
  });
  t.strictSame(changed("--update-status=false", "--update-status", "false"), {}, "a switch takes no word, and the last one counts");
  t.strictSame(changed("--annotations-prefix=acme.example"), { annotationsPrefix: "acme.example" });
  t.strictSame(changed("--publish-service", "--deep-inspect=false"), { publishService: "--deep-inspect=false" });
  t.strictSame(changed("--configmap=a/b=c", "word", "--healthz-port=0x2775"), { configMap: "a/b=c", healthzPort: 10_101 });
  t.strictSame(changed("--v=2", "-v=3", "-v4", "-v", "5", "--logtostderr", "--election-id=x", "--version=false"), { electionId: "x" });
  t.strictSame(changed("--", "/nginx-ingress-controller", "--ingress-class=a"), { ingressClass: "a" });
  t.strictSame(changed("--ingress-class=a", "--", "--ingress-class=b"), { ingressClass: "a" });
  t.end();
});

t.test("what is no flag, or no value of it", (t) => {
  const rows: (readonly [args: readonly string[], problem: string | undefined])[] = [
    [["--ingress-clas=x"], "unknown flag: --ingress-clas"],
    [["--force-namespace-isolation"], "unknown flag: --force-namespace-isolation"],
    [["-ingress-class=x"], "unknown shorthand flag: 'i' in -ingress-class=x"],
    [["--=x"], "bad flag syntax: --=x"],
    [["--configmap"], "flag needs an argument: --configmap"],
    [["--http-port=http"], 'invalid argument "http" for "--http-port" flag: strconv.ParseInt: parsing "http": invalid syntax'],
    [
      ["--http-port", "--https-port"],
      'invalid argument "--https-port" for "--http-port" flag: strconv.ParseInt: parsing "--https-port": invalid syntax',
    ],
    [["--update-status=no"], 'invalid argument "no" for "--update-status" flag: strconv.ParseBool: parsing "no": invalid syntax'],
  ];
  const value = (name: string, text: string): string => `invalid argument "${text}" for "--${name}" flag: `;
  rows.push(
    [["--election-ttl=soon"], `${value("election-ttl", "soon")}time: invalid duration "soon"`],
    [["--sync-period", "10"], `${value("sync-period", "10")}time: missing unit in duration "10"`],
    [["--sync-rate-limit=x"], `${value("sync-rate-limit", "x")}strconv.ParseFloat: parsing "x": invalid syntax`],
    [["--time-buckets=1, 2"], `${value("time-buckets", "1, 2")}strconv.ParseFloat: parsing " 2": invalid syntax`],
    [["--election-ttl=-1m30s", "--time-buckets=.5,1e3", "--bucket-factor=1.1"], undefined],
  );
  for (const [args, problem] of rows) t.equal(flagProblem(args), problem, args.join(" "));
  t.end();
});

t.test("the controller does not start with such a one", async (t) => {
  const store = await createStore({ clock: realClock, ids: createIds(seededRandom(1)) });
  t.teardown(() => store.close());
  const { program } = createIngress({ store, clock: realClock, random: seededRandom(2) }).image;
  const run = async (...args: string[]): Promise<readonly [exitCode: number, stderr: string]> => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const context = { argv: ["/nginx-ingress-controller", ...args], stderr, stdout } as unknown as ContainerContext;
    const exitCode = await program(context);
    t.match(
      String(stdout.read()),
      /^-{79}\nNGINX Ingress controller\n {2}Release: {7}v1\.15\.1\n[^]*nginx version: nginx\/1\.27\.1\n\n-{79}\n\n$/,
    );
    return [exitCode, String(stderr.read() ?? "")];
  };
  t.strictSame(await run("--version", "--publish-service=a/b", "--publish-status-address=1.1.1.1"), [0, ""]);
  t.strictSame(await run("--ingress-clas=x"), [2, "unknown flag: --ingress-clas\n"]);
  t.strictSame(await run("--publish-service=a/b", "--publish-status-address=1.1.1.1"), [
    255,
    "flags --publish-service and --publish-status-address are mutually exclusive\n",
  ]);
  // cmd/nginx/main.go checkService: what it names is there before it starts.
  t.strictSame(await run("--default-backend-service=web"), [255, "invalid format (namespace/name) found in 'web'\n"]);
  for (const flag of ["--default-backend-service", "--publish-service"])
    t.strictSame(await run(`${flag}=shop/web`), [255, 'no service with name web found in namespace shop: services "web" not found\n']);
  t.strictSame(await run("--watch-namespace=shop"), [255, 'No namespace with name shop found: namespaces "shop" not found\n']);
});
