// What runs a container's program: one interface, three implementations (inline, worker, process).
// Upstream: the CRI RuntimeService, reduced to what a pod here needs.
import type { Backend, ContainerContext, ExecStreams, Image, Protocol, Registration } from "../../model/ports.ts";

/** A container's world plus what only runtimes may do in it. */
export interface Sandbox extends ContainerContext {
  /** Makes a port of the pod reachable at a backend. */
  expose(port: number, protocol: Protocol, backend: Backend): Promise<Registration>;
}

export interface ContainerExit {
  readonly exitCode: number;
  readonly signal?: number;
  /** The program could not be started at all. */
  readonly startError?: string;
}

/** A program that has been started. It is asked to stop by its sandbox's signal. */
export interface RunningContainer {
  /** Resolves when the program has ended, however it did. */
  readonly exited: Promise<ContainerExit>;
  /** Ends it at once, as SIGKILL does; `exited` then resolves. */
  kill(): void;
  /** Runs a command beside the program; absent when the runtime has no processes of its own. Throws a StartError. */
  exec?(command: readonly string[], streams: ExecStreams): Promise<number>;
}

/** A command could not be started; the message is the container runtime's. */
export class StartError extends Error {
  override readonly name = "StartError";
}

/** One way of running programs of one kind of image. */
export interface Runtime<I extends Image = Image> {
  start(image: I, sandbox: Sandbox): Promise<RunningContainer>;
}

/** Exit code of a program ended by SIGKILL. */
export const KILLED: ContainerExit = { exitCode: 137, signal: 9 };
