// Checks the types of the console and builds it:
//
//   node build.mjs <folder of npm packages that holds preact, typescript and vite> <output folder>
//
// The output depends on the sources and the packages alone, so a rebuild is byte for byte the same.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const [modules, output] = process.argv.slice(2);
if (!modules || !output) {
    console.error("usage: node build.mjs <node_modules> <output folder>");
    process.exit(2);
}
const packages = resolve(modules);
const outDir = resolve(output);
const sources = dirname(fileURLToPath(import.meta.url));
// A copy, so that the sources find the packages beside them and nothing is written there.
const folder = mkdtempSync(join(tmpdir(), "kiln-console-"));
try {
    for (const name of ["web", "tsconfig.json", "package.json"]) {
        cpSync(join(sources, name), join(folder, name), { recursive: true });
    }
    symlinkSync(packages, join(folder, "node_modules"));
    const compiler = join(packages, "typescript", "bin", "tsc");
    const checked = spawnSync(process.execPath, [compiler, "--project", folder], { stdio: "inherit" });
    if (checked.status !== 0) process.exit(1);
    await bundle();
    writeFileSync(join(outDir, "licences.txt"), licences());
} finally {
    rmSync(folder, { recursive: true });
}

async function bundle() {
    const here = createRequire(join(folder, "here.js"));
    const { build } = await import(pathToFileURL(here.resolve("vite")).href);
    await build({
        root: join(folder, "web"),
        configFile: false,
        logLevel: "warn",
        build: {
            outDir,
            emptyOutDir: true,
            target: "es2020",
            // Scripts and styles are files of their own: the policy of the page allows no others.
            modulePreload: false,
            assetsInlineLimit: 0,
            cssCodeSplit: false,
            rollupOptions: {
                // How long plugins took on this machine says nothing about the page.
                checks: { pluginTimings: false },
                output: { entryFileNames: "console.js", assetFileNames: "console[extname]" },
            },
        },
    });
}

// What is in the bundle and not ours. Its licence asks to be passed on.
function licences() {
    const { version } = JSON.parse(readFileSync(join(packages, "preact", "package.json"), "utf8"));
    const text = readFileSync(join(packages, "preact", "LICENSE"), "utf8");
    return `The console contains Preact ${version}, https://preactjs.com\n\n${text}`;
}
