// Drives a headless browser as a test tells it:
//
//   node drive.mjs <folder of npm packages that holds playwright-core> <the browser> <the page's address>
//
// One JSON object on a line of standard input is one order; one on standard output is what came of it:
// {"result": …} or {"error": "…"}. The page's clock is put forward instead of waiting.
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const [modules, executablePath, address] = process.argv.slice(2);
if (!modules || !executablePath || !address) {
    console.error("usage: node drive.mjs <node_modules> <browser> <address>");
    process.exit(2);
}
const { chromium } = createRequire(join(resolve(modules), "here.js"))("playwright-core");
const ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];
/** Longest wait for anything that the page does; a busy machine takes long. */
const WAIT_MS = 60_000;

// An empty profile in a temporary folder, which goes with the browser.
const browser = await chromium.launch({ executablePath, args: ARGUMENTS });
let context;
let page;
let inFlight = 0;
let seen;

const ORDERS = {
    /** A fresh profile with the page in it; says how the page was answered. */
    async open({ width, height, scheme }) {
        await context?.close();
        context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, serviceWorkers: "block" });
        context.setDefaultTimeout(WAIT_MS);
        page = await context.newPage();
        watch();
        await page.clock.install();
        const answer = await page.goto(`${address}/`);
        await settled();
        return { status: answer.status(), headers: await answer.allHeaders() };
    },
    /** The same tab, loaded anew. */
    async reload() {
        await page.reload();
        await settled();
    },
    async view({ name }) {
        await page.getByRole("navigation").getByRole("link", { name, exact: true }).click();
        await page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
        await settled();
    },
    async fill({ label, text }) {
        await page.getByLabel(label, { exact: true }).fill(text);
    },
    async choose({ label, value }) {
        await page.getByLabel(label, { exact: true }).selectOption(value);
        await settled();
    },
    /** A button by its name; of several with one name, the one in the section with that heading. */
    async click({ name, section }) {
        const place = section === undefined ? page : page.getByRole("region", { name: section, exact: true });
        await place.getByRole("button", { name, exact: true }).click();
        await settled();
    },
    /** A button of the open dialog. */
    async answer({ name }) {
        await page.getByRole("dialog").getByRole("button", { name, exact: true }).click();
        await settled();
    },
    async press({ key }) {
        await page.keyboard.press(key);
        await settled();
        return page.evaluate(() => document.activeElement?.textContent?.trim() ?? "");
    },
    /** The time after which the page asks again. */
    async beat() {
        await page.clock.fastForward(5_000);
        await settled();
    },
    async read() {
        return page.evaluate(readPage);
    },
    /** What the page asked for, and what went wrong, since the last time. */
    async seen() {
        const found = seen;
        forget();
        found.violations = await page.evaluate(() => globalThis.violations ?? []);
        return found;
    },
    /** What is kept of the session, wherever a browser keeps things. */
    async kept() {
        const stores = await page.evaluate(async () => ({
            session: Object.values({ ...sessionStorage }),
            local: Object.values({ ...localStorage }),
            databases: (await indexedDB.databases()).length,
        }));
        return { ...stores, cookies: (await context.cookies()).length };
    },
    async measure() {
        return page.evaluate(measurePage);
    },
    async resize({ width, height }) {
        await page.setViewportSize({ width, height });
        await settled();
    },
    /** A picture of the whole page, or of what the screen shows while a dialog is open. */
    async shot({ file }) {
        await page.evaluate(() => window.scrollTo(0, 0));
        const fullPage = (await page.locator("dialog[open]").count()) === 0;
        await page.screenshot({ path: file, fullPage });
    },
};

function forget() {
    seen = { requests: 0, foreign: [], errors: [] };
}

/** Notes whatever the page asks for and whatever goes wrong in it. */
function watch() {
    forget();
    inFlight = 0;
    context.addInitScript(() => {
        globalThis.violations = [];
        document.addEventListener("securitypolicyviolation", (event) => {
            globalThis.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
        });
    });
    context.on("request", (request) => {
        inFlight += 1;
        seen.requests += 1;
        if (new URL(request.url()).origin !== address) seen.foreign.push(request.url());
    });
    context.on("requestfinished", () => (inFlight -= 1));
    context.on("requestfailed", () => (inFlight -= 1));
    page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) seen.errors.push(message.text());
    });
    page.on("pageerror", (error) => seen.errors.push(String(error)));
}

/** Waits until nothing is being asked and what was answered is drawn. */
async function settled() {
    const frames = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    // What is drawn may ask anew.
    for (let quiet = 0; quiet < 3; ) {
        await page.evaluate(frames);
        quiet = inFlight === 0 ? quiet + 1 : 0;
    }
}

/** The page as a reader has it: each figure with its exact value, where it has one. */
function readPage() {
    const text = (element) => element?.textContent?.trim().replace(/\s+/g, " ") ?? null;
    const figure = (element) => {
        const values = [...element.querySelectorAll("data")].map((it) => Number(it.getAttribute("value")));
        const times = [...element.querySelectorAll("time")].map((it) => Date.parse(it.getAttribute("datetime")));
        return { text: text(element), values, times };
    };
    const sections = {};
    for (const section of document.querySelectorAll("section")) {
        const facts = {};
        for (const row of section.querySelectorAll("dl > div")) {
            facts[text(row.querySelector("dt"))] = figure(row.querySelector("dd"));
        }
        const rows = {};
        for (const row of section.querySelectorAll("tbody > tr")) {
            const cells = [...row.querySelectorAll("td")].map((cell) => [cell.dataset.column, figure(cell)]);
            rows[row.dataset.row] = Object.fromEntries(cells);
        }
        const charts = {};
        for (const chart of section.querySelectorAll("figure")) {
            const points = [...chart.querySelectorAll("path.line")].map((it) => it.getAttribute("d").split("L").length);
            charts[text(chart.querySelector("figcaption span"))] = {
                ...figure(chart),
                points: points.reduce((sum, it) => sum + it, 0),
                label: chart.querySelector("svg").getAttribute("aria-label"),
            };
        }
        const tally = [...section.querySelectorAll(".tally li")].map((it) => [it.dataset.row, figure(it).values[0]]);
        const heading = text(section.querySelector("h2"));
        sections[heading] = {
            facts,
            rows,
            charts,
            tally: Object.fromEntries(tally),
            text: text(section),
            buttons: [...section.querySelectorAll("button")].map((it) => ({ name: text(it), disabled: it.disabled })),
            meters: [...section.querySelectorAll("[role=meter]")].map((it) => it.getAttribute("aria-valuetext")),
        };
    }
    return {
        title: document.title,
        heading: text(document.querySelector("h1")),
        head: text(document.querySelector("header.top")),
        sections,
        notices: [...document.querySelectorAll(".notice")].map(text),
        alerts: [...document.querySelectorAll("[role=alert]")].map(text),
        dialog: text(document.querySelector("dialog[open]")),
        text: text(document.body),
    };
}

/** How the page looks: too wide or not, how light its ground is, and its weakest contrast. */
function measurePage() {
    const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const parse = (colour) => {
        paint.clearRect(0, 0, 1, 1);
        paint.fillStyle = colour;
        paint.fillRect(0, 0, 1, 1);
        return [...paint.getImageData(0, 0, 1, 1).data];
    };
    const luminance = ([red, green, blue]) => {
        const linear = [red, green, blue].map((it) => it / 255).map((it) => (it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4));
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };
    const ground = (element) => {
        for (let at = element; at !== null; at = at.parentElement) {
            const colour = parse(getComputedStyle(at).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return [255, 255, 255, 255];
    };
    let weakest = { ratio: 21, text: "" };
    for (const element of document.querySelectorAll("body *")) {
        const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim() !== "");
        // Controls that cannot be used are exempt (WCAG 1.4.3).
        if (!own || !element.checkVisibility() || element.disabled || element.tagName === "OPTION") continue;
        const [one, other] = [parse(getComputedStyle(element).color), ground(element)].map(luminance);
        const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        if (ratio < weakest.ratio) weakest = { ratio, text: element.textContent.trim().slice(0, 40) };
    }
    const root = document.documentElement;
    const controls = [...document.querySelectorAll("button, select, input, nav a")].filter((it) => it.checkVisibility());
    return {
        over: root.scrollWidth - root.clientWidth,
        ground: luminance(ground(document.body)),
        weakest,
        lowest: Math.min(...controls.map((it) => it.getBoundingClientRect().height)),
        nameless: controls.filter((it) => !(it.textContent || it.labels?.length || it.ariaLabel)).length,
    };
}

for await (const line of createInterface({ input: process.stdin })) {
    const { order, ...with_ } = JSON.parse(line);
    try {
        const result = (await ORDERS[order](with_)) ?? null;
        console.log(JSON.stringify({ result }));
    } catch (error) {
        console.log(JSON.stringify({ error: String(error?.stack ?? error) }));
    }
}
await browser.close();
