// What the metrics were since the page was opened: the node keeps no history, and the page asks
// nobody else.

import { useEffect, useState } from "preact/hooks";
import * as api from "./api";
import { parse, since, histogram, quantile, sum, type Buckets, type Metrics, type Wanted } from "./metrics";
import { BEAT_MS, useAsked } from "./pulse";

/** Readings that are kept: a quarter of an hour. */
const KEPT = (15 * 60_000) / BEAT_MS;
/** What "now" means in a figure: the last minute. */
const LATELY_MS = 60_000;

let kept: Metrics[] = [];

/** Readings, the oldest first, and why the last one failed. */
export interface Series {
    readings: Metrics[];
    failure: api.Failure | undefined;
}

/** Forgets all readings: another node may answer next. */
export function clear(): void {
    kept = [];
}

/** Reads the metrics with each beat. */
export function useSeries(): Series {
    const { data, failure } = useAsked("metrics", async (route) => parse(await api.text(route), Date.now()));
    const [readings, setReadings] = useState(kept);
    useEffect(() => {
        if (data === undefined || data === kept.at(-1)) return;
        // A counter that fell began anew: the node was restarted.
        const before = kept.at(-1);
        const begun = before !== undefined && starts(data) !== starts(before) ? [] : kept;
        kept = [...begun, data].slice(-KEPT);
        setReadings(kept);
    }, [data]);
    return { readings, failure };
}

function starts(metrics: Metrics): number | undefined {
    return sum(metrics, "process_start_time_seconds");
}

/** A point of a chart: when, and how much; `undefined` where nothing is known. */
export interface Point {
    at: number;
    value: number | undefined;
}

/** How fast a counter grew between each two readings, per second. */
export function rates(readings: Metrics[], name: string, wanted?: Wanted): Point[] {
    return pairs(readings, (before, now) => {
        const grown = (sum(now, name, wanted) ?? 0) - (sum(before, name, wanted) ?? 0);
        return Math.max(0, grown) / ((now.at - before.at) / 1000);
    });
}

/** A quantile of what came to a histogram between each two readings. */
export function quantiles(readings: Metrics[], name: string, wanted: Wanted, part: number): Point[] {
    return pairs(readings, (before, now) =>
        quantile(since(histogram(now, name, wanted), histogram(before, name, wanted)), part),
    );
}

/** What came to a histogram in the last minute, or since the page was opened if that is less. */
export function lately(readings: Metrics[], name: string, wanted: Wanted): Buckets {
    const now = readings.at(-1);
    if (now === undefined) return new Map();
    const before = readings.find((reading) => now.at - reading.at <= LATELY_MS);
    const current = histogram(now, name, wanted);
    return before === undefined || before === now ? new Map() : since(current, histogram(before, name, wanted));
}

function pairs(readings: Metrics[], value: (before: Metrics, now: Metrics) => number | undefined): Point[] {
    const points: Point[] = [];
    readings.forEach((now, index) => {
        const before = readings[index - 1];
        if (before !== undefined) points.push({ at: now.at, value: value(before, now) });
    });
    return points;
}
