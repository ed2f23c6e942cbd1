// The store's public face.
export * from "./contract.ts";
export { createController, on, type ControllerOptions, type Watch } from "./controller.ts";
export type { Driver, DriverChange, Entry, PutResult } from "./driver.ts";
export { Follower, type FollowerOptions } from "./follower.ts";
export { createMemoryDriver } from "./memory-driver.ts";
export { SharedFeed, type FeedRun, type SharedFeedOptions } from "./shared-feed.ts";
export { createStore, type StoreOptions } from "./store.ts";
