// Drives the unmodified OpenDSU SDK against a running node.
//
//   OPENDSU_SDK=<checkout of OpenDSU/opendsu-sdk> node driver.cjs <base url> [scenario ...]
//
// Prints `ok <scenario>` or `FAILED <scenario>: <why>` for each scenario and a
// count at the end. Exit code: 0 all passed, 1 something failed, 2 wrong usage.
// The node must serve the domains default, test1, test2 and vault. The scenarios
// use fresh identifiers, so that a node can be driven again and again.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { audit } = require("./audit.cjs");
const { bundleOf } = require("./sdk.cjs");
const { Stage } = require("./stage.cjs");

const SCENARIOS = path.join(__dirname, "scenarios");

/** All scenarios, by the order of their file names. */
function scenarios() {
  const files = fs.readdirSync(SCENARIOS).filter((name) => name.endsWith(".cjs")).sort();
  return files.map((name) => ({ name: path.basename(name, ".cjs"), file: path.join(SCENARIOS, name) }));
}

function usage(reason) {
  console.error(`${reason}\nusage: OPENDSU_SDK=<checkout> node driver.cjs <base url> [scenario ...]`);
  process.exit(2);
}

function chosen(names) {
  const all = scenarios();
  const unknown = names.find((name) => !all.some((scenario) => scenario.name === name));
  if (unknown) {
    usage(`no scenario ${unknown}; there are ${all.map(({ name }) => name).join(", ")}`);
  }
  return names.length ? all.filter(({ name }) => names.includes(name)) : all;
}

/** Plays one scenario and audits what it left on the node; throws when anything is wrong. */
async function play({ file }, baseUrl) {
  const stage = new Stage(file, baseUrl);
  try {
    await require(file).play(stage);
    return await audit(baseUrl, stage);
  } finally {
    stage.close();
  }
}

async function main([baseUrl, ...names]) {
  if (!baseUrl || !/^https?:\/\//.test(baseUrl)) {
    usage("the first argument must be the base URL of the node");
  }
  if (!process.env.OPENDSU_SDK) {
    usage("OPENDSU_SDK is not set");
  }
  try {
    bundleOf(process.env.OPENDSU_SDK);
  } catch (error) {
    usage(error.message);
  }
  const origin = new URL(baseUrl).origin;
  await fetch(`${origin}/bdns`).catch((error) => {
    throw new Error(`no node answers at ${origin}: ${error.cause ? error.cause.message : error.message}`);
  });
  let failed = 0;
  const list = chosen(names);
  for (const scenario of list) {
    const startedMs = performance.now();
    try {
      const { bricks, versions, documents } = await play(scenario, origin);
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
      console.log(`ok ${scenario.name}`);
      console.error(`   ${bricks} bricks, ${versions} versions, ${documents} documents checked in ${seconds} s`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED ${scenario.name}: ${error.message.replace(/\s+/g, " ")}`);
      console.error(error.output || error.stack);
    }
  }
  console.log(`${list.length - failed} passed, ${failed} failed`);
  process.exitCode = failed ? 1 : 0;
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
