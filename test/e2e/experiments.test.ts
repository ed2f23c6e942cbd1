// The pages of docs/experiments: each command runs as it stands there, and what is made of its counts is what the page says.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { missingPrograms } from "../support/command.ts";
import { startLoopkube } from "../support/running-cluster.ts";

const PAGES = join(import.meta.dirname, "../../docs/experiments");
const VERDICT = /^default\/web:http, \S+: (as expected|NOT as expected|cannot be judged)\./m;

interface Command {
  readonly text: string;
  readonly output: string;
}

/** Commands with their output, for each cluster that the page starts. */
function clustersOf(page: string): readonly { readonly args: string; readonly commands: readonly Command[] }[] {
  const example = /up -d (--seed 1 -f \S+)/.exec(page)?.[1] ?? "";
  return page.split("--proxy-mode ipvs").map((part, index) => ({
    args: index === 0 ? example : `--proxy-mode ipvs ${example}`,
    commands: [...part.matchAll(/^\$ (?!loopkube up)(.*)\n([\s\S]*?)(?=^\$ |^```)/gm)].map(([, text = "", output = ""]) => ({
      text,
      output,
    })),
  }));
}

for (const name of readdirSync(PAGES)) {
  const page = readFileSync(join(PAGES, name), "utf8");
  t.test(name, { skip: page.includes("\n$ kubectl ") && missingPrograms("kubectl") }, async (t) => {
    const clusters = clustersOf(page);
    t.ok(clusters.flatMap(({ commands }) => commands).length >= 3, "the page has commands");
    for (const { args, commands } of clusters) {
      const cluster = await startLoopkube(t, args);
      for (const { text, output } of commands) {
        const ran = await cluster.sh(text);
        t.equal(ran.code, 0, text, { ...ran });
        t.equal(VERDICT.exec(ran.stdout)?.[1], VERDICT.exec(output)?.[1], "the verdict", { ...ran });
        t.equal(/^POD .*$/m.exec(ran.stdout)?.[0].replace(/ +/g, " "), /^POD .*$/m.exec(output)?.[0].replace(/ +/g, " "), "the columns");
      }
      await cluster.stop();
    }
  });
}
