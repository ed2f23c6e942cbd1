// What /version says, and so which client the kubectl dispatcher picks. Upstream: apimachinery pkg/version.

/** version.Info as kubectl reads it. */
export interface VersionInfo {
  readonly major: string;
  readonly minor: string;
  readonly gitVersion: string;
  readonly gitCommit: string;
  readonly gitTreeState: string;
  readonly buildDate: string;
  readonly goVersion: string;
  readonly compiler: string;
  readonly platform: string;
}

const PLATFORMS: Readonly<Record<string, string>> = { win32: "windows" };
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };

/** The version of the API that is spoken, e.g. "v1.33.4"; the build fields name this program. */
export function versionInfo(gitVersion = "v1.33.4"): VersionInfo {
  const [, major = "1", minor = "33"] = /^v(\d+)\.(\d+)/.exec(gitVersion) ?? [];
  return {
    major,
    minor,
    gitVersion,
    gitCommit: "",
    gitTreeState: "clean",
    buildDate: "1970-01-01T00:00:00Z",
    goVersion: `node ${process.version}`,
    compiler: "v8",
    platform: `${PLATFORMS[process.platform] ?? process.platform}/${ARCHITECTURES[process.arch] ?? process.arch}`,
  };
}
