// The Date header.

let text = "";
let second = -1;

/** The header's value at `ms` of the cluster's clock. */
export function httpDate(ms: number): string {
  const at = Math.floor(ms / 1000);
  if (at !== second) {
    second = at;
    text = new Date(at * 1000).toUTCString();
  }
  return text;
}
