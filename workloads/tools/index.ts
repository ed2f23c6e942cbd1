// The public face of the small tools.
export { ExecutableNotFound, findProgram, programTable, runTool, type ToolStreams } from "./run-tool.ts";
export { tools } from "./table.ts";
export { Terminal } from "./terminal.ts";
export { Terminated, type NamedTool, type Tool, type ToolIo } from "./tool.ts";
