// Workloads with the built-in stand-in images and small tools: what cluster/ starts.
import type { Image } from "../model/ports.ts";
import { findImage } from "./images/index.ts";
import type { ExecTool } from "./kubelet/node-services.ts";
import { programTable, runTool, tools } from "./tools/index.ts";
import { assembleWorkloads, type Workloads, type WorkloadsOptions } from "./workloads.ts";

const PROGRAMS = programTable(tools);
const runSmallTool: ExecTool = (command, context, streams) => runTool(command, context, streams, PROGRAMS);

/** Nodes with kubelets, scheduler, controllers and the streams into pods; does no I/O until started. */
export function createWorkloads(
  options: Omit<WorkloadsOptions, "findImage" | "execTool"> & { readonly findImage?: (name: string) => Image | undefined; readonly execTool?: ExecTool },
): Workloads {
  return assembleWorkloads({ findImage, execTool: runSmallTool, ...options });
}
