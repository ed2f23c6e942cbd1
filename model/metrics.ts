// Counters, gauges and histograms in Prometheus' text format 0.0.4. Upstream: component-base/metrics, client_golang.
// Families are declared once; their series appear when first touched. Nothing here reads time.

export type MetricLabels = Readonly<Record<string, string>>;

export interface MetricFamily {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** Upper bounds of a histogram, ascending, without +Inf. */
  readonly buckets?: readonly number[];
}

/** `count` bounds from `first` on, each `factor` times the one before. */
export function exponentialBuckets(first: number, factor: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => first * factor ** i);
}

/** `count` bounds from `first` on, `width` apart. */
export function linearBuckets(first: number, width: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => first + width * i);
}

interface Histogram {
  readonly counts: number[];
  sum: number;
  count: number;
}

/** The series of a set of families. A name that is not among them is a bug and throws. */
export class MetricRegistry {
  readonly #families: ReadonlyMap<string, MetricFamily>;
  readonly #values = new Map<string, Map<string, number>>();
  readonly #histograms = new Map<string, Map<string, Histogram>>();

  constructor(families: readonly MetricFamily[]) {
    this.#families = new Map(families.map((family) => [family.name, family]));
  }
  /** Counts up. */
  add(name: string, labels: MetricLabels = {}, by = 1): void {
    const series = this.#series(name);
    const key = labelText(labels);
    series.set(key, (series.get(key) ?? 0) + by);
  }
  set(name: string, labels: MetricLabels, value: number): void {
    this.#series(name).set(labelText(labels), value);
  }
  get(name: string, labels: MetricLabels = {}): number | undefined {
    return this.#series(name).get(labelText(labels));
  }
  observe(name: string, labels: MetricLabels, value: number): void {
    const bounds = this.#family(name).buckets ?? [];
    let series = this.#histograms.get(name);
    if (!series) this.#histograms.set(name, (series = new Map()));
    const key = labelText(labels);
    let histogram = series.get(key);
    if (!histogram) series.set(key, (histogram = { counts: bounds.map(() => 0), sum: 0, count: 0 }));
    histogram.sum += value;
    histogram.count++;
    const i = bounds.findIndex((bound) => value <= bound);
    if (i >= 0) histogram.counts[i] = (histogram.counts[i] ?? 0) + 1;
  }
  /** The exposition, families and series sorted; families without series are left out. */
  text(): string {
    const lines: string[] = [];
    for (const { name, type, help, buckets = [] } of [...this.#families.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const body = [
        ...sorted(this.#values.get(name)).map(([labels, value]) => `${name}${braced(labels)} ${value}`),
        ...sorted(this.#histograms.get(name)).flatMap(([labels, histogram]) => histogramLines(name, labels, buckets, histogram)),
      ];
      if (body.length > 0) lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...body);
    }
    return lines.map((line) => `${line}\n`).join("");
  }
  #family(name: string): MetricFamily {
    const family = this.#families.get(name);
    if (!family) throw new RangeError(`no metric is named ${name}`);
    return family;
  }
  #series(name: string): Map<string, number> {
    this.#family(name);
    let series = this.#values.get(name);
    if (!series) this.#values.set(name, (series = new Map()));
    return series;
  }
}

/** The media type of `text()`. */
export const METRICS_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8";

const sorted = <V>(series: ReadonlyMap<string, V> = new Map()): readonly (readonly [string, V])[] =>
  [...series].sort(([a], [b]) => (a < b ? -1 : 1));

const braced = (labels: string): string => (labels === "" ? "" : `{${labels}}`);

const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", '"': '\\"', "\n": "\\n" };

function labelText(labels: MetricLabels): string {
  const names = Object.keys(labels).sort();
  return names.map((name) => `${name}="${(labels[name] ?? "").replace(/[\\"\n]/g, (char) => ESCAPES[char] ?? char)}"`).join(",");
}

function histogramLines(name: string, labels: string, bounds: readonly number[], { counts, sum, count }: Histogram): readonly string[] {
  const prefix = labels === "" ? "" : `${labels},`;
  let total = 0;
  const buckets = bounds.map((bound, i) => `${name}_bucket{${prefix}le="${bound}"} ${(total += counts[i] ?? 0)}`);
  return [
    ...buckets,
    `${name}_bucket{${prefix}le="+Inf"} ${count}`,
    `${name}_sum${braced(labels)} ${sum}`,
    `${name}_count${braced(labels)} ${count}`,
  ];
}
