// What the domains may use.

import { ask, type Domain } from "./api";
import { useAsked, type Polled } from "./pulse";

/** Quotas by their names, as the configuration spells them; those that are not there have no limit. */
export type Quotas = Record<string, number>;

/** How near a quota is to its end: what is nearly full takes only small things. */
export function fullness(used: number, limit: number): "good" | "warn" | "bad" {
    if (used >= 0.99 * limit) return "bad";
    return used >= 0.9 * limit ? "warn" : "good";
}

/** Quotas change seldom, and each domain is a request. */
const FRESH_MS = 30_000;

let known: { key: string; at: number; quotas: Record<string, Quotas> } | undefined;

/** The quotas of these domains, by their names. */
export function useQuotas(domains: Domain[]): Polled<Record<string, Quotas>> {
    const names = domains.map((domain) => domain.name);
    return useAsked(names.length === 0 ? null : names.join("/"), (key) => quotasOf(key, names));
}

async function quotasOf(key: string, names: string[]): Promise<Record<string, Quotas>> {
    if (known?.key === key && Date.now() - known.at < FRESH_MS) return known.quotas;
    const asked = names.map(async (name): Promise<[string, Quotas]> => {
        const shown = await ask<{ quotas: Quotas }>(`domains/${encodeURIComponent(name)}/quotas`);
        return [name, spelled(shown.quotas)];
    });
    const quotas = Object.fromEntries(await Promise.all(asked));
    known = { key, at: Date.now(), quotas };
    return quotas;
}

/** With the names of the configuration: `storageBytes` is `storage_bytes` there. */
function spelled(quotas: Quotas): Quotas {
    const named = ([name, limit]: [string, number]): [string, number] => [
        name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
        limit,
    ];
    return Object.fromEntries(Object.entries(quotas).map(named));
}
