// What an image file declares, and how it becomes an inline image: its ENTRYPOINT and CMD are argv of programs in a table, so that
// `command: ["sh", "-c", "… && nginx -g 'daemon off;'"]` works as in the real image.
import { posix } from "node:path";
import type { ContainerContext, Image, InlineImage } from "../../model/ports.ts";
import { programTable, runTool, tools, type NamedTool, type Tool } from "../tools/index.ts";

/** One image under all its names. */
export interface ImageSpec {
  /** Repositories without registry host and tag. */
  readonly repositories: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly ports?: readonly number[];
  /** Programs that this image has beside the common tools. */
  readonly programs?: readonly NamedTool[];
  /** Files of the image's root, hidden where a volume is mounted over them. */
  readonly files?: Readonly<Record<string, string>>;
}

const commonPrograms = programTable(tools);
const programsByImage = new WeakMap<Image, ReadonlyMap<string, Tool>>();

/** The inline image of a declaration. */
export function inlineImage(spec: ImageSpec): Image {
  const { entrypoint = [], cmd = [], ports } = spec;
  const programs = spec.programs ? new Map([...commonPrograms, ...programTable(spec.programs)]) : commonPrograms;
  const image: Image = {
    runtime: "inline",
    entrypoint,
    cmd,
    ...(ports ? { ports } : {}),
    async program(context) {
      installFiles(spec.files ?? {}, context);
      const argv = context.argv.length > 0 ? context.argv : [...entrypoint, ...cmd];
      const { stdin, stdout, stderr, tty = false, signal } = context;
      return runTool(argv, context, { stdin, stdout, stderr, tty, signal }, programs);
    },
  };
  programsByImage.set(image, programs);
  return image;
}

/** A feature's image with the common tools: a command that names another program than the image's own runs that one, as `sleep 3600`. */
export function withTools(image: InlineImage): InlineImage {
  const own = posix.basename([...(image.entrypoint ?? []), ...(image.cmd ?? [])][0] ?? "");
  const equipped: InlineImage = {
    ...image,
    async program(context) {
      const { argv, stdin, stdout, stderr, tty = false, signal } = context;
      const name = posix.basename(argv[0] ?? own);
      if (name === own || posix.basename(argv[2] ?? "") === own) return image.program(context);
      return runTool(argv, context, { stdin, stdout, stderr, tty, signal }, programsOf(equipped));
    },
  };
  return equipped;
}

/** The programs that exec finds in a container of this image: its own and the common tools. */
export function programsOf(image: Image | undefined): ReadonlyMap<string, Tool> {
  if (!image) return commonPrograms;
  const known = programsByImage.get(image);
  if (known) return known;
  const own = image.runtime === "inline" && image.programs ? Object.entries(image.programs) : [];
  const programs = own.length === 0 ? commonPrograms : new Map<string, Tool>([...commonPrograms, ...own]);
  programsByImage.set(image, programs);
  return programs;
}

/** Paths at which the container has volumes. */
export function mountPaths(context: ContainerContext): readonly string[] {
  const container = context.pod.spec?.containers.find(({ name }) => name === context.container);
  return (container?.volumeMounts ?? []).map(({ mountPath }) => mountPath.replace(/\/+$/, ""));
}

function installFiles(files: Readonly<Record<string, string>>, context: ContainerContext): void {
  const mounts = mountPaths(context);
  for (const [path, text] of Object.entries(files)) {
    const hidden = mounts.some((mount) => path === mount || path.startsWith(`${mount}/`));
    if (!hidden && context.files.read(path) === undefined) context.files.write(path, text);
  }
}

/** The tag of the container's image, "latest" when it has none. */
export function imageTag(context: ContainerContext): string {
  const reference = context.pod.spec?.containers.find(({ name }) => name === context.container)?.image ?? "";
  return /:([\w][\w.-]*)$/.exec(reference.replace(/@.*$/, ""))?.[1] ?? "latest";
}
