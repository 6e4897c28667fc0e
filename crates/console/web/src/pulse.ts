// One beat for everything that is asked again and again. Nobody looks at a hidden tab, so it asks
// nothing; it asks at once when it is looked at again.

import { useEffect, useRef, useState } from "preact/hooks";
import { ask, isFailure, type Failure } from "./api";

/** Time between two beats, in milliseconds. */
export const BEAT_MS = 5_000;

const onBeat = new Set<() => void>();
const onSecond = new Set<() => void>();
let refused: (failure: Failure) => void = () => undefined;

/** Starts the beat; `unknown` is told when the credential does not count any more. */
export function start(unknown: (failure: Failure) => void): () => void {
    refused = unknown;
    const beat = () => {
        if (!document.hidden) onBeat.forEach((listener) => listener());
    };
    const second = () => {
        if (!document.hidden) onSecond.forEach((listener) => listener());
    };
    const beats = setInterval(beat, BEAT_MS);
    const seconds = setInterval(second, 1_000);
    const seen = () => {
        second();
        beat();
    };
    document.addEventListener("visibilitychange", seen);
    return () => {
        clearInterval(beats);
        clearInterval(seconds);
        document.removeEventListener("visibilitychange", seen);
    };
}

/** Calls `listener` with each beat until the returned function is called. */
export function eachBeat(listener: () => void): () => void {
    onBeat.add(listener);
    return () => onBeat.delete(listener);
}

/** Draws the component again each second: it shows how long ago something was. */
export function useSeconds(): void {
    const [, draw] = useState(0);
    useEffect(() => {
        const listener = () => draw((count) => count + 1);
        onSecond.add(listener);
        return () => void onSecond.delete(listener);
    }, []);
}

/** What became of the last question, in which the answer before it stays until there is another. */
export interface Polled<T> {
    data: T | undefined;
    failure: Failure | undefined;
    /** Asks again now. */
    again: () => void;
}

/** Tells of a failure that ends the session. */
export function notice(failure: Failure): void {
    if (failure.kind === "unknown") refused(failure);
}

/** A route below /admin/v1, asked with each beat; nothing is asked for `null`. */
export function usePolled<T>(path: string | null): Polled<T> {
    return useAsked(path, (route) => ask<T>(route));
}

/** What `fetcher` gives for `key`, asked for with each beat. */
export function useAsked<T>(key: string | null, fetcher: (key: string) => Promise<T>): Polled<T> {
    const [found, setFound] = useState<{ data: T | undefined; failure: Failure | undefined }>({
        data: undefined,
        failure: undefined,
    });
    const again = useRef(() => undefined as void);
    useEffect(() => {
        if (key === null) return;
        let isOver = false;
        let isAsking = false;
        const look = async () => {
            if (isAsking || isOver) return;
            isAsking = true;
            try {
                const data = await fetcher(key);
                if (!isOver) setFound({ data, failure: undefined });
            } catch (thrown) {
                if (!isFailure(thrown)) throw thrown;
                if (isOver) return;
                notice(thrown);
                setFound((before) => ({ data: before.data, failure: thrown }));
            } finally {
                isAsking = false;
            }
        };
        again.current = () => void look();
        void look();
        const stop = eachBeat(() => void look());
        return () => {
            isOver = true;
            stop();
        };
    }, [key]);
    return { ...found, again: () => again.current() };
}
