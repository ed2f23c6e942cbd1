// ControllerRevisions as kubectl prints them. Upstream: printers printControllerRevision.
import { controllerOf } from "../../model/object.ts";
import { ControllerRevisions } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { printer } from "./table.ts";

export const controllerRevisionPrinter = printer(
  ControllerRevisions,
  ["Name", "Controller", "Revision", "Age"],
  ({ metadata, revision, ...rest }, nowMs) => {
    const controller = controllerOf({ metadata, ...rest });
    const group = controller?.apiVersion.split("/")[0];
    return [
      metadata.name,
      controller ? `${controller.kind.toLowerCase()}.${group}/${controller.name}` : "<none>",
      String(revision ?? 0),
      ageOf(metadata.creationTimestamp, nowMs),
    ];
  },
);
