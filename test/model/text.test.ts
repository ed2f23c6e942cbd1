// Text in columns.
import t from "tap";
import { columns } from "../../model/text.ts";

t.strictSame(columns([]), []);
t.strictSame(
  columns([
    ["+ a", "", "on worker", ""],
    ["- bcd", "", "on worker2", "not ready"],
  ]),
  ["+ a    on worker", "- bcd  on worker2  not ready"],
);
