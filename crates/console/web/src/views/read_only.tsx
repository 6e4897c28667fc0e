import { useState } from "preact/hooks";
import { ask, isFailure, type Failure, type Status } from "../api";
import { causes } from "../concerns";
import { Dialog, Trouble } from "../pieces";
import { notice } from "../pulse";

/** Whether the node takes writes, and the switch for it. */
export function ReadOnly({ status, again }: { status: Status; again: () => void }) {
    const [isOpen, setOpen] = useState(false);
    const [isAsking, setAsking] = useState(false);
    const [failure, setFailure] = useState<Failure>();
    const isTold = status.causes.includes("admin");
    const order = async () => {
        setAsking(true);
        try {
            await ask("read-only", { method: "PUT", body: { readOnly: !isTold } });
            setFailure(undefined);
            setOpen(false);
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
        <>
            <button type="button" onClick={() => setOpen(true)}>
                {isTold ? "Take writes again" : "Refuse all writes"}
            </button>
            {isOpen && (
                <Dialog title={isTold ? "Take writes again?" : "Refuse all writes?"} onClose={() => setOpen(false)}>
                    <p>
                        {isTold
                            ? "Clients may write again as soon as this is answered."
                            : "Clients can read, and no write is taken until you say otherwise, also after a restart. Writes that have begun are waited for."}
                    </p>
                    {status.readOnly && <p>At present no writes are taken, because of {causes(status)}.</p>}
                    <Trouble failure={failure} />
                    <p class="actions">
                        <button type="button" onClick={() => setOpen(false)}>
                            Leave it
                        </button>
                        <button type="button" class="first" disabled={isAsking} onClick={() => void order()}>
                            {isTold ? "Take writes again" : "Refuse all writes"}
                        </button>
                    </p>
                </Dialog>
            )}
        </>
    );
}
