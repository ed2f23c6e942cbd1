// Counts of a status as Go's omitempty writes them: one that is zero is not there.

/** The counts above zero. */
export function counts<K extends string>(all: { readonly [key in K]: number }): { readonly [key in K]?: number } {
  const kept: { [key in K]?: number } = {};
  for (const key in all) if (all[key] > 0) kept[key] = all[key];
  return kept;
}
