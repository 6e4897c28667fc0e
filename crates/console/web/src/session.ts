// The credential of whoever sits before the page. It is kept in the tab's storage alone: another
// tab, a restart of the browser or "sign out" is without it.

const KEY = "kiln-console-credential";

export function credential(): string | null {
    return sessionStorage.getItem(KEY);
}

export function remember(text: string): void {
    sessionStorage.setItem(KEY, text);
}

export function forget(): void {
    sessionStorage.removeItem(KEY);
}

/** What is wrong with the form of what was pasted, if anything. */
export function fault(text: string): string | null {
    if (text === "") return "Paste the admin token or an API key.";
    if (!/^[\x21-\x7e]+$/.test(text)) {
        return "This is no token: tokens and keys are one word of letters, digits and _. Copy it again, without spaces or line breaks.";
    }
    return null;
}
