// Ordering of text by code unit, as Go compares strings: never by locale.

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
