import type { TargetedSubmitEvent } from "preact";
import { useState } from "preact/hooks";
import { ask, isFailure, type Failure, type Status } from "../api";
import * as session from "../session";

/** Asks for a credential, and tries it before it is kept. */
export function SignIn({ reason, onDone }: { reason: string | null; onDone: () => void }) {
    const [trouble, setTrouble] = useState(reason);
    const [isAsking, setAsking] = useState(false);
    const submit = async (event: TargetedSubmitEvent<HTMLFormElement>) => {
        event.preventDefault();
        const form = event.currentTarget;
        const field = form.elements.namedItem("credential") as HTMLInputElement;
        const text = field.value.trim();
        const fault = session.fault(text);
        if (fault !== null) {
            setTrouble(fault);
            return;
        }
        setAsking(true);
        session.remember(text);
        try {
            await ask<Status>("status");
            field.value = "";
            onDone();
        } catch (thrown) {
            session.forget();
            if (!isFailure(thrown)) throw thrown;
            setTrouble(advice(thrown));
            field.select();
        } finally {
            setAsking(false);
        }
    };
    return (
        <main class="sign-in">
            <form onSubmit={submit} noValidate>
                <h1>
                    <img src="/icon.svg" alt="" width="32" height="32" /> Kiln console
                </h1>
                <label for="credential">Admin token or API key</label>
                <input
                    id="credential"
                    name="credential"
                    type="password"
                    autocomplete="off"
                    spellcheck={false}
                    autofocus
                    aria-describedby="sign-in-help"
                    aria-invalid={trouble !== null && trouble !== reason}
                />
                {trouble !== null && (
                    <p class="notice bad" role="alert">
                        {trouble}
                    </p>
                )}
                <button class="first" type="submit" disabled={isAsking}>
                    {isAsking ? "Asking the node …" : "Sign in"}
                </button>
                <div id="sign-in-help" class="help">
                    <p>
                        The token lies on the node’s machine, in the file <code>admin-token</code> of its data folder:
                    </p>
                    <pre>cat DATA/admin-token</pre>
                    <p>
                        An API key needs the role <code>operate</code> or <code>administer</code> for <code>*</code>. It stays
                        in this tab until you sign out or close it.
                    </p>
                </div>
            </form>
        </main>
    );
}

function advice(failure: Failure): string {
    switch (failure.kind) {
        case "unknown":
            return `Not accepted: ${failure.text}. Copy the admin token again from DATA/admin-token, or make a key with “kiln admin keys create NAME --grant '*:operate'”.`;
        case "forbidden":
            return `It is valid, but may not look at the node: ${failure.text}. The page needs the admin token of DATA/admin-token, or a key with the role operate or administer for *.`;
        case "slowed":
            return `Too many wrong credentials came from this address: ${failure.text}.`;
        default:
            return failure.text;
    }
}
