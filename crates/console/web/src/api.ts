// The node's admin API, as docs/admin.md has it.

import { credential } from "./session";

/** Why there is no answer. */
export interface Failure {
    /** "away": nobody answered. "unknown": the credential does not count. "absent": no such thing here. */
    kind: "away" | "unknown" | "forbidden" | "absent" | "slowed" | "refused";
    /** For people: what is wrong, as the node says it where it says anything. */
    text: string;
}

export interface Status {
    version: string;
    address: string;
    uptimeS: number;
    ready: boolean;
    /** "ok", or why the part cannot serve. */
    parts: Record<string, string>;
    readOnly: boolean;
    causes: string[];
    domains: Domain[];
}

export interface Domain {
    name: string;
    source: string;
    disabled: boolean;
}

export interface DomainSettings extends Domain {
    settings?: { anonymous?: string | null; quota?: Record<string, number> };
}

/** What the page looks at of the configuration in use. */
export interface Config {
    config: {
        access?: { anonymous?: string };
        scrub?: { enabled?: boolean; pause_between_s?: number };
    };
}

export interface BricksStatus {
    domains: Record<string, { bricks: number; bytes: number }>;
}

export interface Log {
    origin: string;
    entries: number;
    signed: number;
    checkpointMs: number | null;
    unsignedAgeS: number | null;
    trouble: string | null;
    cosigned: number | null;
    published: number | null;
    unpublishedAgeS: number | null;
    publisherTrouble: string | null;
}

export interface Ledger {
    anchoring: string;
    optimistic: boolean;
    ready: string;
    anchors: number | null;
    log: Log | null;
    outbox: { entries: number; oldestAgeS: number | null } | null;
}

export interface AnchorsStatus {
    domains: Record<string, Ledger>;
}

export interface Checkpoints {
    logs: Record<string, { checkpoint: string | null; message?: string }>;
}

export interface Grant {
    domain: string;
    role: string;
}

export interface ApiKey {
    id: string;
    name: string;
    grants: Grant[];
    quotas: Record<string, number>;
    createdMs: number;
    expiresMs: number | null;
    revokedMs: number | null;
    state: "valid" | "expired" | "revoked";
}

export interface AuditRecord {
    number: number;
    timeMs: number;
    act: string;
    who: string;
    address: string;
    domain: string;
    detail: unknown;
    count: number;
}

export interface Pass {
    number: number;
    beganMs: number;
    endedMs: number;
    things: number;
    bytes: number;
    damaged: number;
}

export interface ScrubState {
    running: boolean;
    current: Pass | null;
    last: Pass | null;
    quarantined?: number;
}

export interface Quarantine {
    count: number;
    bricks: { domain: string | null; hash: string; foundMs: number; what: string }[];
}

/** Longest wait for an answer: read-only mode waits half a minute for writes that had begun. */
const ANSWER_WAIT_MS = 40_000;

/** How far the node's clock is ahead of ours, in milliseconds. */
let aheadMs = 0;
let answeredAt = 0;

/** The time on the node's clock, as well as its answers tell it. */
export function nodeNow(): number {
    return Date.now() + aheadMs;
}

/** When the node answered last, on our clock; 0 before the first answer. */
export function lastAnswer(): number {
    return answeredAt;
}

/** The JSON of a route below /admin/v1, or a [`Failure`], which is thrown. */
export async function ask<T>(path: string, more: { method?: string; body?: unknown } = {}): Promise<T> {
    const said = await send(path, more);
    try {
        return JSON.parse(said) as T;
    } catch {
        throw { kind: "away", text: "What answers here is not a node. Does the tunnel lead to the admin listener?" } satisfies Failure;
    }
}

/** The text of a route below /admin/v1. */
export async function text(path: string): Promise<string> {
    return send(path, {});
}

export function isFailure(thrown: unknown): thrown is Failure {
    return typeof thrown === "object" && thrown !== null && "kind" in thrown && "text" in thrown;
}

async function send(path: string, { method = "GET", body }: { method?: string; body?: unknown }): Promise<string> {
    const headers: Record<string, string> = { Authorization: `Bearer ${credential() ?? ""}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const request: RequestInit = {
        method,
        headers,
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
        signal: AbortSignal.timeout(ANSWER_WAIT_MS),
    };
    if (body !== undefined) request.body = JSON.stringify(body);
    let answer: Response;
    let said: string;
    try {
        answer = await fetch(`/admin/v1/${path}`, request);
        said = await answer.text();
    } catch {
        throw away();
    }
    answeredAt = Date.now();
    const date = Date.parse(answer.headers.get("date") ?? "");
    // The header has whole seconds: within two of ours both clocks are taken for the same.
    if (!Number.isNaN(date)) aheadMs = Math.abs(date - answeredAt) > 2000 ? date - answeredAt : 0;
    if (!answer.ok) throw failure(answer, said);
    return said;
}

function away(): Failure {
    return { kind: "away", text: "The node does not answer. Is it running, and is the tunnel to it open?" };
}

function failure(answer: Response, body: string): Failure {
    const kinds: Record<number, Failure["kind"]> = {
        401: "unknown",
        403: "forbidden",
        404: "absent",
        429: "slowed",
    };
    const kind = kinds[answer.status] ?? "refused";
    let said = `the node answered ${answer.status}`;
    try {
        const { message } = JSON.parse(body) as { message?: string };
        if (message) said = message;
    } catch {
        // An answer that is not the node's own: its status has to do.
    }
    const after = answer.headers.get("retry-after");
    if (kind === "slowed" && after) said += `; wait ${after} s`;
    return { kind, text: said };
}
