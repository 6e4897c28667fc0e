// A new API key. Its text is in one answer of the node and nowhere else: it is shown until the dialog
// is closed, and kept nowhere.

import type { TargetedSubmitEvent } from "preact";
import { useState } from "preact/hooks";
import { ask, isFailure, type ApiKey, type Failure, type Grant } from "../api";
import { Choice, Dialog, Field, Trouble, type Option } from "../pieces";
import { notice } from "../pulse";

const ROLES: Option[] = [
    ["read", "read"],
    ["write", "write: read and store bricks"],
    ["anchor", "anchor: read, store bricks, anchor"],
    ["operate", "operate: watch and run the node"],
    ["administer", "administer: say who may do what"],
];
/** These concern the node and not the data of a domain. */
const OF_NODE = ["operate", "administer"];
const DAY_S = 86_400;
/** Seconds until it ends. */
const SPANS: Option[] = [
    [`${DAY_S}`, "in a day"],
    [`${30 * DAY_S}`, "in 30 days"],
    [`${90 * DAY_S}`, "in 90 days"],
    [`${365 * DAY_S}`, "in a year"],
    ["0", "never"],
];

export function NewKey({ domains, onClose, again }: { domains: string[]; onClose: () => void; again: () => void }) {
    const [made, setMade] = useState<{ key: ApiKey; text: string }>();
    if (made !== undefined) return <Made name={made.key.name} text={made.text} onClose={onClose} />;
    const onMade = (answer: { key: ApiKey; text: string }) => {
        setMade(answer);
        again();
    };
    return (
        <Dialog title="New API key" onClose={onClose}>
            <Form domains={domains} onMade={onMade} onClose={onClose} />
        </Dialog>
    );
}

function Form({ domains, onMade, onClose }: {
    domains: string[];
    onMade: (made: { key: ApiKey; text: string }) => void;
    onClose: () => void;
}) {
    const [grants, setGrants] = useState<Grant[]>([{ domain: domains[0] ?? "*", role: "read" }]);
    const [span, setSpan] = useState(`${90 * DAY_S}`);
    const [failure, setFailure] = useState<Failure>();
    const [isAsking, setAsking] = useState(false);
    const submit = async (event: TargetedSubmitEvent<HTMLFormElement>) => {
        event.preventDefault();
        setAsking(true);
        try {
            onMade(await ask("keys", { method: "POST", body: wish(event.currentTarget, grants, Number(span)) }));
        } catch (thrown) {
            if (!isFailure(thrown)) throw thrown;
            notice(thrown);
            setFailure(thrown);
        } finally {
            setAsking(false);
        }
    };
    const change = (place: number, grant: Grant) => setGrants(grants.map((old, index) => (index === place ? grant : old)));
    return (
        <form class="form" onSubmit={submit}>
            <Field
                label="Name"
                control={(id) => <input id={id} name="name" required maxLength={100} autocomplete="off" placeholder="who or what uses it" />}
            />
            {grants.map((grant, place) => (
                <GrantFields
                    key={place}
                    grant={grant}
                    domains={domains}
                    onChange={(changed) => change(place, changed)}
                    onDrop={grants.length > 1 ? () => setGrants(grants.filter((_, index) => index !== place)) : undefined}
                />
            ))}
            <p class="actions more">
                <button type="button" onClick={() => setGrants([...grants, { domain: domains[0] ?? "*", role: "read" }])}>
                    One more right
                </button>
            </p>
            <Choice label="Ends" value={span} options={SPANS} onChange={setSpan} />
            <Field
                label="Requests per second, at most"
                control={(id) => <input id={id} name="requestsPerSecond" type="number" min="1" placeholder="no limit" />}
            />
            <Field
                label="Bytes stored, at most"
                control={(id) => <input id={id} name="storageBytes" type="number" min="0" placeholder="no limit" />}
            />
            <Trouble failure={failure} />
            <p class="actions">
                <button type="button" onClick={onClose}>
                    Cancel
                </button>
                <button type="submit" class="first" disabled={isAsking}>
                    Make the key
                </button>
            </p>
        </form>
    );
}

/** What the node is asked for. */
function wish(form: HTMLFormElement, grants: Grant[], seconds: number) {
    const fields = new FormData(form);
    const text = (name: string) => String(fields.get(name) ?? "");
    const quotas: Record<string, number> = {};
    for (const name of ["requestsPerSecond", "storageBytes"]) {
        if (text(name) !== "") quotas[name] = Number(text(name));
    }
    return { name: text("name").trim(), grants, quotas, ...(seconds > 0 && { expiresInS: seconds }) };
}

function GrantFields({ grant, domains, onChange, onDrop }: {
    grant: Grant;
    domains: string[];
    onChange: (grant: Grant) => void;
    onDrop: (() => void) | undefined;
}) {
    return (
        <fieldset>
            <legend>It may</legend>
            <Choice
                label="Role"
                value={grant.role}
                options={ROLES}
                onChange={(role) => onChange({ role, domain: OF_NODE.includes(role) ? "*" : grant.domain })}
            />
            <Choice
                label="In"
                value={grant.domain}
                options={[...domains.map((domain): Option => [domain, domain]), ["*", "all domains"]]}
                disabled={OF_NODE.includes(grant.role)}
                onChange={(domain) => onChange({ ...grant, domain })}
            />
            {onDrop !== undefined && (
                <button type="button" onClick={onDrop}>
                    Take this right away
                </button>
            )}
        </fieldset>
    );
}

function Made({ name, text, onClose }: { name: string; text: string; onClose: () => void }) {
    const [copied, setCopied] = useState<string>();
    const copy = async () => {
        try {
            await navigator.clipboard.writeText(text);
            setCopied("Copied.");
        } catch {
            setCopied("The browser does not let the page copy: select the text and copy it yourself.");
        }
    };
    return (
        <Dialog title={`The key “${name}”`} onClose={onClose} stays>
            <p class="notice warn">This is shown once and never again. Keep it in a file of mode 0600 where it is used.</p>
            <pre>{text}</pre>
            {copied !== undefined && <p role="status">{copied}</p>}
            <p class="actions">
                <button type="button" onClick={() => void copy()}>
                    Copy
                </button>
                <button type="button" class="first" onClick={onClose}>
                    I have it
                </button>
            </p>
        </Dialog>
    );
}
