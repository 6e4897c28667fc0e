// Where the anchors of each domain are kept, and how its log stands.

import { useState } from "preact/hooks";
import { ask, isFailure, type AnchorsStatus, type Checkpoints, type Failure, type Ledger, type Log } from "../api";
import * as format from "../format";
import type { Seen } from "../seen";
import { Ago, Answered, Badge, Count, Dialog, Facts, None, Section, Span, Trouble, type Fact } from "../pieces";
import { notice, usePolled } from "../pulse";

const ANCHORING: Record<string, string> = {
    embedded: "this node’s own ledger",
    adapter: "another ledger, through an EthAdapter or hf-adapter",
    evm: "a contract on an EVM chain",
    "evm-roots": "this node’s own ledger, with roots on an EVM chain",
};

export function Ledgers({ status }: Seen) {
    const parts = status.data?.parts;
    const isHere = parts === undefined || "anchors" in parts;
    const anchors = usePolled<AnchorsStatus>(isHere ? "anchors/status" : null);
    if (!isHere) return <p class="notice plain">This process keeps no anchors: the page of anchor-service shows them.</p>;
    return (
        <Answered polled={anchors} absent="This process keeps no anchors: the page of anchor-service shows them.">
            {({ domains }) => {
                const found = Object.entries(domains);
                if (found.length === 0) return <p class="empty">No domain of this node has anchors yet.</p>;
                return found.map(([name, ledger]) => <OfDomain key={name} name={name} ledger={ledger} again={anchors.again} />);
            }}
        </Answered>
    );
}

function OfDomain({ name, ledger, again }: { name: string; ledger: Ledger; again: () => void }) {
    const { log, outbox } = ledger;
    const rows: Fact[] = [
        ["Anchors are in", `${ANCHORING[ledger.anchoring] ?? ledger.anchoring}${ledger.optimistic ? ", taken here first" : ""}`],
        ["Can serve", ledger.ready === "ok" ? <Badge tone="good">yes</Badge> : <Badge tone="bad">{ledger.ready}</Badge>],
    ];
    if (ledger.anchors !== null) rows.push(["Anchors", <Count value={ledger.anchors} />]);
    if (log !== null) rows.push(...ofLog(log));
    else rows.push(["Log", <None>none: entries go straight to the other ledger</None>]);
    if (outbox !== null) {
        const age = outbox.oldestAgeS;
        rows.push(
            ["Waiting for the other ledger", <Count value={outbox.entries} />],
            ["Oldest that waits", age === null ? <None>nothing waits</None> : <Span seconds={age} />],
        );
    }
    const trouble = [log?.trouble, log?.publisherTrouble].filter((text) => typeof text === "string");
    return (
        <Section title={name} aside={log !== null && <Sign name={name} again={again} />}>
            {trouble.map((text) => (
                <p key={text} class="notice bad">
                    {text}
                </p>
            ))}
            <Facts rows={rows} />
        </Section>
    );
}

function ofLog(log: Log): Fact[] {
    const covered = (size: number) => (
        <>
            <Count value={size} /> {log.entries === 0 ? "" : size < log.entries ? <Badge tone="warn">{format.count(log.entries - size)} behind</Badge> : <Badge tone="good">all</Badge>}
        </>
    );
    const rows: Fact[] = [
        ["Log", <code>{log.origin}</code>, "wide"],
        ["Entries", <Count value={log.entries} />],
        ["Signed", covered(log.signed)],
        ["Newest signed entry", log.checkpointMs === null ? <None>none yet</None> : <Ago ms={log.checkpointMs} />],
    ];
    if (log.unsignedAgeS !== null) rows.push(["Oldest unsigned entry waits", <Span seconds={log.unsignedAgeS} />]);
    rows.push(["Cosigned by witnesses", log.cosigned === null ? <None>no witnesses are asked</None> : covered(log.cosigned)]);
    if (log.published !== null) {
        rows.push(["Under a root on the chain", covered(log.published)]);
        if (log.unpublishedAgeS !== null) rows.push(["Oldest without a root waits", <Span seconds={log.unpublishedAgeS} />]);
    }
    return rows;
}

/** Signs what is pending, and shows the checkpoint, which is worth keeping elsewhere. */
function Sign({ name, again }: { name: string; again: () => void }) {
    const [found, setFound] = useState<{ text: string } | { failure: Failure }>();
    const sign = async () => {
        try {
            const { logs } = await ask<Checkpoints>("anchors/checkpoint", { method: "POST", body: { domain: name } });
            const log = logs[name];
            setFound({ text: log?.checkpoint ?? log?.message ?? "there is no checkpoint yet" });
        } catch (thrown) {
            if (!isFailure(thrown)) throw thrown;
            notice(thrown);
            setFound({ failure: thrown });
        }
        again();
    };
    return (
        <>
            <button type="button" onClick={() => void sign()}>
                Checkpoint now
            </button>
            {found !== undefined && (
                <Dialog title={`Checkpoint of ${name}`} onClose={() => setFound(undefined)}>
                    {"text" in found ? (
                        <>
                            <p>Kept away from this node, it shows later whether the log was changed.</p>
                            <pre>{found.text}</pre>
                        </>
                    ) : (
                        <Trouble failure={found.failure} />
                    )}
                    <p class="actions">
                        <button type="button" class="first" onClick={() => setFound(undefined)}>
                            Close
                        </button>
                    </p>
                </Dialog>
            )}
        </>
    );
}
