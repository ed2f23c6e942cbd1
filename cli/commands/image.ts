// `loopkube image add NAME -- command…`: a program of the user's own stands in for a container image.
import { existsSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { Command } from "commander";
import type { ApiClient } from "../../cluster/api-client.ts";
import type { Deployment } from "../../model/kinds/apps-v1.ts";
import type { ConfigMap } from "../../model/kinds/core-v1.ts";
import { isStatus } from "../../model/errors.ts";
import { connected, withJson, withName } from "../connect.ts";
import { Failure } from "../failure.ts";
import { print, printJson, textTable } from "../terminal.ts";

const IMAGES_PATH = "/api/v1/namespaces/kube-system/configmaps";
const IMAGES_NAME = "loopkube-images";

interface ImageEntry {
  readonly image: string;
  readonly command?: readonly string[];
  readonly module?: string;
  readonly cwd?: string;
}

export function imageCommand(): Command {
  const image = new Command("image").description("let your own programs stand in for images");
  image.addCommand(
    withName(new Command("add").description("run a command as the image: it listens on $PORT"))
      .argument("<name>", "image name as in a manifest, e.g. shop/cart:1")
      .argument("[command...]", "after --: the program and its arguments")
      .option("--worker <module>", "run a JavaScript module in a worker thread instead of a command")
      .addHelpText("after", "\nExample:\n  loopkube image add shop/cart:1 -- node examples/cart-server.js")
      .action(async (name: string, command: string[], options: { name?: string; worker?: string }) => {
        if (!/^[a-z0-9][\w./:@-]*$/.test(name))
          throw new Failure(`"${name}" is no image name`, { advice: ["loopkube image add shop/cart:1 -- node server.js"] });
        if (command.length === 0 && options.worker === undefined) {
          throw new Failure("which program should the image run?", { advice: [`loopkube image add ${name} -- node server.js`] });
        }
        warnIfAbsent(options.worker ?? command[0] ?? "", options.worker !== undefined);
        const entry: ImageEntry =
          options.worker === undefined ? { image: name, command, cwd: process.cwd() } : { image: name, module: resolve(options.worker) };
        const deployment = await connected(options, async (client) => {
          await writeEntry(client, keyOfImage(name), entry);
          return freeName(client, deploymentName(name));
        });
        const what = options.worker === undefined ? command.join(" ") : `worker ${options.worker}`;
        print(`image ${name} runs: ${what}\nnext: kubectl create deployment ${deployment} --image=${name}`);
      }),
  );
  image.addCommand(
    withJson(withName(new Command("list").alias("ls").description("list the images added"))).action(
      (options: { name?: string; output?: string }) =>
        connected(options, async (client) => {
          const entries = Object.values((await readImages(client))?.data ?? {}).map((text) => JSON.parse(text) as ImageEntry);
          if (options.output === "json") return printJson({ images: entries });
          if (entries.length === 0) return print("no images were added");
          print(
            textTable(
              ["IMAGE", "RUNS"],
              entries.map((entry) => [entry.image, entry.command?.join(" ") ?? `worker ${entry.module}`]),
            ),
          );
        }),
    ),
  );
  image.addCommand(
    withName(new Command("remove").alias("rm").description("forget an image that was added"))
      .argument("<name>", "image name, as list shows it")
      .action((name: string, options: { name?: string }) =>
        connected(options, async (client) => {
          if (!(await readImages(client))?.data?.[keyOfImage(name)])
            throw new Failure(`no image ${name} was added`, { advice: ["loopkube image list"] });
          await client.request(
            "PATCH",
            `${IMAGES_PATH}/${IMAGES_NAME}`,
            { data: { [keyOfImage(name)]: null } },
            "application/merge-patch+json",
          );
          print(`image ${name} removed: pods started from now on get the built-in program, if there is one`);
        }),
      ),
  );
  return image;
}

/** The name, with a number when a Deployment of the default namespace has it already. */
async function freeName(client: ApiClient, name: string): Promise<string> {
  const { items } = (await client.request("GET", "/apis/apps/v1/namespaces/default/deployments")) as unknown as {
    items: readonly Deployment[];
  };
  const taken = new Set(items.map(({ metadata }) => metadata.name));
  for (let i = 1; ; i++) {
    const free = i === 1 ? name : `${name}-${i}`;
    if (!taken.has(free)) return free;
  }
}

/** It may be there by the time a pod starts: said, not refused. */
function warnIfAbsent(program: string, isFile: boolean): void {
  const found = isFile || program.includes("/") ? existsSync(program) : isOnPath(program);
  if (!found)
    process.stderr.write(
      `warning: there is no ${isFile ? "file" : "program"} ${program} yet: pods of this image cannot start without it\n`,
    );
}

const isOnPath = (name: string): boolean =>
  (process.env["PATH"] ?? "")
    .split(delimiter)
    .some((folder) => ["", ".exe", ".cmd"].some((end) => existsSync(join(folder, `${name}${end}`))));

/** An image name as a ConfigMap key, which allows [-._a-zA-Z0-9] only. */
function keyOfImage(name: string): string {
  return name.replace(/[^-._a-zA-Z0-9]/g, "_");
}

const deploymentName = (image: string): string => (image.split("/").at(-1) ?? image).split(/[:@]/)[0] ?? image;

async function readImages(client: ApiClient): Promise<ConfigMap | undefined> {
  try {
    return (await client.request("GET", `${IMAGES_PATH}/${IMAGES_NAME}`)) as unknown as ConfigMap;
  } catch (error) {
    if (isStatus(error, "NotFound")) return undefined;
    throw error;
  }
}

async function writeEntry(client: ApiClient, key: string, entry: ImageEntry): Promise<void> {
  const data = { [key]: JSON.stringify(entry) };
  if (await readImages(client)) await client.request("PATCH", `${IMAGES_PATH}/${IMAGES_NAME}`, { data }, "application/merge-patch+json");
  else await client.request("POST", IMAGES_PATH, { apiVersion: "v1", kind: "ConfigMap", metadata: { name: IMAGES_NAME }, data });
}
