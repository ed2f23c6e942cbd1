// The table of tools that every container has, whatever its image: adding a tool is adding a line.
import { awk } from "./awk.ts";
import { cat } from "./cat.ts";
import { curl } from "./curl.ts";
import { cuts } from "./cut.ts";
import { date } from "./date.ts";
import { dig } from "./dig.ts";
import { echo } from "./echo.ts";
import { environment } from "./environment.ts";
import { fileTools } from "./file-tools.ts";
import { greps } from "./grep.ts";
import { ends } from "./head.ts";
import { lookups } from "./host.ts";
import { identity } from "./identity.ts";
import { ls } from "./ls.ts";
import { nc } from "./nc.ts";
import { nslookup } from "./nslookup.ts";
import { icmpTools } from "./ping.ts";
import { printf } from "./printf.ts";
import { processes } from "./processes.ts";
import { sed } from "./sed.ts";
import { seq } from "./seq.ts";
import { shells } from "./sh/sh.ts";
import { sleeps } from "./sleep.ts";
import { sorts } from "./sort.ts";
import { tar } from "./tar.ts";
import { tee } from "./tee.ts";
import { tests } from "./test.ts";
import { trivial } from "./true.ts";
import type { NamedTool } from "./tool.ts";
import { wc } from "./wc.ts";
import { wget } from "./wget.ts";

/** Every tool. */
export const tools: readonly NamedTool[] = [
  ...shells,
  awk,
  cat,
  curl,
  ...cuts,
  date,
  dig,
  echo,
  ...ends,
  ...environment,
  ...fileTools,
  ...greps,
  ...icmpTools,
  ...identity,
  ...lookups,
  ls,
  nc,
  { name: "netcat", run: nc.run },
  nslookup,
  printf,
  ...processes,
  sed,
  seq,
  ...sleeps,
  ...sorts,
  tar,
  tee,
  ...tests,
  ...trivial,
  wc,
  wget,
];
