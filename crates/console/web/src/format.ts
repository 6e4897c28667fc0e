// Figures for people. Exact values stand in titles and in `value` attributes beside them.

const WHOLE = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const SCALES = ["", "k", "M", "G", "T", "P", "E"];

/** A whole number with groups of digits. */
export function count(value: number): string {
    return WHOLE.format(value);
}

/** A number with a word behind it, in the plural where it is due. */
export function counted(value: number, word: string): string {
    return `${count(value)} ${word}${value === 1 ? "" : "s"}`;
}

/** Three digits are enough to see a change. */
function short(value: number): string {
    const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
    return value.toFixed(digits).replace(/\.0+$|(\.\d*[1-9])0+$/, "$1");
}

/** A value with a decimal scale: 20 kB. */
function scaled(value: number, unit: string): string {
    let step = 0;
    let rest = value;
    while (rest >= 999.5 && step < SCALES.length - 1) {
        rest /= 1000;
        step += 1;
    }
    return `${short(rest)} ${SCALES[step]}${unit}`;
}

/** Bytes, in thousands. */
export function bytes(value: number): string {
    return value < 1000 ? counted(Math.round(value), "byte") : scaled(value, "B");
}

export function bytesPerSecond(value: number): string {
    return `${scaled(value, "B")}/s`;
}

export function perSecond(value: number): string {
    return `${value === 0 ? "0" : short(value)} /s`;
}

/** Seconds as a latency: µs, ms or s. */
export function latency(seconds: number): string {
    if (seconds < 0.001) return `${short(seconds * 1e6)} µs`;
    if (seconds < 1) return `${short(seconds * 1e3)} ms`;
    return `${short(seconds)} s`;
}

/** A span of time in its two largest units. */
export function span(seconds: number): string {
    const units: [number, string][] = [
        [86_400, "d"],
        [3_600, "h"],
        [60, "min"],
        [1, "s"],
    ];
    let rest = Math.max(0, Math.floor(seconds));
    const words: string[] = [];
    for (const [size, unit] of units) {
        const whole = Math.floor(rest / size);
        rest -= whole * size;
        if (whole > 0 && words.length < 2) words.push(`${whole} ${unit}`);
        else if (words.length > 0) break;
    }
    return words.join(" ") || "0 s";
}

/** How long ago, or how long until. */
export function ago(fromMs: number, nowMs: number): string {
    const seconds = Math.round((nowMs - fromMs) / 1000);
    if (seconds < 0) return `in ${coarse(-seconds)}`;
    return seconds < 2 ? "just now" : `${coarse(seconds)} ago`;
}

/** A span in one unit. */
function coarse(seconds: number): string {
    if (seconds < 90) return `${seconds} s`;
    if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
    if (seconds < 129_600) return `${Math.round(seconds / 3_600)} h`;
    return `${Math.round(seconds / 86_400)} days`;
}

/** A moment in full, in the reader's own time zone. */
export function moment(ms: number): string {
    return new Date(ms).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "long" });
}

export function percent(part: number, whole: number): string {
    if (whole <= 0) return "0 %";
    const value = (100 * part) / whole;
    if (value > 0 && value < 1) return "< 1 %";
    // 100 % is said of what is full, and of nothing less.
    return `${Math.floor(value)} %`;
}

/** `noun_of_things` or `nounOfThings` as words. */
export function words(name: string): string {
    return name.replace(/[_-]/g, " ").replace(/([a-z])([A-Z])/g, (_, low, high) => `${low} ${high.toLowerCase()}`);
}
