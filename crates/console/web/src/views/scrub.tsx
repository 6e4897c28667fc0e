// The walk over the stores in the background, and what it found.

import { useState } from "preact/hooks";
import { ask, isFailure, type BricksStatus, type Config, type Failure, type Pass, type Quarantine, type ScrubState } from "../api";
import * as format from "../format";
import type { Seen } from "../seen";
import { Ago, Answered, Badge, Bytes, Count, Facts, Figure, None, Section, Table, Trouble, type Fact } from "../pieces";
import { notice, usePolled } from "../pulse";

export function Scrub({ status }: Seen) {
    const parts = status.data?.parts ?? {};
    const bricks = usePolled<BricksStatus>("bricks" in parts ? "bricks/status" : null);
    const domains = Object.values(bricks.data?.domains ?? {});
    const stored = bricks.data && domains.reduce((sum, { bytes }) => sum + bytes, 0);
    const scrub = usePolled<Config>("config").data?.config.scrub;
    const pause = scrub?.pause_between_s ?? 0;
    const begins = scrub && (scrub.enabled ? `by itself, ${format.span(pause)} after the last one` : "when it is asked for");
    return (
        <>
            {"bricks" in parts && <OfStore store="bricks" whole={stored} begins={begins} />}
            {"anchors" in parts && <OfStore store="anchors" whole={undefined} begins={begins} />}
            {"bricks" in parts && <InQuarantine />}
        </>
    );
}

/** `whole` is how many bytes a pass has to read, where that is known. */
function OfStore({ store, whole, begins }: { store: string; whole: number | undefined; begins: string | undefined }) {
    const scrub = usePolled<ScrubState>(`${store}/scrub`);
    const [failure, setFailure] = useState<Failure>();
    const order = async (what: "start" | "stop") => {
        try {
            await ask(`${store}/scrub/${what}`, { method: "POST", body: {} });
            setFailure(undefined);
        } catch (thrown) {
            if (!isFailure(thrown)) throw thrown;
            notice(thrown);
            setFailure(thrown);
        }
        scrub.again();
    };
    const state = scrub.data;
    const buttons = state && (
        <span class="actions">
            <button type="button" disabled={state.running} onClick={() => void order("start")}>
                {state.current !== null && !state.running ? "Go on" : "Start a pass"}
            </button>
            <button type="button" disabled={!state.running} onClick={() => void order("stop")}>
                Hold up
            </button>
        </span>
    );
    return (
        <Section title={`Scrub of ${store}`} aside={buttons}>
            <Trouble failure={failure} />
            <Answered polled={scrub}>{(data) => <Passes store={store} state={data} whole={whole ?? data.last?.bytes} begins={begins} />}</Answered>
        </Section>
    );
}

function Passes({ store, state: { running, current, last }, whole, begins }: {
    store: string;
    state: ScrubState;
    whole: number | undefined;
    begins: string | undefined;
}) {
    const now = running ? <Badge tone="good">looks at the store</Badge> : current !== null ? <Badge tone="warn">held up</Badge> : <Badge tone="plain">idle</Badge>;
    const things = store === "bricks" ? "Bricks" : "Anchors";
    return (
        <>
            {current !== null && <Progress pass={current} whole={whole} />}
            <Facts
                rows={[
                    ["Now", now],
                    ["A pass begins", begins ?? <None />],
                    ["This pass", current === null ? <None>none</None> : <>number {current.number}, began <Ago ms={current.beganMs} /></>],
                    ...(current === null ? [] : ofPass(current, things)),
                ]}
            />
            <h3>Last whole pass</h3>
            {last === null ? (
                <p class="empty">There has been none yet.</p>
            ) : (
                <Facts
                    rows={[
                        ["Ended", <Ago ms={last.endedMs} />],
                        ["Took", format.span((last.endedMs - last.beganMs) / 1000)],
                        ...ofPass(last, things),
                    ]}
                />
            )}
        </>
    );
}

function ofPass(pass: Pass, things: string): Fact[] {
    const damaged = <Figure value={pass.damaged} text={format.count(pass.damaged)} />;
    return [
        [things, <Count value={pass.things} />],
        ["Read", <Bytes value={pass.bytes} />],
        ["Damaged", pass.damaged === 0 ? <Badge tone="good">{damaged}</Badge> : <Badge tone="bad">{damaged}</Badge>],
    ];
}

function Progress({ pass, whole }: { pass: Pass; whole: number | undefined }) {
    // How much there is is known of the last time only, so the end is never foretold.
    const part = whole ? Math.min(0.99, pass.bytes / whole) : undefined;
    return (
        <p class="progress">
            <progress value={part} max={1} aria-label="Progress of this pass" />
            {part === undefined ? "" : ` some ${Math.floor(part * 100)} %`}
        </p>
    );
}

function InQuarantine() {
    const polled = usePolled<Quarantine>("bricks/quarantine");
    return (
        <Section title="Quarantine">
            <p class="help">
                Damaged bricks are kept and not served. One is whole again as soon as somebody sends its bytes once more; the
                incident playbook in operations.md says how.
            </p>
            <Answered polled={polled}>
                {({ count, bricks }) => (
                    <>
                        <Table
                            caption="Bricks in quarantine"
                            columns={["Brick", "Domain", "Found", "What is wrong"].map((name) => ({ name }))}
                            rows={bricks.map(({ hash, domain, foundMs, what }) => ({
                                key: `${domain ?? ""}/${hash}`,
                                cells: [<code>{hash}</code>, domain ?? <None />, <Ago ms={foundMs} />, what],
                            }))}
                            empty="No brick is in quarantine."
                        />
                        {count > bricks.length && <p class="none">{format.count(count - bricks.length)} more are not listed here.</p>}
                    </>
                )}
            </Answered>
        </Section>
    );
}
