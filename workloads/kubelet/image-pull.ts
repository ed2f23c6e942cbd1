// Getting a container's image ready: its pull policy, what the node has, and what runs for a name that nobody knows.
// Upstream: pkg/kubelet/images/image_manager.go. Left out: registries, credentials, sizes; a pull takes no time.
import type { Container } from "../../model/kinds/core-v1.ts";
import type { ContainerContext, Image } from "../../model/ports.ts";
import { unknownImage } from "../runtimes/unknown-image.ts";
import { expand } from "./environment.ts";
import { fullImageName } from "./image-catalog.ts";
import type { ExecTool, NodeServices } from "./node-services.ts";

/** Why a container waits: the reason and message of its waiting state. */
export class WaitingError extends Error {
  readonly reason: string;
  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

type Tell = (type: "Normal" | "Warning", reason: string, message: string) => void;

/** The image, with the events of its pull. Throws WaitingError when it cannot be had. */
export function pullImage({ image: name = "", imagePullPolicy = "IfNotPresent" }: Container, services: NodeServices, tell: Tell): Image {
  if (!/^[\w][\w./:@-]*$/.test(name)) {
    const message = `Failed to apply default image tag "${name}": couldn't parse image name "${name}": invalid reference format`;
    tell("Warning", "InspectFailed", message);
    throw new WaitingError("InvalidImageName", message);
  }
  const full = fullImageName(name);
  const present = services.pulled.has(full);
  if (imagePullPolicy === "Never" && !present) {
    const message = `Container image "${name}" is not present with pull policy of Never`;
    tell("Warning", "ErrImageNeverPull", message);
    throw new WaitingError("ErrImageNeverPull", message);
  }
  const found = services.images.find(services.reader, name);
  if (!found && services.strictImages) {
    tell("Normal", "Pulling", `Pulling image "${name}"`);
    const repository = full.replace(/[:@][^/]*$/, "");
    const detail = `failed to pull and unpack image "${full}": failed to resolve reference "${full}": ${repository}: not found`;
    tell("Warning", "Failed", `Failed to pull image "${name}": ${detail}`);
    throw new WaitingError("ErrImagePull", detail);
  }
  if (present && imagePullPolicy !== "Always") tell("Normal", "Pulled", `Container image "${name}" already present on machine`);
  else {
    tell("Normal", "Pulling", `Pulling image "${name}"`);
    services.pulled.add(full);
    tell("Normal", "Pulled", `Successfully pulled image "${name}" in 0s (0s including waiting). Image size: 0 bytes.`);
  }
  if (!found) {
    const advice = `loopkube image add ${name} -- COMMAND makes a program of yours stand in for it`;
    tell(
      "Warning",
      "UnknownImage",
      `loopkube has no stand-in for image "${name}": its command runs with the small tools, or an echo server in its place; ${advice}`,
    );
  }
  return found ?? unknownImage(name, (command, context) => services.execTool(command, context, ownStreams(context), undefined));
}

const ownStreams = (context: ContainerContext): Parameters<ExecTool>[2] => ({
  ...(context.stdin ? { stdin: context.stdin } : {}),
  stdout: context.stdout,
  stderr: context.stderr,
  tty: context.tty ?? false,
  signal: context.signal,
});

/** ENTRYPOINT and CMD of the image, or what the pod has in their place, after $(VAR) expansion. */
export function argvOf(image: Image, container: Container, env: Readonly<Record<string, string>>): readonly string[] {
  const lookup = (name: string): string | undefined => env[name];
  const [command, args] = [container.command, container.args].map((list) => list?.map((text) => expand(text, lookup)));
  const entrypoint = image.runtime === "process" ? image.command : image.runtime === "inline" ? image.entrypoint : undefined;
  const cmd = image.runtime === "inline" ? image.cmd : undefined;
  return [...(command ?? entrypoint ?? []), ...(args ?? (command ? [] : (cmd ?? [])))];
}
