import { None } from "../pieces";
import * as format from "../format";

/** Quotas in words; names come in either spelling, of the configuration or of the API. */
export function QuotaList({ quotas }: { quotas: Record<string, number> }) {
    const rows = Object.entries(quotas);
    if (rows.length === 0) return <None>none</None>;
    return (
        <ul class="plain">
            {rows.map(([name, value]) => (
                <li key={name}>
                    {format.words(name)}: <data value={value}>{/bytes/i.test(name) ? format.bytes(value) : format.count(value)}</data>
                </li>
            ))}
        </ul>
    );
}
