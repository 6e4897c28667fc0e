// What was refused lately, and what was done, from the audit log.

import { useEffect, useState } from "preact/hooks";
import { ask, isFailure, type AuditRecord, type Failure } from "../api";
import * as format from "../format";
import type { Seen } from "../seen";
import { Ago, Choice, Count, None, Section, Table, Trouble, type Option } from "../pieces";
import { notice, usePolled } from "../pulse";

/** Records that one look fetches. */
const PAGE = 200;
const REFUSED = "refused.";

/** Refusals as a person says them; those that are not here are shown by their names. */
const REASONS: Record<string, string> = {
    "no-credential": "no credential",
    "not-allowed": "not allowed to this caller",
    "admin-token": "wrong admin token",
    "unknown-key": "unknown key or wrong secret",
    "revoked-key": "revoked key",
    "expired-key": "expired key",
    "bad-token": "token not accepted",
    "unchecked-token": "token could not be checked",
    "expired-certificate": "expired certificate",
    "malformed-credential": "malformed credential",
    "several-credentials": "several credentials",
    slowed: "slowed after wrong credentials",
};

type Kind = "refusals" | "acts" | "all";

const KINDS: Option[] = [
    ["refusals", "refusals"],
    ["acts", "acts of operators"],
    ["all", "everything"],
];
const ANY: Option = ["", "any"];

export function Refusals({ series }: Seen) {
    const { records, failure, isWhole, older } = useRecords();
    const [kind, setKind] = useState<Kind>("refusals");
    const [act, setAct] = useState("");
    const [domain, setDomain] = useState("");
    const ofKind = records.filter((record) => kind === "all" || (kind === "refusals") === record.act.startsWith(REFUSED));
    const shown = ofKind.filter((record) => (act === "" || record.act === act) && (domain === "" || record.domain === domain));
    const acts = some(ofKind.map((record) => record.act)).map((name): Option => [name, wordsOf(name)]);
    const domains = some(ofKind.map((record) => record.domain)).map((name): Option => [name, name]);
    const choose = (chosen: string) => {
        setKind(chosen as Kind);
        setAct("");
    };
    const now = series.readings.at(-1);
    const totals = (now?.samples.get("kiln_refusals_total") ?? []).filter(({ value }) => value > 0);
    totals.sort((one, other) => other.value - one.value);
    return (
        <>
            <Section title="Refused since the start">
                {totals.length === 0 ? (
                    <p class="empty">No request of a client has been refused since the node was started.</p>
                ) : (
                    <ul class="tally">
                        {totals.map(({ labels, value }) => (
                            <li key={labels["reason"]} data-row={labels["reason"]}>
                                <Count value={value} /> {format.words(labels["reason"] ?? "?")}
                            </li>
                        ))}
                    </ul>
                )}
            </Section>
            <Section title="Audit log">
                <Trouble failure={failure} />
                <div class="filters">
                    <Choice label="Show" value={kind} options={KINDS} onChange={choose} />
                    <Choice label={kind === "refusals" ? "Reason" : "Act"} value={act} options={[ANY, ...acts]} onChange={setAct} />
                    <Choice label="Domain" value={domain} options={[ANY, ...domains]} onChange={setDomain} />
                </div>
                <Records records={shown} isAll={isWhole} />
                <p class="actions">
                    {isWhole ? (
                        <span class="none">These are all records.</span>
                    ) : (
                        <button type="button" onClick={older}>
                            Older records
                        </button>
                    )}
                </p>
            </Section>
        </>
    );
}

function Records({ records, isAll }: { records: AuditRecord[]; isAll: boolean }) {
    return (
        <Table
            look="pairs"
            caption="The newest first; equal refusals within a short time are one record"
            columns={[
                { name: "What" },
                { name: "When" },
                { name: "Times", kind: "number" },
                { name: "Who" },
                { name: "From" },
                { name: "Domain" },
                { name: "Record", kind: "number" },
            ]}
            rows={records.map((record) => ({
                key: String(record.number),
                cells: [
                    <span title={record.act}>{wordsOf(record.act)}</span>,
                    <Ago ms={record.timeMs} />,
                    <Count value={record.count} />,
                    record.who === "" ? <None /> : record.who,
                    record.address === "" ? <None /> : <code>{record.address}</code>,
                    record.domain === "" ? <None /> : record.domain,
                    <data value={record.number}>{record.number}</data>,
                ],
            }))}
            empty={isAll ? "There is no such record." : "There is no such record among the newest; look at older ones."}
        />
    );
}

/** The newest records, renewed with each beat, and older ones where they were asked for. */
function useRecords() {
    const newest = usePolled<{ records: AuditRecord[] }>(`audit?most=${PAGE}`);
    const [known, setKnown] = useState(new Map<number, AuditRecord>());
    const [failure, setFailure] = useState<Failure>();
    const add = (records: AuditRecord[]) =>
        setKnown((before) => new Map([...before, ...records.map((record): [number, AuditRecord] => [record.number, record])]));
    useEffect(() => {
        if (newest.data !== undefined) add(newest.data.records);
    }, [newest.data]);
    const records = [...known.values()].sort((one, other) => other.number - one.number);
    const older = async () => {
        const before = gapBelow(records);
        if (before === undefined) return;
        try {
            add((await ask<{ records: AuditRecord[] }>(`audit?most=${PAGE}&before=${before}`)).records);
            setFailure(undefined);
        } catch (thrown) {
            if (!isFailure(thrown)) throw thrown;
            notice(thrown);
            setFailure(thrown);
        }
    };
    const isWhole = newest.data !== undefined && gapBelow(records) === undefined;
    return { records, failure: failure ?? newest.failure, isWhole, older: () => void older() };
}

/** The number below which a record is missing; `undefined` when all down to the first are there. */
function gapBelow(records: AuditRecord[]): number | undefined {
    const gap = records.find(({ number }, index) => number > 1 && records[index + 1]?.number !== number - 1);
    return gap?.number;
}

/** Each text once, in order, without the empty one. */
function some(texts: string[]): string[] {
    return [...new Set(texts)].filter((text) => text !== "").sort();
}

function wordsOf(act: string): string {
    if (!act.startsWith(REFUSED)) return format.words(act.replace(".", " "));
    const reason = act.slice(REFUSED.length);
    return REASONS[reason] ?? format.words(reason);
}
