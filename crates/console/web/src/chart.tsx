// Small charts: a line for the last quarter of an hour.

import type { Point } from "./series";
import { nodeNow } from "./api";
import * as format from "./format";

const WIDTH = 300;
const HEIGHT = 56;
/** The shortest time that fills a chart; before that its left side is empty. */
const SPAN_MIN_MS = 60_000;

/** A line of `points`, with what it shows in words. */
export function Chart({ title, points, show, unknown }: {
    title: string;
    points: Point[];
    show: (value: number) => string;
    /** Said where there is no value yet. */
    unknown: string;
}) {
    const known = points.filter((point): point is { at: number; value: number } => point.value !== undefined);
    const last = known.at(-1);
    const most = Math.max(0, ...known.map((point) => point.value));
    const end = points.at(-1)?.at ?? nodeNow();
    const begin = Math.min(points[0]?.at ?? end, end - SPAN_MIN_MS);
    const words = last === undefined ? unknown : `now ${show(last.value)}, most ${show(most)}, over ${format.span((end - begin) / 1000)}`;
    return (
        <figure class="chart">
            <figcaption>
                <span>{title}</span>
                <strong>
                    {last === undefined ? <span class="none">–</span> : <data value={last.value}>{show(last.value)}</data>}
                </strong>
            </figcaption>
            <svg role="img" aria-label={`${title}: ${words}`} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none">
                <line class="ground" x1="0" x2={WIDTH} y1={HEIGHT - 1} y2={HEIGHT - 1} />
                {lines(points, begin, end, most).map((line) => (
                    <g key={line.key}>
                        <path class="area" d={`${line.path}L${line.to},${HEIGHT - 1}L${line.from},${HEIGHT - 1}Z`} />
                        <path class="line" d={line.path} />
                    </g>
                ))}
            </svg>
            <p class="scale">
                <span>{format.span((end - begin) / 1000)}</span>
                <span>{last === undefined ? unknown : `most ${show(most)}`}</span>
                <span>now</span>
            </p>
        </figure>
    );
}

interface Line {
    key: number;
    path: string;
    from: string;
    to: string;
}

/** The points as lines, broken where nothing is known. */
function lines(points: Point[], begin: number, end: number, most: number): Line[] {
    const found: Line[] = [];
    let current: { x: number; y: number }[] = [];
    const finish = () => {
        const [first, last] = [current[0], current.at(-1)];
        if (first !== undefined && last !== undefined) {
            // A single point is a short line, else it could not be seen.
            const from = current.length === 1 ? { x: Math.max(0, first.x - 4), y: first.y } : first;
            const path = [from, ...current].map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join("L");
            found.push({ key: found.length, path: `M${path}`, from: from.x.toFixed(1), to: last.x.toFixed(1) });
        }
        current = [];
    };
    for (const { at, value } of points) {
        if (value === undefined) {
            finish();
            continue;
        }
        const x = (WIDTH * (at - begin)) / (end - begin);
        const y = HEIGHT - 2 - (most === 0 ? 0 : ((HEIGHT - 6) * value) / most);
        current.push({ x, y });
    }
    finish();
    return found;
}
