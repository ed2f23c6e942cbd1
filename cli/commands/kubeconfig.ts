// `loopkube kubeconfig`: prints the running cluster's own kubeconfig, or its path.
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { withName } from "../connect.ts";
import { runningCluster } from "../run-state.ts";
import { print } from "../terminal.ts";

export function kubeconfigCommand(): Command {
  return withName(new Command("kubeconfig").description("print the cluster's kubeconfig"))
    .option("--path", "print the file's path instead: export KUBECONFIG=$(loopkube kubeconfig --path)")
    .action((options: { name?: string; path?: boolean }) => {
      const { kubeconfig } = runningCluster(options.name);
      print(options.path ? kubeconfig : readFileSync(kubeconfig, "utf8").trimEnd());
    });
}
