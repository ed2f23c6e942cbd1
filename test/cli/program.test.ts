// The command line by itself: help, completion, refusals that say what to do.
import t from "tap";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { run, temporaryHome } from "../support/command.ts";

const LOOPKUBE = `'${process.execPath}' bin/loopkube.mjs`;
const env = { XDG_STATE_HOME: "/nonexistent/state", KUBECONFIG: "/nonexistent/config", NO_COLOR: "1" };
const cli = (args: string): ReturnType<typeof run> => run(`${LOOPKUBE} ${args}`, { env });

const refusals: readonly (readonly [args: string, code: number, stderr: RegExp])[] = [
  ["status", 1, /^error: no cluster is running\n {2}start one: loopkube up\n$/],
  ["explain --to http://web --name lab", 1, /^error: no cluster named "lab" is running/],
  ["explain", 1, /required option '--to <destination>' not specified/],
  ["explain dns web --to http://web", 1, /^error: --to has no effect on explain dns\n/],
  ["explain request web.example --to http://web", 1, /^error: --to has no effect on explain request\n/],
  ["explain request", 1, /a URL or --id is required/],
  ["upp", 1, /unknown command 'upp'[\s\S]*Did you mean up\?/],
  ["up --nodes 0", 1, /not a number from 1 to 999/],
  ["up --proxy-mode fast", 1, /Allowed choices are iptables, nftables, ipvs, userspace/],
  ["up --node-proxy-mode loopkube-worker=fast", 1, /not a node and its mode such as loopkube-worker=ipvs/],
  [
    "up --ipvs-scheduler wlc --own-kubeconfig",
    1,
    /^error: --ipvs-scheduler has no effect in proxy mode iptables\n {2}loopkube up --proxy-mode ipvs --ipvs-scheduler wlc\n$/,
  ],
  ["up --service-cidr x", 1, /not an address block such as 127\.96\.0\.0\/16/],
  ["up --name Lab_1 --own-kubeconfig", 1, /"Lab_1" is no valid cluster name\n {2}use lower-case letters/],
  ["up -f nothere.yaml --own-kubeconfig", 1, /the path "nothere\.yaml" does not exist/],
  ["up -f dns/plugins --own-kubeconfig", 1, /the folder "dns\/plugins" holds no manifests: their names end in \.yaml, \.yml or \.json/],
  ["image add", 1, /missing required argument 'name'\n\(add --help for its options\)/],
  ["image add x", 1, /which program should the image run\?/],
  ["dump rulez", 1, /Allowed choices are rules, routes, zone, policy, faults/],
  ["explain dsn web", 1, /^error: unknown command "explain dsn"\n {2}Did you mean explain dns\?\n$/],
  [
    "explain --from pod/a http://web",
    1,
    /^error: "http:\/\/web" needs an option before it\n {2}loopkube explain --from pod\/a --to http:\/\/web\n$/,
  ],
  ["curl http://web -H nonsense", 1, /not a header such as 'Host: shop\.example'/],
  ["fault remove", 1, /^error: which fault\? give names, or --all\n {2}loopkube fault list\n$/],
  ["fault remove x --all", 1, /^error: which fault\?/],
  ["fault add --from 'app in (' refuse", 1, /^error: "app in \(" selects nothing: use pod\//],
  ["up --nodeport-addresses primary,127.18.0.2/32", 1, /neither primary nor address blocks such as/],
  ["help explain dsn", 1, /^error: unknown command 'explain dsn'\n/],
  ["completion tcsh", 1, /Allowed choices are bash, zsh, fish/],
];

t.test("refusals", async (t) => {
  for (const [args, code, stderr] of refusals) {
    const output = await cli(args);
    t.equal(output.code, code, args, { ...output });
    t.match(output.stderr, stderr, args);
  }
});

t.test("folders and files that cannot be written", async (t) => {
  const home = temporaryHome("self");
  t.teardown(() => home.remove());
  const state = { XDG_STATE_HOME: `${home.path}/state` };
  const nowhere = { XDG_STATE_HOME: "/dev/null/state" };
  const rows: readonly (readonly [args: string, env: Record<string, string>, stderr: RegExp])[] = [
    [
      "up --own-kubeconfig",
      nowhere,
      /^error: cannot write below \/dev\/null\/state\/loopkube, .*: ENOTDIR.*\n {2}choose another folder: XDG_STATE_HOME=DIR/,
    ],
    [
      "up --own-kubeconfig -d",
      nowhere,
      /^error: cannot write below \/dev\/null\/state\/loopkube, .*: ENOTDIR.*\n {2}choose another folder/,
    ],
    [
      "up --kubeconfig /dev/null/c -d",
      state,
      /^error: cannot write the kubeconfig \/dev\/null\/c: E[A-Z]+: .*\n {2}use another one: .*\n {2}or none of yours: .*\n {2}its log: /,
    ],
  ];
  for (const [args, more, stderr] of rows) {
    const output = await run(`${LOOPKUBE} ${args}`, { env: { ...env, ...more } });
    t.equal(output.code, 1, args, { ...output });
    t.match(output.stderr, stderr, args);
  }
  t.strictSame(readdirSync(`${home.path}/state/loopkube`), ["loopkube.log"], "nothing but the log is left");

  const bundled = await run(`${LOOPKUBE} up -qdf nothere.yaml --name lab --own-kubeconfig`, { env: { ...env, ...state } });
  t.match(
    bundled,
    { code: 1, stderr: /^error: the path "nothere\.yaml" does not exist\n {2}its log: .*lab\.log\n$/ },
    "-d among other letters",
  );

  const broken = `${home.path}/broken`;
  const stale = { name: "old", pid: 2 ** 22 + 1, started: "", kubeconfig: "", merged: broken, context: "loopkube-old" };
  mkdirSync(`${home.path}/state/loopkube/old`);
  writeFileSync(`${home.path}/state/loopkube/old/run.json`, JSON.stringify(stale));
  writeFileSync(broken, "{ bad");
  const down = await run(`${LOOPKUBE} down --name old`, { env: { ...env, ...state } });
  t.match(
    down,
    { code: 0, stderr: /context "loopkube-old" is still in .*broken: cannot read the kubeconfig/ },
    "a broken kubeconfig is told, and does not stay in the way",
  );
  t.notOk(existsSync(`${home.path}/state/loopkube/old`));

  for (const name of ["a", "b"]) mkdirSync(`${home.path}/state/loopkube/${name}`);
  const which = await run(`${LOOPKUBE} down`, { env: { ...env, ...state } });
  t.match(which, { code: 1, stderr: "error: there are several clusters\n  known clusters: a, b; choose one with --name\n" });
});

t.test("help, version, completion", async (t) => {
  t.match((await cli("--help")).stdout, /up \[options\] +start a cluster/);
  t.match((await cli("help explain dns")).stdout, /^Usage: loopkube explain dns /);
  t.match((await cli("explain dns --help")).stdout, /Options:\n {2}--name .*\n(?: {4}.*\n)* {2}--from /, "only the options that it knows");
  for (const command of ["up", "curl", "explain request"])
    t.notMatch((await cli(`${command} --help`)).stdout, /default: (\[\]|\{\})/, "defaults in words");
  t.match((await cli("version")).stdout, /^loopkube \d+\.\d+\.\d+ \(Node v\d+[.\d]+\), Kubernetes v1\.33\.\d+\n$/);
  t.match(JSON.parse((await cli("version -o json")).stdout), { kubernetes: /^v1\.33/ });
  const script = (await cli("completion bash")).stdout;
  for (const [typed, expected] of [
    ["st", "status"],
    ["du", "dump"],
    ["dump r", "rules routes"],
    ["dump rules --a", "--as"],
    ["fault re", "remove"],
    ["fault remove --a", "--all"],
    ["fault add --f", "--from"],
    ["explain --f", "--from"],
    ["explain --from host --t", "--to"],
    ["explain d", "dns"],
    ["completion z", "zsh"],
  ] as const) {
    const words = typed.split(" ");
    const setUp = `COMP_WORDS=(loopkube ${typed}); COMP_CWORD=${words.length}; _loopkube; echo "\${COMPREPLY[@]}"`;
    t.equal((await run(`${script}\n${setUp}`)).stdout, `${expected}\n`, typed);
  }
  t.match((await cli("completion zsh")).stdout, "'status:show the running cluster'\\''s addresses and health'");
  t.match((await cli("completion fish")).stdout, "-n '__fish_seen_subcommand_from fault; and __fish_seen_subcommand_from remove' -l all");
  t.equal((await cli("down")).stdout, "no cluster is running\n");
});

t.test("a reader that leaves early ends the command without a word", async (t) => {
  const { stderr } = await run(`for i in 1 2 3; do ${LOOPKUBE} completion bash | true; done`, { env });
  t.equal(stderr, "");
});
