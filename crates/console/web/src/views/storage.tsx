// What is stored in each domain, and what it takes on the disk.

import type { AnchorsStatus, BricksStatus, Domain, Ledger } from "../api";
import * as format from "../format";
import type { Seen } from "../seen";
import { sum, type Metrics } from "../metrics";
import { Ago, Answered, Badge, Bytes, Count, Facts, Meter, None, Section, Table, Trouble, type Fact } from "../pieces";
import { usePolled } from "../pulse";
import { useQuotas, type Quotas } from "../quotas";
import { QuotaList } from "./quotas";

export function Storage({ status, series }: Seen) {
    const parts = status.data?.parts ?? {};
    const bricks = usePolled<BricksStatus>("bricks" in parts ? "bricks/status" : null);
    const anchors = usePolled<AnchorsStatus>("anchors" in parts ? "anchors/status" : null);
    const domains = status.data?.domains ?? [];
    const quotas = useQuotas(domains);
    const now = series.readings.at(-1);
    return (
        <>
            <Trouble failure={bricks.failure} />
            <Trouble failure={anchors.failure} />
            <Trouble failure={quotas.failure} />
            <Answered polled={status}>
                {() => (
                    <>
                        {!("bricks" in parts) && <Elsewhere what="bricks" service="bricks-server" />}
                        {!("anchors" in parts) && <Elsewhere what="anchors" service="anchor-service" />}
                        <Domains domains={domains} bricks={bricks.data} anchors={anchors.data} quotas={quotas.data ?? {}} />
                    </>
                )}
            </Answered>
            {now !== undefined && <Stores now={now} />}
        </>
    );
}

function Domains({ domains, bricks, anchors, quotas }: {
    domains: Domain[];
    bricks: BricksStatus | undefined;
    anchors: AnchorsStatus | undefined;
    quotas: Record<string, Quotas>;
}) {
    const stored = Object.values(bricks?.domains ?? {});
    const all = stored.reduce((sum, { bytes }) => sum + bytes, 0);
    const rows = domains.map((domain) => {
        const held = bricks?.domains[domain.name];
        const ledger = anchors?.domains[domain.name];
        const quota = quotas[domain.name] ?? {};
        return {
            key: domain.name,
            cells: [
                <>
                    <strong>{domain.name}</strong>{" "}
                    {domain.disabled && <Badge tone="warn">disabled</Badge>}
                </>,
                held && <Used value={held.bricks} limit={quota["storage_bricks"]} show={format.count} />,
                held && <Used value={held.bytes} limit={quota["storage_bytes"]} show={format.bytes} />,
                ledger && <Anchored ledger={ledger} quota={quota} />,
                ledger?.log && <Count value={ledger.log.entries} />,
                <Others quota={quota} />,
            ],
        };
    });
    return (
        <Section title="Domains" aside={bricks && <p class="aside">{format.bytes(all)} in all</p>}>
            <Table
                caption="Stored by domain, as it was sent; bars show how much of a quota is used"
                columns={[
                    { name: "Domain" },
                    { name: "Bricks", kind: "number" },
                    { name: "Bytes", kind: "number" },
                    { name: "Anchors", kind: "number" },
                    { name: "Log entries", kind: "number" },
                    { name: "Other quotas" },
                ]}
                rows={rows}
                empty="This node serves no domain. Add one: kiln admin domains add NAME"
            />
        </Section>
    );
}

/** A figure, and how much of its quota that is. */
function Used({ value, limit, show }: { value: number; limit: number | undefined; show: (value: number) => string }) {
    const figure = <data value={value}>{show(value)}</data>;
    if (limit === undefined) return figure;
    return (
        <span class="used">
            <span>
                {figure} <span class="none">of {show(limit)}</span>
            </span>
            <span class="none"> {format.percent(value, limit)} of the quota</span>
            <Meter used={value} limit={limit} label={`Quota: ${show(limit)}`} />
        </span>
    );
}

/** Only this node's own ledger counts anchors. */
function Anchored({ ledger, quota }: { ledger: Ledger; quota: Quotas }) {
    if (ledger.anchors === null) return <None>in {ledger.anchoring}</None>;
    return <Used value={ledger.anchors} limit={quota["anchors"]} show={format.count} />;
}

/** Quotas beside which no figure stands. */
function Others({ quota }: { quota: Quotas }) {
    const shown = ["storage_bytes", "storage_bricks", "anchors"];
    const others = Object.entries(quota).filter(([name]) => !shown.includes(name));
    return others.length === 0 ? <None>none</None> : <QuotaList quotas={Object.fromEntries(others)} />;
}

const OF_STORE: [string, string][] = [
    ["In tables", "kiln_store_table_bytes"],
    ["In blob files", "kiln_store_blob_bytes"],
    ["In memory, to be written to tables", "kiln_store_memtable_bytes"],
    ["Write-ahead log", "kiln_store_wal_bytes"],
    ["To be compacted", "kiln_store_compaction_pending_bytes"],
    ["Free on the volume", "kiln_store_volume_free_bytes"],
];

function Stores({ now }: { now: Metrics }) {
    const stores = (now.samples.get("kiln_store_state") ?? []).map(({ labels }) => labels["store"] ?? "");
    return (
        <>
            {[...new Set(stores)].reverse().map((store) => (
                <Section key={store} title={`Store of ${store}`}>
                    <Facts rows={factsOf(now, store)} />
                </Section>
            ))}
        </>
    );
}

function factsOf(now: Metrics, store: string): Fact[] {
    const figure = (name: string) => sum(now, name, (labels) => labels["store"] === store);
    const written = figure("kiln_store_last_write_timestamp_seconds");
    const slowed = figure("kiln_store_write_delayed_bytes_per_second") ?? 0;
    const rows: Fact[] = [
        ["Last write", written === undefined ? <None>none since the start</None> : <Ago ms={written * 1000} />],
    ];
    for (const [name, family] of OF_STORE) {
        const value = figure(family);
        if (value !== undefined) rows.push([name, <Bytes value={value} />]);
    }
    if (figure("kiln_store_write_stopped") === 1) rows.push(["Writes", <Badge tone="warn">held up until it has compacted</Badge>]);
    else if (slowed > 0) rows.push(["Writes", <Badge tone="warn">slowed to {format.bytesPerSecond(slowed)}</Badge>]);
    return rows;
}

function Elsewhere({ what, service }: { what: string; service: string }) {
    return (
        <p class="notice plain">
            This process keeps no {what}: the page of {service} shows them.
        </p>
    );
}
