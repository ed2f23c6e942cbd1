// `loopkube version`: of the command, its Node, and the Kubernetes version that it presents.
import { Command, Option } from "commander";
import { KUBERNETES_VERSION } from "../../model/version.ts";
import { print } from "../terminal.ts";
import { version } from "../version.ts";

export function versionCommand(): Command {
  return new Command("version")
    .description("print versions")
    .addOption(new Option("-o, --output <format>", "print it as data").choices(["json"]))
    .action((options: { output?: string }) => {
      const versions = { loopkube: version(), node: process.version, kubernetes: KUBERNETES_VERSION };
      if (options.output === "json") return print(JSON.stringify(versions, undefined, 2));
      print(`loopkube ${versions.loopkube} (Node ${versions.node}), Kubernetes ${versions.kubernetes}`);
    });
}
