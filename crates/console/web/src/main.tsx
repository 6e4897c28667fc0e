// The operator's page. `views` holds what there is to see, one file for each tab.

import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import "./styles/base.css";
import "./styles/frame.css";
import "./styles/figures.css";
import "./styles/dialogs.css";
import "./styles/narrow.css";
import { lastAnswer, type Status } from "./api";
import * as format from "./format";
import { Badge } from "./pieces";
import { start, usePolled, useSeconds, type Polled } from "./pulse";
import { clear, useSeries } from "./series";
import * as session from "./session";
import { Access } from "./views/access";
import { Ledgers } from "./views/ledger";
import { Overview } from "./views/overview";
import { Refusals } from "./views/refusals";
import { Scrub } from "./views/scrub";
import { SignIn } from "./views/sign_in";
import { Storage } from "./views/storage";

const VIEWS = [
    { name: "Overview", show: Overview },
    { name: "Storage", show: Storage },
    { name: "Ledger", show: Ledgers },
    { name: "Access", show: Access },
    { name: "Refusals", show: Refusals },
    { name: "Scrub", show: Scrub },
] as const;

function route(name: string): string {
    return `#${name.toLowerCase()}`;
}

function App() {
    const [isIn, setIn] = useState(session.credential() !== null);
    const [reason, setReason] = useState<string | null>(null);
    const leave = (why: string | null) => {
        session.forget();
        clear();
        setReason(why);
        setIn(false);
    };
    useEffect(
        () => start(() => leave("The node does not take this credential any more: it was changed, revoked or has expired. Sign in again.")),
        [],
    );
    if (!isIn) return <SignIn reason={reason} onDone={() => setIn(true)} />;
    return <Shell onLeave={() => leave(null)} />;
}

function Shell({ onLeave }: { onLeave: () => void }) {
    const view = useView();
    const status = usePolled<Status>("status");
    const series = useSeries();
    const { show: View } = view;
    useEffect(() => {
        document.title = `${view.name} – Kiln console`;
    }, [view]);
    return (
        <>
            <a class="skip" href="#main" onClick={skip}>
                Skip to the figures
            </a>
            <header class="top">
                <p class="brand">
                    <img src="/icon.svg" alt="" width="24" height="24" /> Kiln
                </p>
                {status.data !== undefined && <p class="where">{status.data.address}</p>}
                <Verdict status={status} />
                <Freshness status={status} />
                <button type="button" onClick={onLeave}>
                    Sign out
                </button>
                <nav aria-label="Views">
                    {VIEWS.map(({ name }) => (
                        <a key={name} href={route(name)} aria-current={name === view.name ? "page" : undefined}>
                            {name}
                        </a>
                    ))}
                </nav>
            </header>
            <main id="main" tabIndex={-1}>
                <h1>{view.name}</h1>
                <View key={view.name} status={status} series={series} />
            </main>
        </>
    );
}

/** Moves the keyboard to the figures; the address keeps its view. */
function skip(event: MouseEvent) {
    event.preventDefault();
    document.getElementById("main")?.focus();
}

function useView(): (typeof VIEWS)[number] {
    const named = () => VIEWS.find(({ name }) => route(name) === location.hash) ?? VIEWS[0];
    const [view, setView] = useState(named);
    useEffect(() => {
        const changed = () => {
            setView(named());
            window.scrollTo(0, 0);
        };
        window.addEventListener("hashchange", changed);
        return () => window.removeEventListener("hashchange", changed);
    }, []);
    return view;
}

/** The node in one word. */
function Verdict({ status: { data, failure } }: { status: Polled<Status> }) {
    if (failure?.kind === "away") return <Badge tone="bad">no answer</Badge>;
    if (data === undefined) return null;
    if (!data.ready) return <Badge tone="bad">not ready</Badge>;
    return data.readOnly ? <Badge tone="warn">read-only</Badge> : <Badge tone="good">ready</Badge>;
}

/** How old the figures are. */
function Freshness({ status: { failure } }: { status: Polled<Status> }) {
    useSeconds();
    const at = lastAnswer();
    const answered = at === 0 ? "never answered" : `last answered ${format.ago(at, Date.now())}`;
    return (
        <>
            <p class="fresh">{answered}</p>
            {failure?.kind === "away" && (
                <p class="notice bad away" role="alert">
                    {failure.text} {at !== 0 && "What stands here is old."}
                </p>
            )}
        </>
    );
}

const root = document.getElementById("console");
if (root !== null) render(<App />, root);
