// Who may do what: API keys, and what the domains allow to callers without a credential.

import { useState } from "preact/hooks";
import { ask, isFailure, type ApiKey, type Config, type DomainSettings, type Failure } from "../api";
import type { Seen } from "../seen";
import { Ago, Answered, Badge, Dialog, None, Section, Table, Trouble, type Column, type Tone } from "../pieces";
import { notice, useAsked, usePolled } from "../pulse";
import { NewKey } from "./new_key";
import { QuotaList } from "./quotas";

const ACTION: Column = { name: "Action", kind: "action" };
const TONES: Record<ApiKey["state"], Tone> = { valid: "good", expired: "plain", revoked: "plain" };

export function Access({ status }: Seen) {
    const keys = usePolled<{ keys: ApiKey[] }>("keys");
    const [chosen, setChosen] = useState<ApiKey>();
    const [isMaking, setMaking] = useState(false);
    const domains = status.data?.domains.map((domain) => domain.name) ?? [];
    return (
        <>
            <Section
                title="API keys"
                aside={
                    <button type="button" onClick={() => setMaking(true)}>
                        New key
                    </button>
                }
            >
                <Answered polled={keys}>{(data) => <Keys keys={data.keys} onRevoke={setChosen} />}</Answered>
                <p class="help">The admin token is no key: it is not listed here.</p>
            </Section>
            <Anonymous names={domains} />
            {isMaking && <NewKey domains={domains} onClose={() => setMaking(false)} again={keys.again} />}
            {chosen !== undefined && <Revoke chosen={chosen} onClose={() => setChosen(undefined)} again={keys.again} />}
        </>
    );
}

function Keys({ keys, onRevoke }: { keys: ApiKey[]; onRevoke: (key: ApiKey) => void }) {
    // What counts stands first; among those the newest.
    const sorted = [...keys].sort(
        (one, other) => Number(other.state === "valid") - Number(one.state === "valid") || other.createdMs - one.createdMs,
    );
    const rows = sorted.map((key) => ({
        key: key.id,
        cells: [
            <strong>{key.name}</strong>,
            <code class="id">{key.id}</code>,
            <Badge tone={TONES[key.state]}>{key.state}</Badge>,
            <ul class="plain">
                {key.grants.map(({ domain, role }) => (
                    <li key={`${domain}:${role}`}>
                        {role} in {domain === "*" ? "all domains" : domain}
                    </li>
                ))}
            </ul>,
            <QuotaList quotas={key.quotas} />,
            <Ago ms={key.createdMs} />,
            <End of={key} />,
            key.state === "valid" ? (
                <button type="button" onClick={() => onRevoke(key)} aria-label={`Revoke ${key.name}`}>
                    Revoke
                </button>
            ) : (
                <></>
            ),
        ],
    }));
    return (
        <Table
            caption="Keys by their names; a key’s own text is shown only when it is made"
            columns={[...["Name", "Id", "State", "May", "Quotas", "Made", "Ends"].map((name) => ({ name })), ACTION]}
            rows={rows}
            empty="No API key has been made yet."
        />
    );
}

function End({ of: key }: { of: ApiKey }) {
    if (key.revokedMs !== null) return <>revoked <Ago ms={key.revokedMs} /></>;
    return key.expiresMs === null ? <None>never</None> : <Ago ms={key.expiresMs} />;
}

function Revoke({ chosen, onClose, again }: { chosen: ApiKey; onClose: () => void; again: () => void }) {
    const [failure, setFailure] = useState<Failure>();
    const [isAsking, setAsking] = useState(false);
    const revoke = async () => {
        setAsking(true);
        try {
            await ask(`keys/${chosen.id}/revoke`, { method: "POST", body: {} });
            onClose();
        } catch (thrown) {
            if (!isFailure(thrown)) throw thrown;
            notice(thrown);
            setFailure(thrown);
        } finally {
            setAsking(false);
            again();
        }
    };
    return (
        <Dialog title={`Revoke “${chosen.name}”?`} onClose={onClose}>
            <p>
                Requests with the key {chosen.id} are refused as soon as this is answered. It cannot be taken back: whoever
                needs access then needs another key.
            </p>
            <Trouble failure={failure} />
            <p class="actions">
                <button type="button" onClick={onClose}>
                    Keep it
                </button>
                <button type="button" class="danger" disabled={isAsking} onClick={() => void revoke()}>
                    Revoke
                </button>
            </p>
        </Dialog>
    );
}

const POLICIES: Record<string, string> = {
    none: "nothing",
    read: "read",
    anchor: "read, store bricks, anchor",
    all: "read, store bricks, anchor, write versionless documents",
};

/** What callers may do that send no credential. */
function Anonymous({ names }: { names: string[] }) {
    const policies = useAsked(names.length === 0 ? null : names.join("/"), () => policiesOf(names));
    return (
        <Section title="Without a credential">
            <Answered polled={policies}>
                {(found) => (
                    <Table
                        caption="What callers may do that send no credential"
                        columns={[{ name: "Domain" }, { name: "Policy" }, { name: "They may" }]}
                        rows={found.map(([name, policy]) => ({
                            key: name,
                            cells: [<strong>{name}</strong>, <code>{policy}</code>, POLICIES[policy] ?? policy],
                        }))}
                        empty="This node serves no domain."
                    />
                )}
            </Answered>
        </Section>
    );
}

async function policiesOf(names: string[]): Promise<[string, string][]> {
    const { config } = await ask<Config>("config");
    const standard = config.access?.anonymous ?? "all";
    const asked = names.map(async (name): Promise<[string, string]> => {
        const shown = await ask<DomainSettings>(`domains/${encodeURIComponent(name)}`);
        return [name, shown.settings?.anonymous ?? standard];
    });
    return Promise.all(asked);
}
