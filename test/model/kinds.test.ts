import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import types from "../../model/schema/types.json" with { type: "json" };
import { generateKinds } from "../../scripts/generate-kinds.ts";

const folder = join(import.meta.dirname, "../../model/kinds");
/** Text without layout: the formatter may have broken lines and added commas. */
const bare = (text: string): string =>
  text
    .replace(/\s+/g, "")
    .replace(/[,;|](?=[}\])=;|"])/g, "")
    .replace(/=\|/g, "=");

t.test("model/kinds is what scripts/generate-kinds.ts makes of model/schema/types.json", (t) => {
  const generated = generateKinds(types as unknown as Parameters<typeof generateKinds>[0]);
  t.same(
    [...generated.keys()].sort(),
    readdirSync(folder)
      .filter((name) => !name.startsWith("loopkube-"))
      .sort(),
  );
  for (const [file, text] of generated) t.equal(bare(readFileSync(join(folder, file), "utf8")), bare(text), file);
  t.end();
});
