// Health, throughput, and how long writes take.

import { Chart } from "../chart";
import { concerns, type Concern } from "../concerns";
import * as format from "../format";
import type { Seen } from "../seen";
import { histogram, quantile, sum, total, type Buckets, type Metrics, type Wanted } from "../metrics";
import { Ago, Answered, Badge, Bytes, Count, Facts, None, Section, Span, Table, Trouble } from "../pieces";
import { useQuotas } from "../quotas";
import { lately, quantiles, rates, type Series } from "../series";
import type { Status } from "../api";
import { ReadOnly } from "./read_only";

/** Operations that are answered after a commit, by the store that commits them. */
const WRITES: Record<string, string[]> = {
    bricks: ["put_brick", "put_bricks"],
    anchors: [
        "create_anchor",
        "append_anchor",
        "write_anchors",
        "put_document",
        "eth_create_anchor",
        "eth_append_anchor",
        "eth_write_anchors",
    ],
};
const REFUSED = ["refused", "failed"];

export function Overview({ status, series }: Seen) {
    const now = series.readings.at(-1);
    const quotas = useQuotas(status.data?.domains ?? []);
    return (
        <>
            <Trouble failure={series.failure} />
            <Answered polled={status}>
                {(data) => (
                    <>
                        <Health found={concerns(data, now, quotas.data)} />
                        <Section title="Node" aside={<ReadOnly status={data} again={status.again} />}>
                            <Node status={data} now={now} />
                        </Section>
                    </>
                )}
            </Answered>
            <Throughput series={series} />
            <Commits series={series} />
            <Parts status={status.data} now={now} />
        </>
    );
}

function Health({ found }: { found: Concern[] }) {
    return (
        <Section title="Health">
            {found.length === 0 ? (
                <p class="notice good">All parts work: nothing needs a look.</p>
            ) : (
                <ul class="concerns">
                    {found.map(({ tone, text, view }) => (
                        <li key={text} class={`notice ${tone}`}>
                            {text} {view !== undefined && <a href={`#${view}`}>Look at {view}</a>}
                        </li>
                    ))}
                </ul>
            )}
        </Section>
    );
}

function Node({ status, now }: { status: Status; now: Metrics | undefined }) {
    const figure = (name: string) => (now === undefined ? undefined : sum(now, name));
    const [flight, open, memory] = [
        figure("kiln_requests_in_flight"),
        figure("kiln_connections_open"),
        figure("process_resident_memory_bytes"),
    ];
    return (
        <Facts
            rows={[
                ["Version", status.version],
                ["Serves on", status.address],
                ["Up for", <Span seconds={status.uptimeS} />],
                ["Domains", <Count value={status.domains.length} />],
                ["Requests in flight", flight === undefined ? <None /> : <Count value={flight} />],
                ["Connections open", open === undefined ? <None /> : <Count value={open} />],
                ["Memory", memory === undefined ? <None /> : <Bytes value={memory} />],
            ]}
        />
    );
}

function Throughput({ series: { readings } }: { series: Series }) {
    const isRefused: Wanted = (labels) => REFUSED.includes(labels["outcome"] ?? "");
    const unknown = "two readings are needed";
    return (
        <Section title="Throughput">
            <div class="charts">
                <Chart title="Requests" points={rates(readings, "kiln_requests_total")} show={format.perSecond} unknown={unknown} />
                <Chart title="Refused or failed" points={rates(readings, "kiln_requests_total", isRefused)} show={format.perSecond} unknown={unknown} />
                <Chart title="Received" points={rates(readings, "kiln_received_bytes_total")} show={format.bytesPerSecond} unknown={unknown} />
                <Chart title="Sent" points={rates(readings, "kiln_sent_bytes_total")} show={format.bytesPerSecond} unknown={unknown} />
            </div>
        </Section>
    );
}

function Commits({ series: { readings } }: { series: Series }) {
    const now = readings.at(-1);
    if (now === undefined) return null;
    const stores = Object.keys(WRITES).filter((store) => sum(now, "kiln_store_state", of(store)) !== undefined);
    const latency = (value: number) => format.latency(value);
    const counted = stores.flatMap((store) => [
        row(readings, `${store}: commit`, "kiln_request_seconds", writes(store), latency),
        row(readings, `${store}: fsync`, "kiln_store_sync_seconds", of(store), latency),
        row(readings, `${store}: writes in a batch`, "kiln_store_batch_jobs", of(store), format.count),
        row(readings, `${store}: bytes in a batch`, "kiln_store_batch_bytes", of(store), format.bytes),
    ]);
    // What has never happened has no latency to show.
    const rows = counted.filter(({ times }) => times > 0);
    return (
        <Section title="Commits">
            <p class="help">
                A commit is what a writer waits for, from the head of the request to the end of the answer; the fsync is the
                synced write of one batch of such requests.
            </p>
            <div class="charts">
                {stores.map((store) => (
                    <Chart
                        key={store}
                        title={`fsync of ${store}, p99`}
                        points={quantiles(readings, "kiln_store_sync_seconds", of(store), 0.99)}
                        show={latency}
                        unknown="no write since the page was opened"
                    />
                ))}
            </div>
            <Table
                caption="Half of all values are below p50, all but one in a hundred below p99"
                columns={[
                    { name: "What" },
                    { name: "p50, last minute", kind: "number" },
                    { name: "p99, last minute", kind: "number" },
                    { name: "p50, since the start", kind: "number" },
                    { name: "p99, since the start", kind: "number" },
                    { name: "Since the start", kind: "number" },
                ]}
                rows={rows}
                empty="Nothing has been written since the node was started."
                look="pairs"
            />
        </Section>
    );
}

function of(store: string): Wanted {
    return (labels) => labels["store"] === store;
}

function writes(store: string): Wanted {
    const operations = WRITES[store] ?? [];
    return (labels) => labels["outcome"] === "ok" && operations.includes(labels["operation"] ?? "");
}

function row(readings: Metrics[], what: string, name: string, wanted: Wanted, show: (value: number) => string) {
    const now = readings.at(-1);
    const recent = lately(readings, name, wanted);
    const whole: Buckets = now === undefined ? new Map() : histogram(now, name, wanted);
    const cell = (buckets: Buckets, part: number) => {
        const value = quantile(buckets, part);
        return value === undefined ? <None /> : <data value={value}>{show(value)}</data>;
    };
    return {
        key: what,
        times: total(whole),
        cells: [
            what,
            cell(recent, 0.5),
            cell(recent, 0.99),
            cell(whole, 0.5),
            cell(whole, 0.99),
            <Count value={total(whole)} />,
        ],
    };
}

function Parts({ status, now }: { status: Status | undefined; now: Metrics | undefined }) {
    if (status === undefined) return null;
    const figure = (name: string, part: string) => (now === undefined ? undefined : sum(now, name, of(part)));
    const rows = Object.entries(status.parts).reverse().map(([part, answer]) => {
        const states = now?.samples.get("kiln_store_state") ?? [];
        const state = states.find(({ labels, value }) => value === 1 && labels["store"] === part)?.labels["state"];
        const written = figure("kiln_store_last_write_timestamp_seconds", part);
        const [free, wal] = [figure("kiln_store_volume_free_bytes", part), figure("kiln_store_wal_bytes", part)];
        return {
            key: part,
            cells: [
                part,
                answer === "ok" ? <Badge tone="good">serves</Badge> : <Badge tone="bad">{answer}</Badge>,
                state && <Badge tone={state === "ready" ? "good" : "bad"}>{state}</Badge>,
                written === undefined ? <None>none since the start</None> : <Ago ms={written * 1000} />,
                free !== undefined && <Bytes value={free} />,
                wal !== undefined && <Bytes value={wal} />,
            ],
        };
    });
    return (
        <Section title="Parts and their stores">
            <Table
                caption="What this process consists of"
                columns={[
                    { name: "Part" },
                    { name: "State" },
                    { name: "Store" },
                    { name: "Last write" },
                    { name: "Free on the volume", kind: "number" },
                    { name: "Write-ahead log", kind: "number" },
                ]}
                rows={rows}
                empty="This process has no parts."
            />
        </Section>
    );
}
