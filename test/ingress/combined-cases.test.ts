// Combinations of annotations, ConfigMap keys and requests over real sockets. Their answers are derived from upstream's template, its Lua
// code and its documentation; where nginx decides, its own answer was looked at.
import t from "tap";
import { readCases } from "./case.ts";
import { runCases } from "./case-runner.ts";

await runCases(t, readCases("combined"));
