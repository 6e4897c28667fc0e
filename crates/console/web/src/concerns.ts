// What an operator should look at, from what every part tells of itself.

import type { Status } from "./api";
import * as format from "./format";
import { sum, type Metrics } from "./metrics";
import type { Tone } from "./pieces";
import { fullness, type Quotas } from "./quotas";

export interface Concern {
    tone: Tone;
    text: string;
    /** The view that shows more of it. */
    view?: string;
}

/** An entry that waits longer than this for its checkpoint or its ledger is worth a look. */
const WAIT_S = 60;

const CAUSES: Record<string, string> = {
    configuration: "node.read_only in the configuration",
    admin: "an operator’s order",
    file: "a file “readonly” in the data folder",
};

/** The causes of read-only mode in words. */
export function causes(status: Status): string {
    return status.causes.map((cause) => CAUSES[cause] ?? cause).join(" and ");
}

/** Everything that is not as it should be; empty when all is well. */
export function concerns(
    status: Status,
    metrics: Metrics | undefined,
    quotas: Record<string, Quotas> | undefined,
): Concern[] {
    const found: Concern[] = [];
    for (const [part, state] of Object.entries(status.parts)) {
        if (state !== "ok") found.push({ tone: "bad", text: `${part} cannot serve: ${state}` });
    }
    if (status.readOnly) found.push({ tone: "warn", text: `no writes are taken, because of ${causes(status)}` });
    const disabled = status.domains.filter((domain) => domain.disabled).map((domain) => domain.name);
    if (disabled.length > 0) {
        found.push({ tone: "warn", text: `nothing is read or written in disabled domains: ${disabled.join(", ")}`, view: "storage" });
    }
    if (metrics === undefined) return found;
    const all = [...found, ...ofStores(metrics), ...ofLogs(metrics), ...ofQuotas(metrics, quotas ?? {})];
    return all.sort((one, other) => Number(other.tone === "bad") - Number(one.tone === "bad"));
}

function ofStores(metrics: Metrics): Concern[] {
    const found: Concern[] = [];
    for (const { labels, value } of metrics.samples.get("kiln_store_state") ?? []) {
        if (value !== 1 || labels["state"] === "ready") continue;
        const why =
            labels["state"] === "full"
                ? "has no room: writes are refused until there is some"
                : "could not write, and takes no more writes until the node is restarted";
        found.push({ tone: "bad", text: `the store of ${labels["store"]} ${why}`, view: "storage" });
    }
    const quarantined = sum(metrics, "kiln_bricks_quarantined") ?? 0;
    if (quarantined > 0) {
        const text = `${format.counted(quarantined, "damaged brick")} in quarantine`;
        found.push({ tone: "bad", text, view: "scrub" });
    }
    // Damaged bricks are in quarantine; of anchors nothing but the scrub tells.
    const isAnchors = (labels: Record<string, string>) => labels["store"] === "anchors";
    const damaged = Math.max(
        sum(metrics, "kiln_scrub_pass_damaged", isAnchors) ?? 0,
        sum(metrics, "kiln_scrub_last_pass_damaged", isAnchors) ?? 0,
    );
    if (damaged > 0) {
        found.push({ tone: "bad", text: `${format.counted(damaged, "damaged record")} of anchors`, view: "scrub" });
    }
    for (const [name, what] of [
        ["kiln_store_failed_writes_total", "write that the disk did not take"],
        ["kiln_store_background_errors_total", "error of a store in the background"],
    ] as const) {
        const errors = sum(metrics, name) ?? 0;
        const text = errors === 1 ? `1 ${what}` : `${format.count(errors)} times: ${what}`;
        if (errors > 0) found.push({ tone: "bad", text: `${text}, since the start`, view: "storage" });
    }
    return found;
}

/** Families of the logs, with what is wrong when a sample is over the limit. */
const OF_LOGS: [string, number, Tone, (domain: string, value: number) => string][] = [
    ["kiln_log_trouble", 0, "bad", (domain) => `the log of ${domain} is not signed`],
    ["kiln_log_unsigned_age_seconds", WAIT_S, "bad", (domain, value) => `an entry of ${domain} waits for its checkpoint for ${format.span(value)}`],
    ["kiln_publisher_trouble", 0, "bad", (domain) => `no roots of ${domain} can be published`],
    ["kiln_outbox_oldest_age_seconds", WAIT_S, "warn", (domain, value) => `an entry of ${domain} waits for the other ledger for ${format.span(value)}`],
];

function ofLogs(metrics: Metrics): Concern[] {
    return OF_LOGS.flatMap(([name, most, tone, text]) => {
        const over = (metrics.samples.get(name) ?? []).filter(({ value }) => value > most);
        return over.map(({ labels, value }) => ({ tone, text: text(labels["domain"] ?? "?", value), view: "ledger" }));
    });
}

/** Quotas beside which a figure stands, with that figure and what it counts. */
const OF_QUOTAS: [string, string, string][] = [
    ["storage_bytes", "kiln_bricks_stored_bytes", "bytes"],
    ["storage_bricks", "kiln_bricks_stored", "bricks"],
    ["anchors", "kiln_anchors", "anchors"],
];

function ofQuotas(metrics: Metrics, quotas: Record<string, Quotas>): Concern[] {
    return Object.entries(quotas).flatMap(([domain, quota]) =>
        OF_QUOTAS.flatMap(([name, family, what]): Concern[] => {
            const limit = quota[name];
            const used = sum(metrics, family, (labels) => labels["domain"] === domain) ?? 0;
            const tone = limit === undefined ? "good" : fullness(used, limit);
            if (limit === undefined || tone === "good") return [];
            const text = `${domain} uses ${format.percent(used, limit)} of its quota of ${what}`;
            return [{ tone, text, view: "storage" }];
        }),
    );
}
