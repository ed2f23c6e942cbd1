// docs/ingress.md: each command says what the page shows of its output, line by line and in that order.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { missingPrograms } from "../support/command.ts";
import { startLoopkube } from "../support/running-cluster.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/ingress.md"), "utf8");
const [, options = ""] = /^\$ loopkube up -d (.*)$/m.exec(page) ?? [];
const commands = [...page.matchAll(/^\$ (?!loopkube up)(.*)\n([\s\S]*?)^```/gm)].map(([, text = "", output = ""]) => ({ text, output }));

t.test("docs/ingress.md", { skip: missingPrograms("kubectl") }, async (t) => {
  t.equal(commands.length, 7);
  const cluster = await startLoopkube(t, options);
  for (const { text, output } of commands) {
    const ran = await cluster.sh(text);
    t.equal(ran.code, 0, text, { ...ran });
    const said = ran.stdout.split("\n");
    let at = 0;
    for (const line of output.trimEnd().split("\n")) {
      const found = said.indexOf(line, at);
      t.ok(found >= 0, line, { ...ran });
      at = found + 1;
    }
  }
});
