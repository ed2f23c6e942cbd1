// The README's library example runs as it stands, with the package's name standing for this checkout; those of folder READMEs with their imports before them.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import t from "tap";
import { run } from "../support/command.ts";

const ROOT = join(import.meta.dirname, "../..");

t.test("the library example", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "loopkube-readme-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const example = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, "README.md"), "utf8"))?.[1] ?? "";
  const file = join(folder, "example.ts");
  writeFileSync(file, example.replace('"loopkube"', JSON.stringify(pathToFileURL(join(ROOT, "cluster/index.ts")).href)));
  writeFileSync(join(folder, "package.json"), '{"type": "module"}');
  const output = await run(`'${process.execPath}' '${file}'`);
  t.match(output.stdout, /^200 \[\n? *\{ ?\n? *name: 'shop\.default\.svc\.cluster\.local\.',/, "prints the status and the record", {
    ...output,
  });
});

const CLUSTER = `import { resources, startCluster } from "ROOT/cluster/index.ts";\nawait using cluster = await startCluster();`;

const FOLDER_EXAMPLES: Readonly<Record<string, { readonly before: string; readonly after?: string; readonly prints: RegExp }>> = {
  cluster: {
    before: `import { readFile } from "node:fs/promises";\nimport { startCluster } from "ROOT/cluster/index.ts";`,
    prints: /shop-/,
  },
  netsim: { before: CLUSTER, prints: /dnat/ },
  services: { before: CLUSTER, prints: /^kube-dns 2$/m },
  workloads: { before: CLUSTER, prints: /^db-0 Running\ndb-1 Running$/m },
  policy: {
    before: `import { startCluster } from "ROOT/cluster/index.ts";\nawait using cluster = await startCluster();`,
    after: `console.log(fault !== undefined);`,
    prints: /true$/m,
  },
};

for (const [name, { before, after = "", prints }] of Object.entries(FOLDER_EXAMPLES)) {
  t.test(`the example of ${name}/README.md`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "loopkube-readme-"));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const example =
      /```ts\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, name, "README.md"), "utf8"))?.[1] ?? "throw new Error('no example')";
    const file = join(folder, "example.ts");
    writeFileSync(file, `${before.replaceAll("ROOT", pathToFileURL(ROOT).href)}\n${example}\n${after}`);
    writeFileSync(join(folder, "package.json"), '{"type": "module"}');
    const output = await run(`'${process.execPath}' '${file}'`);
    t.match(output.stdout, prints, name, { ...output });
  });
}
