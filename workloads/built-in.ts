// Workloads with the built-in stand-in images and small tools: what cluster/ starts.
import type { Image } from "../model/ports.ts";
import { findImage, programsOf } from "./images/index.ts";
import type { ExecTool } from "./kubelet/node-services.ts";
import { runTool } from "./tools/index.ts";
import { assembleWorkloads, type Workloads, type WorkloadsOptions } from "./workloads.ts";

const runProgram: ExecTool = (command, context, streams, image) => runTool(command, context, streams, programsOf(image));

/** Nodes with kubelets, scheduler, controllers and the streams into pods; does no I/O until started. */
export function createWorkloads(
  options: Omit<WorkloadsOptions, "findImage" | "execTool"> & {
    readonly findImage?: (name: string) => Image | undefined;
    readonly execTool?: ExecTool;
  },
): Workloads {
  return assembleWorkloads({ findImage, execTool: runProgram, ...options });
}
