// The node's metrics in Prometheus' text format, as far as the page needs it.

/** The families that are looked at; the text has many more. */
const FAMILIES =
    /^(kiln_requests_total|kiln_request_seconds|kiln_requests_in_flight|kiln_received_bytes_total|kiln_sent_bytes_total|kiln_refusals_total|kiln_connections_open|kiln_store_|kiln_bricks_|kiln_anchors|kiln_log_|kiln_outbox_|kiln_publisher_|kiln_scrub_|kiln_body_budget_|process_resident_memory_bytes|process_start_time_seconds)/;

export interface Sample {
    labels: Record<string, string>;
    value: number;
}

/** Samples by name, as they were at one time. */
export interface Metrics {
    /** When they were read, in milliseconds on our clock. */
    at: number;
    samples: Map<string, Sample[]>;
}

/** Which samples are meant. */
export type Wanted = (labels: Record<string, string>) => boolean;

/** Upper bounds in rising order, each with how many were at most that large. */
export type Buckets = Map<number, number>;

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

export function parse(text: string, at: number): Metrics {
    const samples = new Map<string, Sample[]>();
    for (const line of text.split("\n")) {
        if (!FAMILIES.test(line)) continue;
        const [, name, inner, value] = LINE.exec(line) ?? [];
        if (name === undefined || value === undefined) continue;
        const labels: Record<string, string> = {};
        for (const [, label, quoted] of (inner ?? "").matchAll(LABEL)) {
            if (label !== undefined) labels[label] = unquoted(quoted ?? "");
        }
        const known = samples.get(name) ?? [];
        known.push({ labels, value: number(value) });
        samples.set(name, known);
    }
    return { at, samples };
}

/** The sum of a family; `undefined` when it has no such sample. */
export function sum(metrics: Metrics, name: string, wanted: Wanted = () => true): number | undefined {
    const found = (metrics.samples.get(name) ?? []).filter((sample) => wanted(sample.labels));
    return found.length === 0 ? undefined : found.reduce((all, sample) => all + sample.value, 0);
}

/** A histogram, summed over all samples that are wanted. */
export function histogram(metrics: Metrics, name: string, wanted: Wanted): Buckets {
    const buckets: Buckets = new Map();
    for (const { labels, value } of metrics.samples.get(`${name}_bucket`) ?? []) {
        if (!wanted(labels)) continue;
        const bound = number(labels["le"] ?? "");
        buckets.set(bound, (buckets.get(bound) ?? 0) + value);
    }
    return buckets;
}

/** What came to a histogram between two readings. */
export function since(now: Buckets, before: Buckets): Buckets {
    return new Map([...now].map(([bound, value]) => [bound, value - (before.get(bound) ?? 0)]));
}

/** How many values a histogram holds. */
export function total(buckets: Buckets): number {
    return buckets.get(Infinity) ?? 0;
}

/**
 * The value below which the part `part` of all lies, between bounds by a straight line, as
 * Prometheus reckons; `undefined` when there is none.
 */
export function quantile(buckets: Buckets, part: number): number | undefined {
    const all = total(buckets);
    if (all <= 0) return undefined;
    const rank = part * all;
    let [low, below] = [0, 0];
    for (const [bound, value] of [...buckets].sort(([one], [other]) => one - other)) {
        if (value >= rank && value > below) {
            // Beyond the last bound nothing is known but that it is beyond.
            if (bound === Infinity) return low;
            return low + (bound - low) * ((rank - below) / (value - below));
        }
        [low, below] = [bound, value];
    }
    return low;
}

function number(text: string): number {
    return text === "+Inf" ? Infinity : Number(text);
}

function unquoted(text: string): string {
    return text.replace(/\\(.)/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped));
}
