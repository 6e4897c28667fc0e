// What the views are made of.

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { nodeNow, type Failure } from "./api";
import * as format from "./format";
import { useSeconds, type Polled } from "./pulse";
import { fullness } from "./quotas";

/** How something stands; always said by a word too, never by colour alone. */
export type Tone = "good" | "warn" | "bad" | "plain";

export function Badge({ tone, children }: { tone: Tone; children: ComponentChildren }) {
    return <span class={`badge ${tone}`}>{children}</span>;
}

/** A figure: its exact value for machines, a short text for people. */
export function Figure({ value, text, title }: { value: number; text: string; title?: string | undefined }) {
    return (
        <data value={value} title={title}>
            {text}
        </data>
    );
}

export function Count({ value }: { value: number }) {
    return <Figure value={value} text={format.count(value)} />;
}

export function Bytes({ value }: { value: number }) {
    return <Figure value={value} text={format.bytes(value)} title={format.counted(value, "byte")} />;
}

/** A moment on the node's clock, as how long ago; in full in its title. */
export function Ago({ ms }: { ms: number }) {
    useSeconds();
    return (
        <time dateTime={new Date(ms).toISOString()} title={format.moment(ms)}>
            {format.ago(ms, nodeNow())}
        </time>
    );
}

export function Span({ seconds }: { seconds: number }) {
    return <Figure value={seconds} text={format.span(seconds)} title={`${format.count(seconds)} seconds`} />;
}

export function Section({ title, aside, children }: { title: string; aside?: ComponentChildren; children: ComponentChildren }) {
    const id = `title-${title.toLowerCase().replace(/\W+/g, "-")}`;
    return (
        <section class="panel" aria-labelledby={id}>
            <header>
                <h2 id={id}>{title}</h2>
                {aside}
            </header>
            {children}
        </section>
    );
}

/** A name, what it stands for, and whether that may be long. */
export type Fact = [name: string, value: ComponentChildren, width?: "wide"];

/** A list of names and what they stand for. */
export function Facts({ rows }: { rows: Fact[] }) {
    return (
        <dl class="facts">
            {rows.map(([name, value, width]) => (
                <div key={name} class={width}>
                    <dt>{name}</dt>
                    <dd>{value}</dd>
                </div>
            ))}
        </dl>
    );
}

/** A column: its heading, and what its cells are. */
export interface Column {
    name: string;
    kind?: "number" | "action";
}

/**
 * A table that becomes a list of cards on a narrow screen, with the first cell as their title. The
 * roles are written out because a table that is laid out as blocks loses them. `look` says how many
 * cells stand beside each other on such a card.
 */
export function Table({ caption, columns, rows, empty, look = "lines" }: {
    caption: string;
    columns: Column[];
    rows: { key: string; cells: ComponentChildren[] }[];
    empty: string;
    look?: "lines" | "pairs";
}) {
    if (rows.length === 0) return <p class="empty">{empty}</p>;
    return (
        <table role="table" class={look}>
            <caption>{caption}</caption>
            <thead role="rowgroup">
                <tr role="row">
                    {columns.map(({ name, kind }) => (
                        <th key={name} role="columnheader" scope="col" class={kind}>
                            <span>{name}</span>
                        </th>
                    ))}
                </tr>
            </thead>
            <tbody role="rowgroup">
                {rows.map(({ key, cells }) => (
                    <tr key={key} role="row" data-row={key}>
                        {columns.map(({ name, kind }, index) => (
                            <td key={name} role="cell" data-column={name} class={kind}>
                                <div>{cells[index] ?? <None />}</div>
                            </td>
                        ))}
                    </tr>
                ))}
            </tbody>
        </table>
    );
}

/** Nothing is known, or there is none. */
export function None({ children = "–" }: { children?: ComponentChildren }) {
    return <span class="none">{children}</span>;
}

/** How much of a limit is used. */
export function Meter({ used, limit, label }: { used: number; limit: number; label: string }) {
    const part = limit > 0 ? Math.min(1, used / limit) : 1;
    const tone = fullness(used, limit);
    return (
        <svg
            class={`meter ${tone}`}
            role="meter"
            aria-label={label}
            aria-valuemin={0}
            aria-valuemax={100}
            aria-valuenow={Math.floor(part * 100)}
            aria-valuetext={`${format.percent(used, limit)} used`}
            viewBox="0 0 100 6"
            preserveAspectRatio="none"
        >
            <rect class="whole" width="100" height="6" />
            <rect class="part" width={part === 0 ? 0 : Math.max(1, part * 100)} height="6" />
        </svg>
    );
}

/** What went wrong with the last question, beside what the one before it gave. */
export function Trouble({ failure }: { failure: Failure | undefined }) {
    if (failure === undefined) return null;
    // That nobody answers stands at the head of the page, once.
    if (failure.kind === "away" || failure.kind === "unknown") return null;
    return (
        <p class="notice bad" role="alert">
            {failure.text}
        </p>
    );
}

/** What a question gave, or that it is on its way, or why there is nothing. */
export function Answered<T>({ polled, absent, children }: {
    polled: Polled<T>;
    absent?: string;
    children: (data: T) => ComponentChildren;
}): JSX.Element {
    const { data, failure } = polled;
    if (failure?.kind === "absent" && absent !== undefined) return <p class="empty">{absent}</p>;
    return (
        <>
            <Trouble failure={failure} />
            {data !== undefined ? children(data) : failure === undefined && <p class="empty">Asking the node …</p>}
        </>
    );
}

/** A control with its label above it. */
export function Field({ label, control }: { label: string; control: (id: string) => ComponentChildren }) {
    const id = useId();
    return (
        <div class="field">
            <label for={id}>{label}</label>
            {control(id)}
        </div>
    );
}

/** A choice out of few. */
export function Choice({ label, value, options, disabled = false, onChange }: {
    label: string;
    value: string;
    options: Option[];
    disabled?: boolean;
    onChange: (value: string) => void;
}) {
    return (
        <Field
            label={label}
            control={(id) => (
                <select id={id} value={value} disabled={disabled} onChange={(event) => onChange(event.currentTarget.value)}>
                    {options.map(([option, text]) => (
                        <option key={option} value={option}>
                            {text}
                        </option>
                    ))}
                </select>
            )}
        />
    );
}

export type Option = [value: string, text: string];

/** A question that is answered before anything is done. One that stays is not left by Escape. */
export function Dialog({ title, onClose, stays = false, children }: {
    title: string;
    onClose: () => void;
    stays?: boolean;
    children: ComponentChildren;
}) {
    const dialog = useRef<HTMLDialogElement>(null);
    useEffect(() => dialog.current?.showModal(), []);
    return (
        <dialog ref={dialog} aria-labelledby="dialog-title" onClose={onClose} onCancel={(event) => stays && event.preventDefault()}>
            <h2 id="dialog-title">{title}</h2>
            {children}
        </dialog>
    );
}
