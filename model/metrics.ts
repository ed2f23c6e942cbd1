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

/** One series of a histogram. For hot paths: whoever observes often holds it, and `put`s it into a registry when asked for text. */
export class Histogram {
  readonly #bounds: readonly number[];
  /** Observations at or under each bound and over the one before. */
  readonly counts: number[];
  sum = 0;
  count = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.counts = bounds.map(() => 0);
  }
  observe(value: number): void {
    this.sum += value;
    this.count++;
    const bounds = this.#bounds;
    for (let i = 0; i < bounds.length; i++) {
      if (value > (bounds[i] ?? 0)) continue;
      this.counts[i] = (this.counts[i] ?? 0) + 1;
      return;
    }
  }
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
    const key = labelText(labels);
    let histogram = this.#histograms.get(name)?.get(key);
    if (!histogram) this.#setHistogram(name, key, (histogram = new Histogram(this.#family(name).buckets ?? [])));
    histogram.observe(value);
  }
  /** A series that is observed elsewhere, over the family's own buckets. */
  put(name: string, labels: MetricLabels, histogram: Histogram): void {
    this.#setHistogram(name, labelText(labels), histogram);
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
  #setHistogram(name: string, key: string, histogram: Histogram): void {
    this.#family(name);
    let series = this.#histograms.get(name);
    if (!series) this.#histograms.set(name, (series = new Map()));
    series.set(key, histogram);
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
