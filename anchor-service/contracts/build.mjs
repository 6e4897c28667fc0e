// Compiles the contracts and writes one artefact for each:
//
//   node build.mjs <folder of npm packages that holds solc> <output folder>
//
// The output depends on the sources and the compiler alone, so a rebuild is byte for byte the same.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const CONTRACTS = ["AnchorRegistry", "Anchoring"];
const SETTINGS = {
    evmVersion: "cancun",
    optimizer: { enabled: true, runs: 1000 },
    // Without these the code would end in a hash of the sources and their paths.
    metadata: { bytecodeHash: "none", appendCBOR: false },
};

const [modules, output] = process.argv.slice(2);
if (!modules || !output) {
    console.error("usage: node build.mjs <node_modules> <output folder>");
    process.exit(2);
}
const sourceFolder = dirname(fileURLToPath(import.meta.url));
const solc = createRequire(join(resolve(modules), "here.js"))("solc");

const input = {
    language: "Solidity",
    sources: Object.fromEntries(
        CONTRACTS.map((name) => {
            const file = `${name}.sol`;
            return [file, { content: readFileSync(join(sourceFolder, file), "utf8") }];
        }),
    ),
    settings: {
        ...SETTINGS,
        outputSelection: {
            "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] },
        },
    },
};
const result = JSON.parse(solc.compile(JSON.stringify(input)));
// A warning is as bad as an error: nobody would read it again. One kind is due to the interface of
// Anchoring, which leaves out `view` and `pure`.
const CAN_BE_VIEW_OR_PURE = "2018";
const errors = (result.errors ?? []).filter((it) => it.errorCode !== CAN_BE_VIEW_OR_PURE);
if (errors.length > 0) {
    for (const error of errors) console.error(error.formattedMessage);
    process.exit(1);
}
mkdirSync(output, { recursive: true });
for (const contractName of CONTRACTS) {
    const { abi, evm } = result.contracts[`${contractName}.sol`][contractName];
    const artefact = {
        contractName,
        compiler: solc.version(),
        settings: SETTINGS,
        abi,
        bytecode: `0x${evm.bytecode.object}`,
        deployedBytecode: `0x${evm.deployedBytecode.object}`,
    };
    writeFileSync(join(output, `${contractName}.json`), `${JSON.stringify(artefact, null, 2)}\n`);
}
