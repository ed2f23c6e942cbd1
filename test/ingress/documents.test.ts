// Upstream's user guide and examples, where they say what a client or a pod sees.
import t from "tap";
import { readCases } from "./case.ts";
import { runCases } from "./case-runner.ts";

await runCases(t, readCases("documents"));
